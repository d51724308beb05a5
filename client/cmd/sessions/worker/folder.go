package worker

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// folder is the worker's folder and what the worker has downloaded into it. No name leads out of it, and no symbolic link. It
// never replaces or removes a file that it has not written itself, or that was changed since. It is for one goroutine at a time.
type folder struct {
	root   *os.Root
	placed map[string]placed // by the name in the folder
}

// placed is a file that was downloaded.
type placed struct {
	file, session string // the ids of the file and of the last session that it was for
	size          int64
	modified      time.Time
}

func openFolder(dir string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root: root, placed: map[string]placed{}}, nil
}

// Close releases the folder.
func (f *folder) Close() error { return f.root.Close() }

// errTaken is a name that another file has.
var errTaken = errors.New("another file is there, which the worker does not overwrite")

// place makes a session's file appear under a name; get writes its content. A file that was placed for the same id before is
// left as it is now, since agents may have changed it.
func (f *folder) place(ctx context.Context, session, name, file string, get func(ctx context.Context, to io.Writer) error) error {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return errors.New("its path is not one of this system")
	}
	before, known := f.placed[name]
	_, err := f.root.Lstat(name)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return plain(err)
	case err == nil && known && before.file == file:
		before.session = session
		f.placed[name] = before
		return nil
	}
	temporary, err := f.download(ctx, path.Dir(name), get)
	if err != nil {
		return err
	}
	defer func() { _ = f.root.Remove(temporary) }() // unless it was renamed
	info, err := f.appear(temporary, name, before)
	if err != nil {
		return plain(err)
	}
	f.placed[name] = placed{file, session, info.Size(), info.ModTime()}
	return nil
}

// appear gives a downloaded file its name, if nothing is there, or what was placed there before and is unchanged, or the same
// content. A download takes long, so it looks at what is there now. It needs a file system with hard links.
func (f *folder) appear(temporary, name string, before placed) (fs.FileInfo, error) {
	info, err := f.root.Lstat(temporary)
	if err != nil {
		return nil, err
	}
	there, err := f.root.Lstat(name)
	if err == nil && before.file != "" && before.unchanged(there) {
		return info, f.root.Rename(temporary, name)
	}
	err = f.root.Link(temporary, name) // which replaces nothing
	if !errors.Is(err, fs.ErrExist) {
		return info, err
	}
	if there, err = f.root.Lstat(name); err == nil && !f.same(temporary, name) { // it may be from before the worker was started
		err = errTaken
	}
	return there, err
}

// download writes a content into a new file of a folder, which it creates, and returns the file's name.
func (f *folder) download(ctx context.Context, in string, get func(ctx context.Context, to io.Writer) error) (name string, err error) {
	if err := f.root.MkdirAll(in, 0o700); err != nil {
		return "", plain(err)
	}
	name = path.Join(in, ".sessions-download-"+rand.Text())
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", plain(err)
	}
	err = get(ctx, file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = f.root.Remove(name)
		return "", plain(err)
	}
	return name, nil
}

// same reports whether two files are regular files with the same content.
func (f *folder) same(a, b string) bool {
	first, err := f.openRegular(a)
	if err != nil {
		return false
	}
	defer first.Close()
	second, err := f.openRegular(b)
	if err != nil {
		return false
	}
	defer second.Close()
	return sameContent(first, second)
}

func (f *folder) openRegular(name string) (*os.File, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait
		return nil, errTaken
	}
	return f.root.Open(name)
}

// sameContent reports whether two readers have the same bytes and no error.
func sameContent(a, b io.Reader) bool {
	const step = 64 << 10
	left, right := make([]byte, step), make([]byte, step)
	for {
		n, errA := io.ReadFull(a, left)
		m, errB := io.ReadFull(b, right)
		if !bytes.Equal(left[:n], right[:m]) {
			return false
		}
		if errA != nil || errB != nil {
			return atEnd(errA) && atEnd(errB)
		}
	}
}

func atEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// removeExcept removes the files that were placed for a session under other names than those, unless they were changed.
func (f *folder) removeExcept(session string, names map[string]bool) {
	for name, p := range f.placed {
		if p.session != session || names[name] {
			continue
		}
		if info, err := f.root.Lstat(name); err == nil && p.unchanged(info) {
			_ = f.root.Remove(name) // what cannot be removed stays
		}
		delete(f.placed, name)
	}
}

// unchanged reports whether a file is still the one that was placed.
func (p placed) unchanged(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Size() == p.size && info.ModTime().Equal(p.modified)
}

// reserve returns the name of a new folder for others to create: that one, or with a suffix if something is there. Its parent
// exists then, and no symbolic link is on the way. The agents of earlier sessions could have made one, or a file: then the new
// folder is at the top, where the suffix, which they do not know, keeps its name free.
func (f *folder) reserve(name, suffix string) (string, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fmt.Errorf("the path %q is not one of this system", name)
	}
	if !f.canHold(path.Dir(name)) {
		name = strings.ReplaceAll(name, "/", "-") + suffix
	}
	if _, err := f.root.Lstat(name); err == nil { // left by a worker that died, or in use by another one
		name += suffix
	}
	return name, nil
}

// canHold reports whether a name is a folder, which it creates, without a symbolic link on the way to it.
func (f *folder) canHold(name string) bool {
	if f.root.MkdirAll(name, 0o700) != nil {
		return false
	}
	at := filepath.Join(f.root.Name(), filepath.FromSlash(name))
	real, err := filepath.EvalSymlinks(at)
	return err == nil && real == at
}

// plain returns the cause of an error of the file system, without paths of this machine.
func plain(err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err
	}
	if failed, ok := errors.AsType[*os.LinkError](err); ok {
		return failed.Err
	}
	return err
}
