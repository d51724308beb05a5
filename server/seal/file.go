package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/cloud-sessions/sessions/server/internal/folder"
)

// largestFile bounds a key file, in bytes: a ring of many keys is far smaller.
const largestFile = 1 << 20

// ReadFile returns the ring in a key file. Others than the file's owner must not be able to read it. The error is
// fs.ErrNotExist when there is no such file.
func ReadFile(path string) (*Ring, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the key file %s is not a regular file", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s has the mode %04o, so that other users may have read it; run chmod 600 on it, and replace the key if they did",
			path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, largestFile))
	if err != nil {
		return nil, err
	}
	ring, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the key file %s: %w", path, err)
	}
	return ring, nil
}

// CreateFile writes the ring to a new key file that only its owner can read, durably. The error is fs.ErrExist when the
// file exists.
func (r *Ring) CreateFile(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		return err
	}
	return r.ReplaceFile(path)
}

// ReplaceFile writes the ring to a key file, durably: after a crash the file holds either what it held or the ring.
func (r *Ring) ReplaceFile(path string) error {
	text, err := r.Text()
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // with the mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return folder.Sync(os.Open, filepath.Dir(path))
}
