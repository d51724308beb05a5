package sqliteengine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openFile and openInMemory return engines with a table of things that have names.
func openFile(t *testing.T) *pools     { return open(t, filepath.Join(t.TempDir(), "test.db")) }
func openInMemory(t *testing.T) *pools { return open(t, memory) }

func open(t *testing.T, path string) *pools {
	t.Helper()
	db, err := Open(t.Context(), path, Options{})
	check(t, err)
	e := db.Engine.(*pools)
	t.Cleanup(func() { check(t, e.Close()) })
	check(t, createThings(t.Context(), e))
	return e
}

func createThings(ctx context.Context, e *pools) error {
	return e.Transact(ctx, func(tx engine.Tx) error {
		_, err := tx.Exec(ctx, "CREATE TABLE things (name TEXT NOT NULL UNIQUE, parent TEXT REFERENCES things (name))", nil)
		return err
	})
}

func insert(ctx context.Context, tx engine.Tx, name string) error {
	_, err := tx.Exec(ctx, "INSERT INTO things (name) VALUES ($1)", []any{name})
	return err
}

// names returns the names that are stored, sorted.
func names(t *testing.T, e *pools) []string {
	t.Helper()
	names := []string{}
	check(t, e.Read(context.Background(), engine.Query{Text: "SELECT name FROM things"}, func(row engine.Scanner) error {
		var name string
		err := row.Scan(&name)
		names = append(names, name)
		return err
	}))
	slices.Sort(names)
	return names
}

// TestConnections looks at the settings of every connection of both pools.
func TestConnections(t *testing.T) {
	t.Parallel()
	e := openFile(t)
	write, read := e.writers, e.readers
	for pool, want := range map[*sql.DB]string{
		write: "10000 wal 2 1 0", // synchronous 2 is FULL
		read:  "10000 wal 2 1 1",
	} {
		var conns []*sql.Conn
		for range pool.Stats().MaxOpenConnections {
			conn, err := pool.Conn(t.Context())
			check(t, err)
			conns = append(conns, conn)
			var got []any
			for _, name := range []string{"busy_timeout", "journal_mode", "synchronous", "foreign_keys", "query_only"} {
				var value any
				check(t, conn.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value))
				got = append(got, value)
			}
			if fmt.Sprintln(got...) != want+"\n" {
				t.Errorf("want %s, got %v", want, got)
			}
		}
		for _, conn := range conns {
			check(t, conn.Close())
		}
	}
	if _, err := read.ExecContext(t.Context(), `DELETE FROM things`); err == nil {
		t.Error("the read pool writes")
	}
}

// TestNoSpaceLeft has databases that may not grow temporarily.
func TestNoSpaceLeft(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]*pools{"file": openFile(t), "memory": openInMemory(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			allow := func(pages int) {
				conn, err := e.writers.Conn(t.Context())
				check(t, err)
				defer conn.Close()
				_, err = conn.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages))
				check(t, err)
			}
			large := func() error {
				return e.Transact(t.Context(), func(tx engine.Tx) error { return insert(t.Context(), tx, strings.Repeat("x", 100_000)) })
			}
			allow(1)
			for range 2 {
				if err := large(); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("want %v, got %v", store.ErrUnavailable, err)
				}
			}
			allow(1 << 30)
			check(t, large())
			if got := len(names(t, e)); got != 1 {
				t.Errorf("%d rows", got)
			}
		})
	}
}

// TestStatementsAreBounded runs more texts than a connection keeps.
func TestStatementsAreBounded(t *testing.T) {
	t.Parallel()
	for _, e := range []*pools{openFile(t), openInMemory(t)} {
		for i := range 3 * maxStatements {
			got := -1
			err := e.Read(t.Context(), engine.Query{Text: fmt.Sprintf("SELECT %d", i)}, func(row engine.Scanner) error { return row.Scan(&got) })
			if err != nil || got != i {
				t.Fatal(got, err)
			}
		}
		conn, err := e.readers.Conn(t.Context())
		check(t, err)
		check(t, onConn(conn, func(c *rawConn) error {
			if n := len(c.statements); n != maxStatements {
				t.Errorf("%d statements are kept", n)
			}
			return nil
		}))
		check(t, conn.Close())
	}
}

// TestScanRefuses has columns that do not fit.
func TestScanRefuses(t *testing.T) {
	t.Parallel()
	e := openInMemory(t)
	var text string
	var short int32
	var other uint
	for query, dest := range map[string][]any{
		"SELECT 1": {&text}, "SELECT 'a'": {&short}, "SELECT 1 << 40": {&short}, "SELECT NULL": {&text},
		"SELECT 2": {&other}, "SELECT 1, 2": {&short},
	} {
		if err := e.Read(t.Context(), engine.Query{Text: query}, func(row engine.Scanner) error { return row.Scan(dest...) }); err == nil {
			t.Errorf("%s fits %T", query, dest[0])
		}
	}
}

func TestNameless(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SELECT 1":                         "SELECT 1",
		"a = $1 AND b = $2":                "a = ? AND b = ?",
		"($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)": "(?,?,?,?,?,?,?,?,?,?)",
		"a = $2 AND b = $1":                "a = $2 AND b = $1",
		"a = $1 OR b = $1":                 "a = $1 OR b = $1",
		"a = $1 OR b = $10":                "a = $1 OR b = $10",
		"a = $1 OR b = '$'":                "a = $1 OR b = '$'",
	} {
		if got := nameless(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
