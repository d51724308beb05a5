package sqliteengine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// TestLostFiles removes and replaces the files of a database that is served. No write is acknowledged from then on, the
// server is not ready, and the log says so once. When the file is put back, all is well.
func TestLostFiles(t *testing.T) {
	t.Parallel()
	replace := func(path string) error {
		return errors.Join(os.WriteFile(path+"-new", nil, 0o600), os.Rename(path+"-new", path))
	}
	for name, lose := range map[string]func(path string) error{
		"the database is removed":  os.Remove,
		"the database is replaced": replace,
		"the database is a folder": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"the folder is renamed":    func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+"-old") },
		"the log is removed":       func(path string) error { return os.Remove(path + "-wal") },
		"the log is replaced":      func(path string) error { return replace(path + "-wal") },
		"the index is removed":     func(path string) error { return os.Remove(path + "-shm") },
		"all are removed": func(path string) error {
			return errors.Join(os.Remove(path), os.Remove(path+"-wal"), os.Remove(path+"-shm"), os.Remove(path+"-revocations"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "folder", "x.db")
			e, log := serving(t, path)
			check(t, write(t, e, "before"))
			check(t, e.ready(t.Context()))
			check(t, lose(path))
			for range 2 {
				if err := write(t, e, "after"); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), path) {
					t.Errorf("a write: %v", err)
				}
				if err := e.ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), path) {
					t.Errorf("ready: %v", err)
				}
			}
			eventually(t, "it is logged", func() bool { return strings.Contains(log.String(), "the database cannot be used") })
			time.Sleep(watchEvery + watchEvery/2)
			if n := strings.Count(log.String(), "\"the database cannot be used"); n != 1 {
				t.Errorf("%d lines: %s", n, log)
			}
		})
	}
}

// TestFilesThatComeBack moves a database away and back.
func TestFilesThatComeBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	e, log := serving(t, path)
	check(t, os.Rename(path, path+"-away"))
	eventually(t, "it is missed", func() bool { return strings.Contains(log.String(), "cannot be used") })
	check(t, os.Rename(path+"-away", path))
	eventually(t, "it is back", func() bool { return strings.Contains(log.String(), "can be used again") })
	check(t, write(t, e, "a"))
	check(t, e.ready(t.Context()))
}

// TestReplacedDatabaseIsLeftAlone has another database take the name of one that is open: no connection touches it, and
// closing removes none of its files.
func TestReplacedDatabaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	first := open(t, path)
	for _, companion := range companions {
		check(t, os.Rename(path+companion, filepath.Join(dir, "old"+companion)))
	}
	second := open(t, path)
	check(t, write(t, second, "second"))
	for range 2 * maxReaders { // new connections of the first
		conn, err := first.readers.Conn(t.Context())
		if err == nil {
			defer conn.Close()
			continue
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a connection: %v", err)
		}
		break
	}
	check(t, first.Close())
	for _, companion := range companions {
		if _, err := os.Stat(path + companion); err != nil {
			t.Error(err)
		}
	}
	check(t, write(t, second, "third"))
	if got := names(t, second); len(got) != 2 {
		t.Errorf("%s", got)
	}
}

// TestTheLogMayBeMadeAnew closes all connections, which removes the log, and goes on: nothing is lost.
func TestTheLogMayBeMadeAnew(t *testing.T) {
	t.Parallel()
	e := openFile(t)
	for i := range 3 {
		check(t, write(t, e, string(rune('a'+i))))
		for pool, size := range map[*sql.DB]int{e.writers: 1, e.readers: maxReaders} {
			pool.SetMaxIdleConns(0)
			pool.SetMaxIdleConns(size)
		}
		if _, err := os.Stat(e.files.path + "-wal"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the log is still there: %v", err)
		}
		check(t, os.WriteFile(fmt.Sprint(e.files.path, "-other-", i), nil, 0o600)) // may have the log's inode
		check(t, e.ready(t.Context()))
	}
	if got := names(t, e); len(got) != 3 {
		t.Errorf("%s", got)
	}
}

// TestInterruptedConnections are closed and opened again while others write.
func TestInterruptedConnections(t *testing.T) {
	t.Parallel()
	e := openFile(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Millisecond, cancel)
				_ = e.Transact(ctx, func(tx engine.Tx) error {
					_, err := tx.Exec(ctx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
						INSERT INTO things (name) SELECT 'x' || i FROM n`, nil)
					return err
				})
				cancel()
				if err := write(t, e, strings.Repeat("y", 1+20*i+j)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	check(t, e.ready(t.Context()))
}
