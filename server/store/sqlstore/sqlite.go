package sqlstore

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

	"github.com/pressly/goose/v3"
)

const (
	sqliteMemory = ":memory:"
	// sqliteReaders bounds the connections that read one file; SQLite lets them read while one writes.
	sqliteReaders = 8
)

// openSQLite opens a file, or a private database in memory for ":memory:".
//
// A file gets one connection that writes, whose transactions begin with BEGIN IMMEDIATE: writers queue
// in Go, where contexts count, and only those of other processes wait in SQLite, for at most the busy
// timeout. A transaction that began as a reader could not become a writer once somebody else wrote.
func openSQLite(path string) (database, error) {
	if path == sqliteMemory {
		return openSQLiteMemory()
	}
	if path == "" || strings.HasPrefix(path, ":") || strings.HasPrefix(path, "//") {
		return database{}, errDSN
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return database{}, fmt.Errorf("sqlstore: %w", err)
	}
	if err := makeSQLiteFile(path); err != nil {
		return database{}, fmt.Errorf("sqlstore: make the database file: %w", err)
	}
	write, err := openSQLitePool(sqliteDSN(path, url.Values{"_txlock": {"immediate"}}), 1)
	if err != nil {
		return database{}, err
	}
	read, err := openSQLitePool(sqliteDSN(path, url.Values{"_query_only": {"on"}}), sqliteReaders)
	if err != nil {
		return database{}, errors.Join(err, write.Close())
	}
	revoked, err := openRevocations(path + "-revocations")
	if err != nil {
		return database{}, errors.Join(fmt.Errorf("sqlstore: open the file of revocations: %w", err), read.Close(), write.Close())
	}
	return sqliteDatabase(newSQLiteEngine(write, read), revoked), nil
}

// openSQLiteMemory uses one connection for everything: the connection is the database. That begins as a copy of
// one which was migrated once in this process, since to migrate takes far longer than to copy.
func openSQLiteMemory() (database, error) {
	image, err := migratedMemory()
	if err != nil {
		return database{}, err
	}
	made, err := newSQLiteMemory()
	if err != nil {
		return database{}, err
	}
	if err := onMemory(made.writers, func(c *sqliteConn) error { return c.Deserialize(image) }); err != nil {
		return database{}, errors.Join(fmt.Errorf("sqlstore: copy the migrated database: %w", err), made.close())
	}
	return sqliteDatabase(made, &ownRevocations{}), nil
}

func newSQLiteMemory() (*sqliteEngine, error) {
	options := url.Values{
		"_pragma": {"foreign_keys(on)"},
		"_dqs":    {"false"},
		"_txlock": {"immediate"},
	}
	pool, err := openSQLitePool(sqliteMemory+"?"+options.Encode(), 1)
	if err != nil {
		return nil, err
	}
	return newSQLiteEngine(pool, pool), nil
}

// migratedMemory returns the bytes of an empty database with the latest schema.
var migratedMemory = sync.OnceValues(func() (image []byte, err error) {
	made, err := newSQLiteMemory()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, made.close()) }()
	if err := sqliteDatabase(made, nil).migrate(context.Background()); err != nil {
		return nil, err
	}
	err = onMemory(made.writers, func(c *sqliteConn) (err error) {
		image, err = c.Serialize()
		return err
	})
	return image, err
})

// onMemory calls run with the connection that is the database.
func onMemory(pool *sql.DB, run func(c *sqliteConn) error) error {
	conn, err := pool.Conn(context.Background())
	if err != nil {
		return err
	}
	defer conn.Close()
	return onSQLite(conn, run)
}

func sqliteDatabase(e *sqliteEngine, revoked revocations) database {
	return database{
		engine: e,
		schema: func() schema {
			return schema{db: e.writers, dialect: goose.DialectSQLite3, close: func() error { return nil }}
		},
		revocations: revoked,
	}
}

// openSQLitePool returns a pool whose connections, size at most, stay open until the pool is closed.
func openSQLitePool(dsn string, size int) (*sql.DB, error) {
	connector, err := newSQLiteConnector(dsn)
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

// sqliteDSN puts every setting into the DSN, as each connection of a pool needs them anew. synchronous
// is FULL because in WAL mode anything less may lose a committed transaction when the power fails.
func sqliteDSN(path string, options url.Values) string {
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

// makeSQLiteFile makes an empty database file, which SQLite takes for a new database, that only its
// owner can read; SQLite gives its companion files the same mode. The file gets its name when it is
// closed already: to close a file on which SQLite holds locks, for another store in this process,
// would drop those locks. Where a file system has no links, SQLite makes the file, with the usual mode.
func makeSQLiteFile(path string) error {
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
	_ = os.Link(empty.Name(), path) // fails when somebody else was faster, too
	return nil
}
