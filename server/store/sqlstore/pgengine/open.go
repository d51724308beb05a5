package pgengine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
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
	// Log gets what callers do not see: connections that are lost, notifications that do not arrive.
	Log *slog.Logger
	// OnCommit is called after commits; nil is not.
	OnCommit engine.OnCommit
}

// Open prepares a pool for the database with that URL, to which it does not connect yet.
//
// Transactions are READ COMMITTED: a statement that has waited for a lock continues with the rows as they are then. So
// nothing fails for being serialized, and since all lock an agent before an environment, these before a session, and a key
// before all of them, nothing deadlocks.
func Open(url string, opts Options) (engine.Database, error) {
	config, settings, err := configOf(url, opts)
	if err != nil {
		return engine.Database{}, err
	}
	e := &postgres{
		maxConns:       int(config.MaxConns),
		connectTimeout: config.ConnConfig.ConnectTimeout,
		// The server is the first to stop waiting, which leaves the connection usable.
		statementTimeout: opts.StatementTimeout + time.Second,
		inbox:            newInbox(opts.StatementTimeout),
		hearing:          newHearing(opts.Log),
		onCommit:         opts.OnCommit,
	}
	if e.onCommit == nil {
		e.onCommit = func(int, time.Duration) {}
	}
	e.reads = trips{postgres: e, most: readTrips, alone: e.readAlone, afterwards: func(int, time.Duration) {}}
	e.writes = trips{postgres: e, most: writeTrips, alone: e.writeAlone, afterwards: e.onCommit, whole: true}
	unhurried := config.ConnConfig.Copy()
	// Nothing that these connections wait for is a statement that PostgreSQL could cancel.
	unhurried.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: c.Conn()}
	}
	unhurried.AfterConnect = ask(opts.ConnectTimeout, slices.Concat(settings, unbounded, relied)...)
	config.ConnConfig.BuildFrontend = e.inbox.frontend
	config.ConnConfig.AfterConnect = ask(opts.ConnectTimeout, slices.Concat(pooled(opts), settings, relied)...)
	config.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return e.conns.open() }
	e.kept = &keeper{config: unhurried, log: opts.Log, giveWay: e.giveWay}
	if e.pool, err = pgxpool.NewWithConfig(context.Background(), config); err != nil { // the context is for background connections, of which there are none
		return engine.Database{}, fmt.Errorf("sqlstore: %w", err)
	}
	return engine.Database{
		Engine:      e,
		ForUpdate:   " FOR UPDATE",
		ForShare:    " FOR KEY SHARE", // it only has to exclude ForUpdate
		SkipLocked:  " FOR UPDATE SKIP LOCKED",
		LockAccount: `SELECT pg_advisory_xact_lock(hashtextextended($1, ` + strconv.FormatInt(accountLocks, 10) + `))`,
		Queue:       &queue{postgres: e, every: turnsEvery},
		Notifier:    &notifier{postgres: e, send: e.sendProof},
		Revocations: &engine.OwnRevocations{},
		Ready:       e.ready,
		Pool:        e.state,
		Migrate: func(ctx context.Context) (err error) {
			db := stdlib.OpenDB(*unhurried)
			defer func() { err = errors.Join(err, db.Close()) }()
			if err := migrations.Postgres(ctx, db, schemaLock{opts.Log}); err != nil {
				return err
			}
			return checkRights(ctx, db)
		},
	}, nil
}

// configOf returns the configuration of the pool, and the settings that the URL asks for. It never repeats the URL in an
// error: it may hold a password.
func configOf(url string, opts Options) (*pgxpool.Config, []setting, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, nil, engine.ErrDSN
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
	startup, settings := splitParams(conn.RuntimeParams)
	if _, given := startup["application_name"]; !given {
		startup["application_name"] = "sessionsd"
	}
	conn.RuntimeParams = startup
	return config, settings, nil
}

// schemaLock makes processes that migrate the same database take turns. It does not poll, unlike goose's own.
type schemaLock struct{ log *slog.Logger }

// lockID is the advisory lock of the schema, and the seed of the locks that workers hold: any number that nothing else in
// the database uses.
const lockID int64 = 7365737369 // "sessi" in ASCII

// accountLocks is the seed of the locks of accounts.
const accountLocks = lockID + 1

// schemaLockWarn is how long a process waits for the schema's lock before it logs that.
const schemaLockWarn = 5 * time.Second

// SessionLock implements lock.SessionLocker.
func (l schemaLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	defer time.AfterFunc(schemaLockWarn, func() {
		l.log.Warn("waiting for another process that migrates the database, or that a pooler has not let go of the lock", "advisory_lock", lockID)
	}).Stop()
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lockID)
	return err
}

// SessionUnlock implements lock.SessionLocker.
func (l schemaLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	held := false
	if err := conn.QueryRowContext(ctx, "SELECT pg_advisory_unlock($1)", lockID).Scan(&held); err != nil {
		return err
	}
	if !held {
		return errors.New("the lock of the schema was lost: a pooler between the server and PostgreSQL must pool sessions")
	}
	return nil
}

// unavailable reports whether an error of PostgreSQL is about its state rather than the statement.
func unavailable(err error) bool {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return false
	}
	switch said.Code {
	case "55P03", // a lock is not available
		"25P03", "25P04", // the transaction idled, or ran, for too long
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
