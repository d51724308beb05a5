package sqliteengine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
)

// errLocked means that another process, or another helper of this one, holds the lock of a helper file.
var errLocked = errors.New("the file is locked")

// helper is a file beside the database that processes share. Its first bytes are another number after each revocation of
// a token; and the process that serves the database holds a lock on it, which the system releases when the process ends,
// however it ends. The content does not matter otherwise: a helper that was truncated, overwritten, removed or replaced is
// as good as a new one.
type helper struct {
	path  string
	serve bool
	// made is whether the file did not exist before.
	made bool

	mu   sync.Mutex // serializes renew and close
	file atomic.Pointer[os.File]
}

// openHelper opens the file, and creates it if it is absent. With serve it also locks it, or fails with errLocked.
func openHelper(path string, serve bool) (*helper, error) {
	_, err := os.Lstat(path)
	h := &helper{path: path, serve: serve, made: errors.Is(err, fs.ErrNotExist)}
	if err := h.renew(); err != nil {
		return nil, err
	}
	return h, nil
}

// helperSuffix ends the name of a helper, which begins with that of its database file.
const helperSuffix = "-revocations"

// openHelperOf opens the helper of the database file at path, with errors for an operator.
func openHelperOf(path string, serve bool) (*helper, error) {
	h, err := openHelper(path+helperSuffix, serve)
	switch {
	case errors.Is(err, errLocked):
		return nil, fmt.Errorf("sqlstore: %w", served(path))
	case err != nil:
		return nil, fmt.Errorf("sqlstore: open the helper file of the database: %w", err)
	}
	return h, nil
}

// renew opens the file that has the helper's name now, unless it is open already. When that fails, the helper keeps the
// file that it has.
func (h *helper) renew() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.file.Load()
	if old != nil && named(old, h.path) {
		return nil
	}
	// A file that is replaced between being opened and being locked is opened again.
	for range 10 {
		file, err := h.open()
		if err != nil {
			return err
		}
		if !named(file, h.path) {
			_ = file.Close()
			continue
		}
		h.file.Store(file)
		return h.release(old)
	}
	return fmt.Errorf("%s is replaced again and again", h.path)
}

// open opens and locks the file.
func (h *helper) open() (*os.File, error) {
	if info, err := os.Stat(h.path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file; remove it", h.path)
	}
	file, err := os.OpenFile(h.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if h.serve {
		if err := lock(file); err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", h.path, err), file.Close())
		}
	}
	return file, nil
}

// named reports whether path is the name of the open file.
func named(file *os.File, path string) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && os.SameFile(open, info)
}

// release unlocks a file before it closes it, since a process that this one is just starting has the file open too.
func (h *helper) release(file *os.File) error {
	if file == nil {
		return nil
	}
	if h.serve {
		_ = unlock(file)
	}
	return file.Close()
}

// Number implements engine.Revocations.
func (h *helper) Number() int64 {
	var number [8]byte
	_, _ = h.file.Load().ReadAt(number[:], 0) // what cannot be read is 0
	return int64(binary.LittleEndian.Uint64(number[:]))
}

// Add implements engine.Revocations. The number is random, so that two processes that revoke at the same time need not
// take turns.
func (h *helper) Add() error {
	if err := h.renew(); err != nil {
		return err
	}
	number := binary.LittleEndian.AppendUint64(nil, rand.Uint64())
	_, err := h.file.Load().WriteAt(number, 0)
	return err
}

func (h *helper) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.release(h.file.Load())
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

// discard closes the helper, and removes its file if openHelper made it.
func (h *helper) discard() error {
	if !h.made {
		return h.close()
	}
	err := os.Remove(h.path) // while it is locked: who waits for the lock opens another file
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, h.close())
}
