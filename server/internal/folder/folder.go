// Package folder has what several packages do with folders.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Writable returns an error unless files can be created in a folder, or the folder itself can be created. It creates an
// empty file and removes it.
func Writable(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && filepath.Dir(path) != path:
			path = filepath.Dir(path)
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is not a folder", path)
		}
		return WritableNow(path)
	}
}

// WritableNow is Writable for a folder that nothing would create.
func WritableNow(path string) error {
	file, err := os.CreateTemp(path, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// Sync makes the names in the folder that open opens by its path durable: os.Open, or the method of an os.Root. Windows does
// that by itself and does not sync folders.
func Sync(open func(path string) (*os.File, error), path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
