package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// database is an open database and all that differs between databases.
type database struct {
	engine
	// forUpdate and forShare end a SELECT that locks its rows until the transaction's end: against all
	// other locks, or against forUpdate only. skipLocked ends one that leaves out the rows that are locked, and
	// locks the others. They are empty where a transaction that may write is alone.
	forUpdate, forShare, skipLocked string
	// queue is the line of turns that processes share; nil where one process at a time works on turns.
	queue *pgQueue
	// schema returns what migrates the database, to be closed after use.
	schema func() schema
	// listen calls told for each note of a store on the database, and missed when some may have been lost, until ctx
	// ends; nil where one process has the sessions for itself.
	listen func(ctx context.Context, told func(payload string), missed func())
	// revocations is how processes tell each other of revoked tokens.
	revocations revocations
}

// schema is a database as goose sees it.
type schema struct {
	db      *sql.DB
	dialect goose.Dialect
	// text adapts a migration to the database; nil where there is nothing to adapt.
	text func(migration string) string
	// locker makes processes that migrate the database take turns; nil for none.
	locker lock.SessionLocker
	// beside migrates what is not ours in the database, under the lock; nil for nothing.
	beside func(ctx context.Context) error
	close  func() error
}

// openDatabase opens the database that dsn names; it does not touch the schema.
func openDatabase(dsn string, opts Options) (database, error) {
	switch scheme, rest, _ := strings.Cut(dsn, ":"); scheme {
	case "sqlite":
		return openSQLite(rest)
	case "postgres", "postgresql":
		return openPostgres(dsn, opts)
	}
	return database{}, errDSN
}

// errDSN does not repeat the name it refuses: names of databases hold passwords.
var errDSN = errors.New(`sqlstore: the database must be "sqlite:path/to/file.db", "sqlite::memory:" ` +
	`or "postgres://user:password@host:5432/name"`)
