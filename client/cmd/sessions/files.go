package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// files holds the commands on files.
func (a *app) files() *cobra.Command {
	cmd := group("files", "Upload, show, download and delete files", a.plainFileCommands()...)
	cmd.AddCommand(a.uploadFile(), a.downloadFile())
	return cmd
}

func fileView() view[client.File] {
	return view[client.File]{
		id: func(f *client.File) string { return f.ID },
		columns: []column[client.File]{
			{name: "ID", text: func(f *client.File) string { return f.ID }},
			{name: "NAME", text: func(f *client.File) string { return f.Filename }},
			{name: "TYPE", text: func(f *client.File) string { return f.MimeType }},
			{name: "BYTES", text: func(f *client.File) string { return fmt.Sprint(f.SizeBytes) }},
			{name: "PURPOSE", text: func(f *client.File) string { return string(f.Purpose) }, detail: true},
			{name: "METADATA", text: func(f *client.File) string { return pairsOf(f.Metadata) }, detail: true},
			{name: "CREATED", at: func(f *client.File) *time.Time { return &f.CreatedAt }},
			{name: "EXPIRES", at: func(f *client.File) *time.Time { return f.ExpiresAt }, detail: true},
		},
	}
}

// uploadFields are what the flags of upload set.
type uploadFields struct {
	Name     string             `json:"name,omitempty"`
	Purpose  client.FilePurpose `json:"purpose,omitempty"`
	Metadata client.Metadata    `json:"metadata,omitempty"`
}

func (a *app) uploadFile() *cobra.Command {
	var media string
	var expires time.Duration
	cmd, in := a.newCommand(operation{id: "uploadFile", writes: true, fields: []field{
		{param: "name", name: "name", kind: textFlag, usage: "`NAME` of the file (default: that of FILE)"},
		{param: "purpose", name: "purpose", kind: textFlag, usage: "what the file is for", bounds: "user_upload by default",
			allowed: []string{"user_upload", "tool_output", "skill_output", "session_resource", "agent_output"}},
		{param: "metadata", name: "metadata", kind: pairsFlag, usage: "custom key-value pairs, at most 16", bounds: "at most 16 keys"},
	}})
	cmd.Flags().StringVar(&media, "type", "", "media `TYPE` of the content, such as text/csv (default: by the name)")
	cmd.Flags().DurationVar(&expires, "expires-in", 0, "how long the file is kept, 1h to 2160h; by default it is kept until it is deleted")
	_ = cmd.Flags().SetAnnotation("expires-in", paramAnnotation, []string{"expires_in_seconds"})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		doc, err := in.read(reflect.TypeFor[uploadFields]())
		if err != nil {
			return err
		}
		fields, err := decode[uploadFields](cmd, doc)
		if err != nil {
			return err
		}
		content, err := a.openContent(args[0])
		if err != nil {
			return err
		}
		defer content.Close()
		upload := client.FileUpload{Name: fields.Name, MediaType: media, Purpose: fields.Purpose, Metadata: fields.Metadata, ExpiresIn: expires}
		switch {
		case upload.Name == "" && args[0] == "-":
			return usageError{errors.New("standard input has no name; give --name")}
		case upload.Name == "":
			upload.Name = filepath.Base(args[0])
		}
		c, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		progress := a.progress("uploaded", sizeOf(content))
		file, err := c.Files.Upload(cmd.Context(), progress.reader(content), upload, options(cmd)...)
		progress.end()
		if err != nil {
			return err
		}
		return show(a, fileView(), file)
	}
	return cmd
}

// openContent opens a file to upload, or standard input for "-".
func (a *app) openContent(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.in), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, usageError{pathError("read", err)}
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		_ = file.Close()
		return nil, usageError{fmt.Errorf("%s is a folder; give a file", name)}
	}
	return file, nil
}

// pathError says what cannot be done with a file.
func pathError(what string, err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("cannot %s %s: %w", what, failed.Path, failed.Err)
	}
	return err
}

// sizeOf returns the size of a regular file; 0 for anything else.
func sizeOf(content any) int64 {
	file, ok := content.(*os.File)
	if !ok {
		return 0
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

func (a *app) downloadFile() *cobra.Command {
	var force bool
	cmd, _ := a.newCommand(operation{id: "getFileContent"})
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file at PATH")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, path := args[0], args[1]
		c, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		get := func(ctx context.Context, to io.Writer) error {
			progress := a.progress("downloaded", 0)
			defer progress.end()
			_, err := c.Files.Download(ctx, id, progress.writer(to))
			return err
		}
		if path == "-" {
			return get(cmd.Context(), exactWriter{a.out})
		}
		return save(cmd.Context(), path, force, get)
	}
	return cmd
}

// exactWriter writes bytes unchanged, except on a terminal.
type exactWriter struct{ to stream }

// Write implements io.Writer.
func (w exactWriter) Write(p []byte) (int, error) {
	if err := w.to.writeExact(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// save writes a file at a path that the caller has chosen. Unless force is set it never replaces one, and with it only by a
// complete one: what fails leaves the path as it was.
func save(ctx context.Context, path string, force bool, get func(ctx context.Context, to io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usageError{fmt.Errorf("%s is a folder; give the path of a file", path)}
	}
	if !force {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return usageError{fmt.Errorf("%s exists; give --force to overwrite it", path)}
		}
		return fill(ctx, file, err, get)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".sessions-download-*")
	if err := fill(ctx, file, err, get); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// fill writes a new file, and removes it when that fails. err is that of its creation.
func fill(ctx context.Context, file *os.File, err error, get func(ctx context.Context, to io.Writer) error) error {
	if err != nil {
		return usageError{pathError("write", err)}
	}
	if err = get(ctx, file); err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}
