package sqliteengine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

const (
	memory = ":memory:"
	// maxReaders bounds the connections that read one file; SQLite lets them read while one writes.
	maxReaders = 8
	// busyTimeout is how long a writer waits for other processes.
	busyTimeout = 10 * time.Second
)

// Options configure a database.
type Options struct {
	// Serve is whether this process serves the database, which one at a time may do.
	Serve bool
	// Logger gets what happens to the files while the database is served.
	Logger *slog.Logger
	// OnCommit is called after commits; nil is not.
	OnCommit engine.OnCommit
}

// Open opens a file, or a private database in memory for ":memory:".
//
// A file gets one connection that writes, whose transactions begin with BEGIN IMMEDIATE: writers queue in Go, where
// contexts count, and only those of other processes wait in SQLite, for at most the busy timeout. A transaction that began
// as a reader could not become a writer once another one wrote.
func Open(ctx context.Context, name string, options Options) (engine.Database, error) {
	if name == memory {
		return openMemory(options)
	}
	e, err := openPools(ctx, name, options)
	if err != nil {
		return engine.Database{}, err
	}
	db := databaseOf(e, e.helper)
	db.GiveBack = e.giveBack
	return db, nil
}

// openPools opens a file and its helper. Where the name turns out to be no database, it leaves no helper behind. A process
// that serves takes the lock before it creates the file: another one may be restoring it.
func openPools(ctx context.Context, name string, options Options) (_ *pools, err error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	path, err := resolve(name)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: open the database file: %w", err)
	}
	e := newEngine(nil, nil)
	e.files, e.scrubber.path = &files{path: path}, path+"-wal"
	var opened []io.Closer
	defer func() {
		if err == nil {
			return
		}
		for _, c := range slices.Backward(opened) {
			err = errors.Join(err, c.Close())
		}
		if e.helper != nil {
			err = errors.Join(err, e.helper.discard())
		}
	}()
	if options.Serve {
		if e.helper, err = openHelperOf(path, true); err != nil {
			return nil, err
		}
	}
	if err := makeFile(ctx, path); err != nil {
		return nil, fmt.Errorf("sqlstore: open the database file: %w", err)
	}
	if e.writers, err = openPool(fileDSN(path, url.Values{"_txlock": {"immediate"}, "_auto_vacuum": {"incremental"}}), 1, e.files); err != nil {
		return nil, err
	}
	opened = append(opened, e.writers)
	if e.readers, err = openPool(fileDSN(path, url.Values{"_query_only": {"on"}}), maxReaders, e.files); err != nil {
		return nil, err
	}
	opened = append(opened, e.readers)
	if err := e.connect(ctx); err != nil {
		return nil, e.failure(ctx, err)
	}
	if !options.Serve {
		if e.helper, err = openHelperOf(path, false); err != nil {
			return nil, err
		}
	}
	e.observe(options.OnCommit)
	if options.Serve {
		e.watch(options.Logger)
	}
	return e, nil
}

// observe makes fn, if it is not nil, be called after commits.
func (e *pools) observe(fn engine.OnCommit) {
	if fn != nil {
		e.onCommit = fn
	}
}

// connect opens the connection that writes. SQLite does not wait when several processes turn on the write-ahead log of a
// new file at the same time.
func (e *pools) connect(ctx context.Context) error {
	for began := time.Now(); ; {
		err := e.writers.PingContext(ctx)
		if code(err) != sqlite3.SQLITE_BUSY || time.Since(began) > busyTimeout {
			return err
		}
		time.Sleep(time.Duration(1+rand.IntN(10)) * time.Millisecond)
	}
}

// served is why a database cannot be served.
func served(path string) error {
	return fmt.Errorf("another process serves the database file %s, or restores it; stop it first, or choose another file (several servers can share a PostgreSQL)", path)
}

// openMemory uses one connection for everything: the connection is the database. It starts as a copy of a database
// that is migrated once in this process, since copying is far faster than migrating.
func openMemory(options Options) (engine.Database, error) {
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
	made.observe(options.OnCommit)
	return databaseOf(made, &engine.OwnRevocations{}), nil
}

func newMemory() (*pools, error) {
	options := url.Values{
		"_pragma": {"foreign_keys(on)"},
		"_dqs":    {"false"},
		"_txlock": {"immediate"},
	}
	pool, err := openPool(memory+"?"+options.Encode(), 1, nil)
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
		Ready:       e.ready,
		Pool:        e.pool,
		Migrate:     func(ctx context.Context) error { return e.files.named(migrations.SQLite(ctx, e.writers)) },
	}
}

// openPool returns a pool whose connections, size at most, stay open until the pool is closed.
func openPool(dsn string, size int, f *files) (*sql.DB, error) {
	connector, err := newConnector(dsn, f)
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
// because in WAL mode anything less may lose a committed transaction when the power fails. secure_delete overwrites what is
// deleted with zeros. path is absolute.
func fileDSN(path string, options url.Values) string {
	options["_pragma"] = []string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"journal_mode(wal)",
		"synchronous(full)",
		"foreign_keys(on)",
		"secure_delete(on)",
		"wal_autocheckpoint(0)", // see copyLog
	}
	return dsnOf(path, options)
}

func dsnOf(path string, options url.Values) string {
	options.Set("_dqs", "false")
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // a drive letter
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}).String()
}
