package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	osfolder "github.com/cloud-sessions/sessions/server/internal/folder"
)

// folder stores blobs as files of one folder.
//
// A new blob is written to a file beside its place, which is synced, renamed and made durable by syncing the folder.
// Whatever a crash leaves is such a file, which List has, or a complete blob. os.Root keeps every name within the folder.
type folder struct {
	root *os.Root
	// path is what Close removes; "" for a folder that stays.
	path string
}

// unfinished begins the names of files that are not blobs yet.
const unfinished = "new-"

func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("blob: make the folder: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("blob: open the folder: %w", err)
	}
	return &folder{root: root}, nil
}

// Temporary returns a store that Close removes with all blobs.
func Temporary() (Store, error) {
	path, err := os.MkdirTemp("", "sessionsd-blobs-")
	if err != nil {
		return nil, fmt.Errorf("blob: make a temporary folder: %w", err)
	}
	f, err := openFolder(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	f.path = path
	return f, nil
}

// Create implements Store.
func (f *folder) Create(ctx context.Context, r io.Reader) (Blob, error) {
	key := NewKey()
	from := NewSource(r)
	err := f.write(ctx, unfinished+key, from)
	if err == nil {
		err = f.root.Rename(unfinished+key, key)
	}
	if err == nil {
		err = osfolder.Sync(f.root.Open, ".")
	}
	if err != nil {
		_ = f.root.Remove(unfinished + key)
		return Blob{}, from.Failed(err)
	}
	return from.Blob(key), nil
}

// write writes a new file durably, except for its name.
func (f *folder) write(ctx context.Context, name string, from io.Reader) error {
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{file}, untilDone{ctx, from}, make([]byte, CopyBytes))
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// untilDone is a reader that fails once ctx has ended.
type untilDone struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// Open implements Store.
func (f *folder) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	file, err := f.root.Open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, &UnavailableError{err}
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return nil, &UnavailableError{errors.Join(err, file.Close())}
	}
	var from io.Reader = file
	if length >= 0 {
		from = io.LimitReader(file, length)
	}
	return struct {
		io.Reader
		io.Closer
	}{untilDone{ctx, from}, file}, nil
}

// Delete implements Store.
func (f *folder) Delete(_ context.Context, key string) error {
	if err := f.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &UnavailableError{err}
	}
	return nil
}

// listStep is how many names are read at a time.
const listStep = 256

// List implements Store. Files of other names are left alone.
func (f *folder) List(ctx context.Context, before time.Time, each func(key string) error) error {
	dir, err := f.root.Open(".")
	if err != nil {
		return &UnavailableError{err}
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(listStep)
		for _, entry := range entries {
			name := entry.Name()
			if !strings.HasPrefix(strings.TrimPrefix(name, unfinished), "blob-") {
				continue
			}
			info, err := entry.Info()
			if err != nil || !info.ModTime().Before(before) { // it may be gone
				continue
			}
			if err := each(name); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return &UnavailableError{err}
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// CopyBytes is how many bytes of a content stores copy at a time.
const CopyBytes = 64 << 10

// Buffer implements Store.
func (f *folder) Buffer() int { return CopyBytes }

// Close implements Store.
func (f *folder) Close() error {
	err := f.root.Close()
	if f.path != "" {
		err = errors.Join(err, os.RemoveAll(f.path))
	}
	return err
}

// validKey is what a key of a blob looks like, as NewKey makes it.
var validKey = regexp.MustCompile(`^blob-[a-z0-9]{1,100}$`)

// Restore stores what r yields under the key that the blob had where it was copied from, durably, in a folder, and describes
// what it stored. It refuses a key that the folder has already.
func Restore(ctx context.Context, path, key string, r io.Reader) (Blob, error) {
	if !validKey.MatchString(key) {
		return Blob{}, fmt.Errorf("blob: %q is not a key of a blob", key)
	}
	f, err := openFolder(path)
	if err != nil {
		return Blob{}, err
	}
	from := NewSource(r)
	err = f.write(ctx, key, from)
	if err == nil {
		err = osfolder.Sync(f.root.Open, ".")
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Blob{}, fmt.Errorf("blob: %w", err)
	}
	return from.Blob(key), nil
}
