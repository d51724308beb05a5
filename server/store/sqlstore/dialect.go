package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/pressly/goose/v3"
)

// database is an open database and all that differs between databases.
type database struct {
	engine
	// write begins transactions that may write without failing for one another. read is for reads
	// outside of transactions. The two may be the same pool.
	write, read *sql.DB
	// forUpdate and forShare end a SELECT that locks its rows until the transaction's end: against all
	// other locks, or against changes only. They are empty where a transaction that may write is alone.
	forUpdate, forShare string
	// migrations names the database to goose.
	migrations goose.Dialect
	// revocations is how processes tell each other of revoked tokens.
	revocations *revocations
}

// openDatabase opens the database that dsn names; it does not touch the schema.
func openDatabase(dsn string) (database, error) {
	scheme, rest, _ := strings.Cut(dsn, ":")
	if scheme == "sqlite" {
		return openSQLite(rest)
	}
	return database{}, errDSN
}

// errDSN does not repeat the name it refuses: names of databases hold passwords.
var errDSN = fmt.Errorf("sqlstore: the database must be %q or %q", "sqlite:path/to/file.db", "sqlite::memory:")

// close leaves the write pool for last: its connection may tidy up the database, those that only read
// may not.
func (d database) close() error {
	return errors.Join(d.read.Close(), d.write.Close())
}
