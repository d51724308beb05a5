// Package sqlitetest provides tests with databases in SQLite files that have the schema already: to copy a file takes far
// less time than to migrate one.
package sqlitetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// Database returns the DSN, sqlite:PATH, of a database in a folder of the test's own. It has the latest schema and no rows.
// Tests of how a database is created name a file that does not exist instead.
func Database(t testing.TB) string {
	t.Helper()
	data, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sessions.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// migrated returns the bytes of an empty database file with the latest schema. It is made once in this process.
var migrated = sync.OnceValues(func() (data []byte, err error) {
	dir, err := os.MkdirTemp("", "sqlitetest-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "sessions.db")
	s, err := sqlstore.Open(context.Background(), "sqlite:"+path, sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil { // which leaves nothing in the write-ahead log
		return nil, err
	}
	return os.ReadFile(path)
})
