//go:build unix

package sqliteengine

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// mappedRevocations are a number in a file that all processes map into their memory.
type mappedRevocations struct{ shared *atomic.Int64 }

// openRevocations opens the file, and creates it if it is absent. It stays mapped as long as it is in use, even after
// the database is closed.
func openRevocations(path string) (engine.Revocations, error) {
	const size = int64(unsafe.Sizeof(atomic.Int64{}))
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && info.Size() < size {
		_, err = file.Write(make([]byte, size)) // two processes may do this; the first bytes do not change
	}
	if err != nil {
		return nil, err
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	r := &mappedRevocations{(*atomic.Int64)(unsafe.Pointer(unsafe.SliceData(memory)))}
	runtime.AddCleanup(r, func(memory []byte) { _ = syscall.Munmap(memory) }, memory)
	return r, nil
}

// Number implements engine.Revocations.
func (r *mappedRevocations) Number() int64 {
	defer runtime.KeepAlive(r)
	return r.shared.Load()
}

// Add implements engine.Revocations.
func (r *mappedRevocations) Add() error {
	defer runtime.KeepAlive(r)
	r.shared.Add(1)
	return nil
}
