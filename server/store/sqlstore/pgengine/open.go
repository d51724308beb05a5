package pgengine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

// Options bound what a database may use. All fields are required.
type Options struct {
	// MaxConns bounds the connections of the pool.
	MaxConns int
	// StatementTimeout bounds each statement, the wait for locks included. It counts in milliseconds.
	StatementTimeout time.Duration
	// ConnectTimeout bounds how long a call waits for a connection, new or released by another call.
	ConnectTimeout time.Duration
}

// Open prepares a pool for the database with that URL, to which it does not connect yet.
//
// Transactions are READ COMMITTED, PostgreSQL's default: a statement that has waited for a lock continues with the rows as
// they are then. So nothing fails for being serialized, and since all lock an agent before an environment, these before a
// session, and a key before all of them, nothing deadlocks.
func Open(url string, opts Options) (engine.Database, error) {
	config, err := configOf(url, opts)
	if err != nil {
		return engine.Database{}, err
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config) // the context is for background connections, of which there are none
	if err != nil {
		return engine.Database{}, fmt.Errorf("sqlstore: %w", err)
	}
	// Migrations may take long, and a connection that waits for a notification has nothing that the server could cancel.
	unhurried := config.ConnConfig.Copy()
	unhurried.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: c.Conn()}
	}
	delete(unhurried.RuntimeParams, "statement_timeout")
	delete(unhurried.RuntimeParams, "idle_in_transaction_session_timeout")
	for name, value := range map[string]string{ // so that the death of a process's machine is noticed soon
		"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3",
	} {
		unhurried.RuntimeParams[name] = value
	}
	e := &postgres{
		pool:           pool,
		maxConns:       int(config.MaxConns),
		connectTimeout: config.ConnConfig.ConnectTimeout,
		// The server is the first to stop waiting, which leaves the connection usable.
		statementTimeout: opts.StatementTimeout + time.Second,
	}
	turns, err := newQueue(e, unhurried)
	if err != nil {
		pool.Close()
		return engine.Database{}, fmt.Errorf("sqlstore: %w", err)
	}
	return engine.Database{
		Engine:      e,
		ForUpdate:   " FOR UPDATE",
		ForShare:    " FOR KEY SHARE", // it only has to exclude ForUpdate
		SkipLocked:  " FOR UPDATE SKIP LOCKED",
		Queue:       turns,
		Notifier:    &notifier{config: unhurried},
		Revocations: &engine.OwnRevocations{},
		Migrate: func(ctx context.Context) (err error) {
			db := stdlib.OpenDB(*unhurried)
			defer func() { err = errors.Join(err, db.Close()) }()
			return migrations.Postgres(ctx, db, schemaLock{}, turns.migrate)
		},
	}, nil
}

// configOf never repeats the URL in an error: it may hold a password.
func configOf(url string, opts Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, engine.ErrDSN
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
		// A transaction that holds locks is idle only briefly, unless its process hangs or is cut off.
		"idle_in_transaction_session_timeout": inMillis(2 * opts.StatementTimeout),
	} {
		if _, given := conn.RuntimeParams[name]; !given {
			conn.RuntimeParams[name] = value
		}
	}
	return config, nil
}

func inMillis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// schemaLock makes processes that migrate the same database take turns. It does not poll, unlike goose's own.
type schemaLock struct{}

// lockID is the advisory lock of the schema, and the seed of the locks that workers hold: any number that nothing else in
// the database uses.
const lockID int64 = 7365737369 // "sessi" in ASCII

// SessionLock implements lock.SessionLocker.
func (schemaLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lockID)
	return err
}

// SessionUnlock implements lock.SessionLocker.
func (schemaLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", lockID)
	return err
}

// unavailable reports whether an error of PostgreSQL is about its state rather than the statement.
func unavailable(err error) bool {
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
