package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/internal/folder"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// Restore restores an archive, at a place that has neither a database nor files: nothing is overwritten. Meanwhile no process
// can serve the place. The database appears last. Whatever fails, nothing is left. The place may have no folder for files
// only when the archive has none.
func Restore(ctx context.Context, r io.Reader, to Place) (c Copied, err error) {
	path, err := onlySQLite(to.DB)
	if err != nil {
		return c, err
	}
	if err := vacant(path, to.Blobs); err != nil {
		return c, err
	}
	var made folders
	defer func() {
		if err != nil {
			made.remove()
		}
	}()
	if err := made.make(filepath.Dir(path)); err != nil {
		return c, err
	}
	reserved, err := sqlstore.Reserve(to.DB)
	if err != nil {
		return c, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, reserved.Discard())
		} else {
			err = reserved.Close()
		}
	}()
	path = reserved.Path
	s := &staged{found: map[string]blob.Blob{}}
	defer func() { err = errors.Join(err, s.discard()) }()
	if s.folder, err = os.MkdirTemp(filepath.Dir(path), ".restore-*"); err != nil {
		return c, err
	}
	if to.Blobs != "" {
		if err := made.make(filepath.Dir(to.Blobs)); err != nil {
			return c, err
		}
		if s.blobs, err = os.MkdirTemp(filepath.Dir(to.Blobs), ".restore-*"); err != nil {
			return c, err
		}
	}
	if err := s.unpack(ctx, r); err != nil {
		return c, fmt.Errorf("the backup: %w", err)
	}
	if c, err = s.check(ctx); err != nil {
		return c, fmt.Errorf("the backup: %w", err)
	}
	return c, s.place(path, to.Blobs)
}

// vacant returns an error when something is where a backup is to be restored.
func vacant(path, blobs string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if _, err := os.Lstat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s exists, and is not overwritten; move it away, or restore to another --db", path+suffix)
		}
	}
	if blobs == "" {
		return nil
	}
	entries, err := os.ReadDir(blobs)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty; move it away, or restore to another --blobs", blobs)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// staged is a backup on its way to its place: next to it, under other names.
type staged struct {
	folder string // with the database
	blobs  string // the folder of the contents; "" for none
	// found are the contents in it, by key.
	found map[string]blob.Blob
}

func (s *staged) database() string { return filepath.Join(s.folder, databaseName) }

// discard removes what was not placed.
func (s *staged) discard() error {
	var errs []error
	for _, path := range []string{s.folder, s.blobs} {
		if path != "" {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// unpack reads an archive to its end. Its names are another's, and quoted in errors: a terminal must not obey them.
func (s *staged) unpack(ctx context.Context, r io.Reader) error {
	packed, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	entries, described, complete := tar.NewReader(packed), false, false
	for {
		header, err := entries.Next()
		switch {
		case err == io.EOF && complete:
			_, err := io.Copy(io.Discard, packed) // which verifies the checksum
			return err
		case err == io.EOF:
			return errors.New("it has no database")
		case err != nil:
			return err
		}
		key, isBlob := strings.CutPrefix(header.Name, blobFolder)
		switch isManifest := header.Name == manifestName; {
		case isManifest && described, header.Name == databaseName && complete:
			err = errors.New("it is there twice")
		case isManifest:
			described = true
			err = checkManifest(entries, s.blobs != "")
		case !described:
			err = fmt.Errorf("it is not of a backup, which begins with %s", manifestName)
		case header.Name == databaseName:
			complete = true
			err = s.write(ctx, entries)
		case isBlob && s.blobs != "":
			s.found[key], err = blob.Restore(ctx, s.blobs, key, entries)
		default:
			err = errors.New("it is not of a backup")
		}
		if err != nil {
			return fmt.Errorf("%q: %w", header.Name, err)
		}
	}
}

func checkManifest(r io.Reader, files bool) error {
	var m manifest
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		return err
	}
	switch {
	case m.Format > format:
		return fmt.Errorf("its format is %d, made by sessionsd %q; this program knows %d at most", m.Format, m.Program, format)
	case m.Format < 1:
		return fmt.Errorf("its format is %d; the least is 1", m.Format)
	case m.Files && !files:
		return errors.New("it has the contents of files; name a folder for them with --blobs")
	}
	return nil
}

// write writes the database.
func (s *staged) write(ctx context.Context, from io.Reader) error {
	file, err := os.OpenFile(s.database(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), ctx.Err())
}

// check returns an error for a database that is damaged, or that lacks the content of a file or has another one. It removes
// contents that no file has: those of files that were deleted while the backup was made.
func (s *staged) check(ctx context.Context) (c Copied, err error) {
	if err := sqlstore.CheckSnapshot(ctx, s.database()); err != nil {
		return c, err
	}
	info, err := os.Stat(s.database())
	if err != nil {
		return c, err
	}
	c.Database = info.Size()
	if s.blobs == "" {
		return c, nil
	}
	needed := map[string]bool{}
	err = sqlstore.SnapshotBlobs(ctx, s.database(), func(b sqlstore.BlobRef) error {
		needed[b.Key] = true
		c.Files, c.Bytes = c.Files+1, c.Bytes+b.Size
		found, is := s.found[b.Key]
		switch {
		case !is:
			return fmt.Errorf("the content %q is missing", b.Key)
		case found.Size != b.Size:
			return fmt.Errorf("the content %s has %d of %d bytes", b.Key, found.Size, b.Size)
		case found.SHA256 != b.SHA256:
			return fmt.Errorf("the content %s is not the file's: its SHA-256 is another", b.Key)
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	entries, err := os.ReadDir(s.blobs)
	for _, entry := range entries {
		if err == nil && !needed[entry.Name()] {
			err = os.Remove(filepath.Join(s.blobs, entry.Name()))
		}
	}
	return c, err
}

// place gives the contents, and then the database, their names, unless something has appeared there.
func (s *staged) place(path, blobs string) error {
	if err := vacant(path, blobs); err != nil {
		return err
	}
	if blobs != "" {
		if err := os.Remove(blobs); err != nil && !errors.Is(err, fs.ErrNotExist) { // it is empty
			return err
		}
		if err := os.Rename(s.blobs, blobs); err != nil {
			return err
		}
		if err := folder.Sync(os.Open, filepath.Dir(blobs)); err != nil {
			return errors.Join(err, os.Rename(blobs, s.blobs))
		}
	}
	if err := PlaceNew(s.database(), path); err != nil {
		if blobs != "" {
			err = errors.Join(err, os.Rename(blobs, s.blobs))
		}
		return err
	}
	return nil
}
