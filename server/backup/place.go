package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cloud-sessions/sessions/server/internal/folder"
)

// PlaceNew gives the complete file at from, in the same folder or file system, the name to, durably, unless something has that
// name: that is never replaced, whenever it appeared. from may remain.
func PlaceNew(from, to string) error {
	switch err := os.Link(from, to); {
	case errors.Is(err, fs.ErrExist):
		return taken(to)
	case err != nil: // the file system has no links
		if err := renameNew(from, to); err != nil {
			return err
		}
	}
	if err := folder.Sync(os.Open, filepath.Dir(to)); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

func taken(path string) error {
	return fmt.Errorf("%s exists, and is not overwritten; move it away, or choose another name", path)
}

// renameNew takes the name with an empty file, which it replaces.
func renameNew(from, to string) error {
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return taken(to)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(file.Close(), os.Rename(from, to)); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// folders are folders that were created for something that may fail, each after its parent.
type folders []string

// make creates a folder and its parents, like os.MkdirAll.
func (f *folders) make(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	var missing []string
	for at := path; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append(missing, at)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := os.Mkdir(missing[i], 0o700); err == nil {
			*f = append(*f, missing[i])
		} else if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// remove removes the folders that are empty.
func (f folders) remove() {
	for i := len(f) - 1; i >= 0; i-- {
		_ = os.Remove(f[i]) // another program may use it by now
	}
}
