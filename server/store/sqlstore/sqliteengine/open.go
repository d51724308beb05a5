package sqliteengine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

const (
	memory = ":memory:"
	// maxReaders bounds the connections that read one file; SQLite lets them read while one writes.
	maxReaders = 8
)

// Open opens a file, or a private database in memory for ":memory:".
//
// A file gets one connection that writes, whose transactions begin with BEGIN IMMEDIATE: writers queue in Go, where
// contexts count, and only those of other processes wait in SQLite, for at most the busy timeout. A transaction that began
// as a reader could not become a writer once another one wrote.
func Open(path string) (engine.Database, error) {
	if path == memory {
		return openMemory()
	}
	if path == "" || strings.HasPrefix(path, ":") || strings.HasPrefix(path, "//") {
		return engine.Database{}, engine.ErrDSN
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return engine.Database{}, fmt.Errorf("sqlstore: %w", err)
	}
	if err := makeFile(path); err != nil {
		return engine.Database{}, fmt.Errorf("sqlstore: make the database file: %w", err)
	}
	write, err := openPool(fileDSN(path, url.Values{"_txlock": {"immediate"}}), 1)
	if err != nil {
		return engine.Database{}, err
	}
	read, err := openPool(fileDSN(path, url.Values{"_query_only": {"on"}}), maxReaders)
	if err != nil {
		return engine.Database{}, errors.Join(err, write.Close())
	}
	revoked, err := openRevocations(path + "-revocations")
	if err != nil {
		return engine.Database{}, errors.Join(fmt.Errorf("sqlstore: open the file of revocations: %w", err), read.Close(), write.Close())
	}
	return databaseOf(newEngine(write, read), revoked), nil
}

// openMemory uses one connection for everything: the connection is the database. It starts as a copy of a database
// that is migrated once in this process, since copying is far faster than migrating.
func openMemory() (engine.Database, error) {
	image, err := migratedMemory()
	if err != nil {
		return engine.Database{}, err
	}
	made, err := newMemory()
	if err != nil {
		return engine.Database{}, err
	}
	if err := onMemory(made.writers, func(c *rawConn) error { return c.Deserialize(image) }); err != nil {
		return engine.Database{}, errors.Join(fmt.Errorf("sqlstore: copy the migrated database: %w", err), made.Close())
	}
	return databaseOf(made, &engine.OwnRevocations{}), nil
}

func newMemory() (*pools, error) {
	options := url.Values{
		"_pragma": {"foreign_keys(on)"},
		"_dqs":    {"false"},
		"_txlock": {"immediate"},
	}
	pool, err := openPool(memory+"?"+options.Encode(), 1)
	if err != nil {
		return nil, err
	}
	return newEngine(pool, pool), nil
}

// migratedMemory returns the bytes of an empty database with the latest schema.
var migratedMemory = sync.OnceValues(func() (image []byte, err error) {
	made, err := newMemory()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, made.Close()) }()
	if err := migrations.SQLite(context.Background(), made.writers); err != nil {
		return nil, err
	}
	err = onMemory(made.writers, func(c *rawConn) (err error) {
		image, err = c.Serialize()
		return err
	})
	return image, err
})

// onMemory calls run with the connection that is the database.
func onMemory(pool *sql.DB, run func(c *rawConn) error) error {
	conn, err := pool.Conn(context.Background())
	if err != nil {
		return err
	}
	defer conn.Close()
	return onConn(conn, run)
}

func databaseOf(e *pools, revoked engine.Revocations) engine.Database {
	return engine.Database{
		Engine:      e,
		Queue:       &turns{pools: e},
		Revocations: revoked,
		Migrate:     func(ctx context.Context) error { return migrations.SQLite(ctx, e.writers) },
	}
}

// openPool returns a pool whose connections, size at most, stay open until the pool is closed.
func openPool(dsn string, size int) (*sql.DB, error) {
	connector, err := newConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxIdleTime(0)
	pool.SetConnMaxLifetime(0)
	return pool, nil
}

// fileDSN puts every setting into the DSN, since each new connection of a pool needs them. synchronous is FULL
// because in WAL mode anything less may lose a committed transaction when the power fails.
func fileDSN(path string, options url.Values) string {
	options["_pragma"] = []string{
		"busy_timeout(10000)", // milliseconds
		"journal_mode(wal)",
		"synchronous(full)",
		"foreign_keys(on)",
	}
	options.Set("_dqs", "false")
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // a drive letter
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}).String()
}

// makeFile creates an empty database file, which SQLite treats as a new database, that only its owner can read;
// SQLite gives its companion files the same mode. The file gets its name when it is already closed: closing a file on
// which SQLite holds locks, for another store in this process, would drop those locks. Where a file system has no
// links, SQLite creates the file, with the usual mode.
func makeFile(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	empty, err := os.CreateTemp(dir, ".new-*.db") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(empty.Name())
	if err := empty.Close(); err != nil {
		return err
	}
	_ = os.Link(empty.Name(), path) // also fails when another process was faster
	return nil
}
