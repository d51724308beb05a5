package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// openPostgres prepares a pool for the database with that URL, to which it does not connect yet.
//
// Transactions are READ COMMITTED, PostgreSQL's default: a statement that has waited for a lock goes on with
// the rows as they are then. So nothing fails for being serialized, and since all lock an agent before an
// environment, these before a session, and a key before all of them, nothing deadlocks.
func openPostgres(url string, opts Options) (database, error) {
	config, err := postgresConfig(url, opts)
	if err != nil {
		return database{}, err
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config) // no background connections are asked for
	if err != nil {
		return database{}, fmt.Errorf("sqlstore: %w", err)
	}
	// Migrations take as long as they take, and who waits for a note has nothing that the server could cancel.
	unhurried := config.ConnConfig.Copy()
	unhurried.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: c.Conn()}
	}
	delete(unhurried.RuntimeParams, "statement_timeout")
	delete(unhurried.RuntimeParams, "idle_in_transaction_session_timeout")
	for name, value := range map[string]string{ // a process whose machine is gone is found out soon
		"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3",
	} {
		unhurried.RuntimeParams[name] = value
	}
	queue, err := newPGQueue(pool, unhurried)
	if err != nil {
		pool.Close()
		return database{}, fmt.Errorf("sqlstore: %w", err)
	}
	return database{
		queue: queue,
		engine: &pgEngine{
			pool:           pool,
			maxConns:       int(config.MaxConns),
			connectTimeout: config.ConnConfig.ConnectTimeout,
			// The server is the first to give up, which leaves the connection usable.
			statementTimeout: opts.StatementTimeout + time.Second,
		},
		forUpdate:   " FOR UPDATE",
		forShare:    " FOR KEY SHARE", // all that it has to keep away is forUpdate
		skipLocked:  " FOR UPDATE SKIP LOCKED",
		revocations: &ownRevocations{},
		listen: func(ctx context.Context, told func(string), missed func()) {
			pgListen(ctx, unhurried, told, missed)
		},
		schema: func() schema {
			db := stdlib.OpenDB(*unhurried)
			return schema{db: db, dialect: goose.DialectPostgres, text: inPostgres, locker: pgLock{}, beside: queue.migrate, close: db.Close}
		},
	}, nil
}

// postgresConfig never repeats the URL in an error: it may hold a password.
func postgresConfig(url string, opts Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errDSN
	}
	config.MaxConns = int32(opts.MaxConns)
	config.PingTimeout = opts.ConnectTimeout
	conn := config.ConnConfig
	conn.ConnectTimeout = opts.ConnectTimeout
	// A cancelled statement leaves its connection, and the transaction around it, usable.
	conn.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: time.Second}
	}
	validate := conn.ValidateConnect // for target_session_attrs
	conn.ValidateConnect = func(ctx context.Context, c *pgconn.PgConn) error {
		if validate != nil {
			if err := validate(ctx, c); err != nil {
				return err
			}
		}
		if encoding := c.ParameterStatus("server_encoding"); encoding != "UTF8" {
			return fmt.Errorf("the database has the encoding %s, it must have UTF8", encoding)
		}
		return nil
	}
	for name, value := range map[string]string{
		"application_name":  "sessionsd",
		"statement_timeout": inMillis(opts.StatementTimeout),
		// What holds locks is between two statements for a moment only, unless its process hangs or is cut off.
		"idle_in_transaction_session_timeout": inMillis(2 * opts.StatementTimeout),
	} {
		if _, given := conn.RuntimeParams[name]; !given {
			conn.RuntimeParams[name] = value
		}
	}
	return config, nil
}

func inMillis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// inPostgres adapts a migration. Text compares by bytes, as it does in SQLite, whatever the database's own collation
// is. Tables have no rowid that could be left out.
func inPostgres(migration string) string {
	return strings.NewReplacer(" TEXT ", ` TEXT COLLATE "C" `, " WITHOUT ROWID", "").Replace(migration)
}

// pgLock makes processes that migrate the same database take turns. It does not poll, unlike goose's own.
type pgLock struct{}

// lockID is the advisory lock of the schema: any number that nothing else in the database locks.
const lockID = 7365737369 // "sessi" in ASCII

// SessionLock implements lock.SessionLocker.
func (pgLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(lockID))
	return err
}

// SessionUnlock implements lock.SessionLocker.
func (pgLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(lockID))
	return err
}

// pgUnavailable reports whether an error of PostgreSQL is one of its state rather than of the statement.
func pgUnavailable(err error) bool {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return false
	}
	switch said.Code {
	case "55P03", // a lock is not available
		"25P03", // the transaction idled for too long
		"25006": // the server is a standby by now
		return true
	}
	switch said.Code[:2] {
	case "08", // the connection failed
		"40", // the transaction was rolled back: a deadlock
		"53", // out of connections, memory or disk
		"57": // shut down, started up, or the statement was cancelled
		return true
	}
	return false
}
