package sqliteengine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// limit lets the database have that many pages at most.
func limit(t *testing.T, e *pools, pages int) {
	t.Helper()
	check(t, e.onWriter(t.Context(), func(c *rawConn) error {
		_, err := c.number(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages))
		return err
	}))
}

// TestReadiness has a database without space: it is not ready until a write passes, its own or a caller's, and a
// transaction that writes nothing is not one.
func TestReadiness(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]*pools{"file": openFile(t), "memory": openInMemory(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := errors.New("still no space")
			tries := 0
			e.tryWrite = func(context.Context, *pools) error {
				tries++
				return broken
			}
			fillUp := func() {
				t.Helper()
				limit(t, e, 1)
				if err := write(t, e, strings.Repeat("x", 100_000)); !errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("a write without space: %v", err)
				}
			}
			check(t, e.ready(t.Context()))
			fillUp()
			check(t, e.Transact(t.Context(), func(tx engine.Tx) error {
				return tx.Query(t.Context(), engine.Query{Text: "SELECT 1"}, func(engine.Scanner) error { return nil })
			}))
			for range 2 {
				if err := e.ready(t.Context()); !errors.Is(err, broken) {
					t.Errorf("without space: %v", err)
				}
			}
			limit(t, e, 1<<30)
			check(t, write(t, e, "a"))
			check(t, e.ready(t.Context()))
			if tries != 2 {
				t.Errorf("%d attempts", tries)
			}
			fillUp()
			broken = nil
			for range 2 {
				check(t, e.ready(t.Context()))
			}
			if tries != 3 {
				t.Errorf("%d attempts", tries)
			}
		})
	}
}

// TestTryWrite changes nothing, and leaves no transaction behind when it fails.
func TestTryWrite(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]*pools{"file": openFile(t), "memory": openInMemory(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fill(t, e, 100, 500, "x")
			before := names(t, e)
			check(t, tryWrite(t.Context(), e))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := tryWrite(ctx, e); err == nil {
				t.Error("a context that has ended does not matter")
			}
			check(t, write(t, e, "a"))
			if got := names(t, e); len(got) != len(before)+1 {
				t.Errorf("%d rows became %d", len(before), len(got))
			}
			sound(t, e)
		})
	}
}

// TestErrorsNameTheFile damages a database that is open.
func TestErrorsNameTheFile(t *testing.T) {
	t.Parallel()
	e := openFile(t)
	fill(t, e, 100, 500, "x")
	check(t, e.onWriter(t.Context(), func(c *rawConn) error {
		_, err := c.run(t.Context(), "UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno > 1", nil)
		return err
	}))
	err := e.Read(t.Context(), engine.Query{Text: "SELECT name FROM things"}, func(engine.Scanner) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "database file "+e.files.path+": database disk image is malformed") {
		t.Errorf("a read: %v", err)
	}
	if err := write(t, e, "a"); err == nil || !strings.Contains(err.Error(), "database file "+e.files.path+": ") {
		t.Errorf("a write: %v", err)
	}
	// Errors about a statement do not.
	if err := exec(t.Context(), e, "INSERT INTO nothing VALUES (1)"); err == nil || strings.Contains(err.Error(), e.files.path) {
		t.Errorf("a wrong statement: %v", err)
	}
}
