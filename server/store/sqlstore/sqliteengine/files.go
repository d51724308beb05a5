package sqliteengine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/cloud-sessions/sessions/server/store"
)

// companions are the names of a database's files, after its own: itself, its write-ahead log, and that log's index.
var companions = [...]string{"", "-wal", "-shm"}

// log is the index of the write-ahead log in companions.
const log = 1

// files are the files of a database that is open. What SQLite writes into one that was removed or replaced is lost with
// the process, so it is not acknowledged.
type files struct {
	path string

	mu sync.Mutex
	// known are the files that the connections have open, as far as they have been seen.
	known [len(companions)]os.FileInfo
	// conns counts the connections. The last one to close removes the log and its index, the next one makes new ones.
	conns int
	// logSize is the size of the write-ahead log's file at the last check.
	logSize int64
	// lost is why the files belong to another server, or nil.
	lost error
}

// connect calls open to open a connection, and refuses a database that is no longer the one that was open before.
func (f *files) connect(open func() error) error {
	f.mu.Lock()
	err := f.compare(0)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if err := open(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns++
	return nil
}

// disconnect calls end to close a connection. No check may see the files while SQLite removes them.
func (f *files) disconnect(end func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns--
	if f.conns == 0 {
		clear(f.known[1:])
	}
	return end()
}

// check returns a store.ErrUnavailable when a file was removed or replaced, or another server has taken the database.
func (f *files) check() error {
	if f == nil { // in memory
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost != nil {
		return f.lost
	}
	for i := range companions {
		if i > 0 && f.conns == 0 {
			break
		}
		if err := f.compare(i); err != nil {
			return err
		}
	}
	return nil
}

func (f *files) compare(i int) error {
	path := f.path + companions[i]
	info, err := os.Stat(path)
	if i == log && err == nil {
		f.logSize = info.Size()
	}
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("sqlstore: %w: %w", store.ErrUnavailable, err)
	case f.known[i] == nil:
		if err == nil {
			f.known[i] = info
		}
	case err != nil || !os.SameFile(f.known[i], info):
		return fmt.Errorf("sqlstore: %w: %s was removed or replaced while in use; put it back, or stop the server and start it again", store.ErrUnavailable, path)
	}
	return nil
}

// longLog reports whether the write-ahead log's file had reached limit at the last check.
func (f *files) longLog(limit int64) bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logSize >= limit
}

// lose makes check fail from now on.
func (f *files) lose(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = fmt.Errorf("sqlstore: %w: %w", store.ErrUnavailable, err)
}
