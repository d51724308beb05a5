// Package pgtest provides tests with databases on a real PostgreSQL: one server for each test binary, started from
// the installed programs, or the server that the environment variable SESSIONS_TEST_POSTGRES names. It imports
// pgserver, needs, pgx and the standard library only.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server/internal/needs"
	"github.com/cloud-sessions/sessions/server/store/pgserver"
)

// ServerVariable names the environment variable with the URL of a server to use instead of starting one. Its
// user must be allowed to create databases.
const ServerVariable = "SESSIONS_TEST_POSTGRES"

// NewDatabase returns the URL of an empty database that is the test's own until the test ends. Where no PostgreSQL
// can be started the test is skipped, but fails under CI (the environment variable CI is set).
func NewDatabase(t testing.TB) string {
	t.Helper()
	s := theServer(t)
	database, err := s.create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, s.drop(database)) })
	return database
}

// Database is NewDatabase without the time it takes to create and migrate a database: it may have the tables, without
// rows, of an earlier test.
func Database(t testing.TB) string {
	t.Helper()
	s := theServer(t)
	database, err := s.take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, s.giveBack(database)) })
	return database
}

// NewPooler returns the URL of a database through a PgBouncer of the test's own with its defaults, which pools sessions or
// transactions as mode says. Where PgBouncer is not installed the test is skipped, but fails under CI.
func NewPooler(t testing.TB, database, mode string) string {
	t.Helper()
	pooler, err := pgserver.StartPooler(needs.Program(t, "pgbouncer"), database, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, pooler.Close()) })
	return pooler.URL
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func theServer(t testing.TB) *server {
	t.Helper()
	s, err := shared()
	if err != nil {
		if os.Getenv("CI") != "" || os.Getenv(ServerVariable) != "" {
			t.Fatalf("there is no PostgreSQL: %v", err)
		}
		t.Skipf("skipped, since it needs PostgreSQL: %v", err)
	}
	return s
}

// shared is the server of all tests in the binary. It ends with the binary.
var shared = sync.OnceValues(func() (*server, error) {
	if url := os.Getenv(ServerVariable); url != "" {
		return &server{url: url}, pgserver.Execute(url, "SELECT 1")
	}
	own, err := pgserver.Start(folder())
	if err != nil {
		return nil, fmt.Errorf("%w; the environment variable %s can name a server instead, by its URL", err, ServerVariable)
	}
	// Nothing is to outlive the machine, and what outlives a process needs no disk. The log of what was written takes memory.
	for _, statement := range []string{
		"ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET max_wal_size = '256MB'", "SELECT pg_reload_conf()",
	} {
		if err := pgserver.Execute(own.URL, statement); err != nil {
			return nil, errors.Join(err, own.Close())
		}
	}
	return &server{url: own.URL, own: own, empties: map[string]*pgx.Conn{}}, nil
})

// server is a server and the databases on it that no test uses.
type server struct {
	url string
	own *pgserver.Server // nil for one that it did not start

	mu      sync.Mutex
	free    []string             // URLs
	empties map[string]*pgx.Conn // what empties a database, by its URL: it knows the tables after the first time
}

func (s *server) create() (string, error) {
	return pgserver.CreateDatabase(s.url, "test_"+strings.ToLower(rand.Text()))
}

func (s *server) drop(database string) error { return pgserver.DropDatabase(s.url, database) }

func (s *server) take() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.free) - 1; last >= 0 {
		database := s.free[last]
		s.free = s.free[:last]
		return database, nil
	}
	return s.create()
}

// giveBack empties a database for the next test. On a server that it did not start it leaves nothing behind.
func (s *server) giveBack(database string) error {
	if s.own == nil {
		return s.drop(database)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.mu.Lock()
	conn := s.empties[database]
	s.mu.Unlock()
	if conn == nil || conn.Ping(ctx) != nil { // the test may have ended it
		var err error
		if conn, err = pgx.Connect(ctx, database); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, empty); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empties[database] = conn
	s.free = append(s.free, database)
	return nil
}

// empty ends all other connections and deletes all rows, except those that record which migrations were applied. What deletes
// them is a function of the connection, so that its statements are planned once, and a new one where there are other tables.
const empty = `
	SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
	SET session_replication_role = replica; -- no foreign keys
	DO $$
	DECLARE
		deletes TEXT;
		name TEXT;
	BEGIN
		SELECT coalesce(string_agg(format('DELETE FROM public.%I;', relname), ' ' ORDER BY relname), '') INTO deletes
			FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'goose_db_version';
		name := 'empty_' || md5(deletes);
		IF to_regproc('pg_temp.' || name) IS NULL THEN
			EXECUTE format('CREATE FUNCTION pg_temp.%I() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN %s END $f$', name, deletes);
		END IF;
		EXECUTE format('SELECT pg_temp.%I()', name);
	END $$`
