package sqliteengine

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// logs is a log that tests read while it is written.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serving opens a file as a server does.
func serving(t *testing.T, path string) (*pools, *logs) {
	t.Helper()
	e, l := servingAgain(t, path)
	check(t, createThings(t.Context(), e))
	return e, l
}

// servingAgain opens a file that was served before.
func servingAgain(t *testing.T, path string) (*pools, *logs) {
	t.Helper()
	l := &logs{}
	db, err := Open(t.Context(), path, Options{Serve: true, Logger: slog.New(slog.NewTextHandler(l, nil))})
	check(t, err)
	e := db.Engine.(*pools)
	t.Cleanup(func() { check(t, e.Close()) })
	return e, l
}

func eventually(t *testing.T, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not true: %s", what)
		}
	}
}

func write(t *testing.T, e *pools, name string) error {
	t.Helper()
	return e.Transact(t.Context(), func(tx engine.Tx) error { return insert(t.Context(), tx, name) })
}

// TestOneServes opens a file twice, and again after it was closed.
func TestOneServes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	serve := func() (engine.Database, error) {
		return Open(t.Context(), path, Options{Serve: true, Logger: slog.New(slog.DiscardHandler)})
	}
	for range 2 {
		first, err := serve()
		check(t, err)
		if _, err := serve(); err == nil || !strings.Contains(err.Error(), "another process serves the database file "+path) {
			t.Errorf("the second: %v", err)
		}
		beside, err := Open(t.Context(), path, Options{})
		check(t, err)
		check(t, beside.Close())
		if _, err := serve(); err == nil {
			t.Error("closing a database that is not served frees the lock")
		}
		check(t, first.Close())
	}
}

// TestOneServesOfMany has many openers at the same time.
func TestOneServesOfMany(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db-revocations")
	var all sync.WaitGroup
	won := make(chan *helper, 16)
	for range cap(won) {
		all.Go(func() {
			h, err := openHelper(path, true)
			if err == nil {
				won <- h
			} else if !errors.Is(err, errLocked) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(won) != 1 {
		t.Errorf("%d of %d have the lock", len(won), cap(won))
	}
	for range len(won) {
		check(t, (<-won).close())
	}
}

// TestHelperIsDamaged does to the helper file what a user can: revocations are counted before and after, and the lock is
// held.
func TestHelperIsDamaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"truncated": func(path string) error { return os.Truncate(path, 0) },
		"cut":       func(path string) error { return os.Truncate(path, 3) },
		"removed":   os.Remove,
		"garbage":   func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("garbage", 1000)), 0o600) },
		"renamed":   func(path string) error { return os.Rename(path, path+"-old") },
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+"-new", []byte("new"), 0o600), os.Rename(path+"-new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.db")
			e, _ := serving(t, path)
			check(t, e.helper.Add())
			check(t, damage(path+"-revocations"))
			for range 3 {
				_ = e.helper.Number()
			}
			other, err := Open(t.Context(), path, Options{})
			check(t, err)
			for range 3 {
				eventually(t, "the server has the file", func() bool { return named(e.helper.file.Load(), path+"-revocations") })
				before := e.helper.Number()
				check(t, other.Revocations.Add())
				if e.helper.Number() == before {
					t.Error("a revocation is not seen")
				}
			}
			check(t, other.Close())
			if db, err := Open(t.Context(), path, Options{Serve: true}); err == nil {
				t.Error("the lock was lost")
				check(t, db.Close())
			}
			check(t, write(t, e, "a"))
			check(t, e.ready(t.Context()))
		})
	}
}

// TestHelperIsAFolder replaces the helper file by a folder and puts it back.
func TestHelperIsAFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	e, log := serving(t, path)
	helper := path + "-revocations"
	check(t, os.Remove(helper))
	check(t, os.Mkdir(helper, 0o700))
	_ = e.helper.Number()
	if err := e.helper.Add(); err == nil || !strings.Contains(err.Error(), helper) {
		t.Errorf("a revocation: %v", err)
	}
	if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), helper) {
		t.Errorf("opened: %v", err)
	}
	check(t, write(t, e, "a"))
	eventually(t, "it is logged", func() bool { return strings.Contains(log.String(), helper) })
	time.Sleep(2*watchEvery + watchEvery/2)
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines: %s", n, log)
	}
	check(t, os.Remove(helper))
	eventually(t, "it is a file again", func() bool { return strings.Contains(log.String(), "can be used again") })
	check(t, e.helper.Add())
}

// TestAnotherTakesTheDatabase removes the helper file, and has another server lock a new one before the first looks: the
// first stops writing.
func TestAnotherTakesTheDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	e, _ := serving(t, path)
	e.unwatch()
	check(t, os.Remove(path+"-revocations"))
	other, err := openHelper(path+"-revocations", true)
	check(t, err)
	e.watch(slog.New(slog.DiscardHandler))
	eventually(t, "writes are refused", func() bool { return errors.Is(write(t, e, time.Now().String()), store.ErrUnavailable) })
	if err := e.ready(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("ready: %v", err)
	}
	check(t, other.close())
}

// underRace is whether the race detector, which allocates by itself, is on.
var underRace bool

// TestRevocationsAllocateNothing since every request asks for their number.
func TestRevocationsAllocateNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	h, err := openHelper(filepath.Join(t.TempDir(), "x"), false)
	check(t, err)
	defer func() { check(t, h.close()) }()
	if n := testing.AllocsPerRun(100, func() { h.Number() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
