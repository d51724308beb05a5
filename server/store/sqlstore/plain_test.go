package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/pgengine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/sqliteengine"
	"github.com/cloud-sessions/sessions/server/store/storetest"
)

// plain is an engine that leaves everything to database/sql: each transaction commits alone. What else differs between
// databases is as usual.
type plain struct {
	writers, readers *sql.DB
	instead          engine.Engine // the one that it stands in for
}

// openPlain opens a store on a plain engine.
func openPlain(tb testing.TB, dsn string, opts sqlstore.Options) *sqlstore.Store {
	tb.Helper()
	db, err := plainDatabase(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := sqlstore.New(context.Background(), db, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

func plainDatabase(dsn string) (engine.Database, error) {
	path, onSQLite := strings.CutPrefix(dsn, "sqlite:")
	if !onSQLite {
		db, err := pgengine.Open(dsn, pgengine.Options{
			MaxConns: sqlstore.DefaultMaxConns, StatementTimeout: sqlstore.DefaultStatementTimeout, ConnectTimeout: sqlstore.DefaultConnectTimeout,
		})
		if err != nil {
			return db, err
		}
		pool, err := sql.Open("pgx", dsn)
		pool.SetMaxOpenConns(sqlstore.DefaultMaxConns)
		db.Engine = plain{pool, pool, db.Engine}
		return db, err
	}
	db, err := sqliteengine.Open(context.Background(), path, sqliteengine.Options{})
	if err != nil {
		return db, err
	}
	const options = "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=foreign_keys(on)"
	writers, err := sql.Open("sqlite", path+options)
	if err != nil {
		return db, err
	}
	writers.SetMaxOpenConns(1)
	readers := writers
	if path != ":memory:" {
		if readers, err = sql.Open("sqlite", path+options+"&_query_only=on"); err != nil {
			return db, err
		}
	}
	db.Engine = plain{writers, readers, db.Engine}
	db.Migrate = func(ctx context.Context) error { return migrations.SQLite(ctx, writers) }
	return db, nil
}

// TestPlain has transactions that commit alone.
func TestPlain(t *testing.T) {
	t.Parallel()
	storetest.RunRandom(t, func(t *testing.T, opts storetest.Options) store.Store {
		return openPlain(t, "sqlite::memory:", testOptions(opts))
	}, 7, 300)
}

// Read implements engine.Engine.
func (p plain) Read(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	return queryRows(ctx, p.readers, q, each)
}

// Transact implements engine.Engine.
func (p plain) Transact(ctx context.Context, fn func(tx engine.Tx) error) error {
	tx, err := p.writers.BeginTx(ctx, nil)
	if err != nil {
		return engine.Failure(ctx, err, false)
	}
	return engine.Settle(
		func() error { return fn(plainTx{tx}) },
		func() error { return engine.Failure(ctx, tx.Commit(), false) },
		func() { _ = tx.Rollback() }, // when it fails, there is no transaction left to roll back
	)
}

// Close implements engine.Engine.
func (p plain) Close() error {
	return errors.Join(p.readers.Close(), p.writers.Close(), p.instead.Close())
}

type plainTx struct{ tx *sql.Tx }

// Query implements engine.Tx.
func (t plainTx) Query(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	return queryRows(ctx, t.tx, q, each)
}

// Exec implements engine.Tx.
func (t plainTx) Exec(ctx context.Context, statement string, args []any) (int, error) {
	result, err := t.tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, engine.Failure(ctx, err, false)
	}
	n, err := result.RowsAffected()
	return int(n), engine.Failure(ctx, err, false)
}

// Finish implements engine.Tx.
func (t plainTx) Finish(ctx context.Context, statement string, args []any) error {
	return t.Soon(ctx, statement, args)
}

// Soon implements engine.Tx.
func (t plainTx) Soon(ctx context.Context, statement string, args []any) error {
	_, err := t.Exec(ctx, statement, args)
	return err
}

// Abort implements engine.Tx.
func (t plainTx) Abort() { _ = t.tx.Rollback() }

// queryRows calls each for every row that a query yields.
func queryRows(ctx context.Context, source interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, q engine.Query, each func(engine.Scanner) error) error {
	rows, err := source.QueryContext(ctx, q.Text, q.Args...)
	if err != nil {
		return engine.Failure(ctx, err, false)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return engine.Failure(ctx, err, false)
		}
	}
	return engine.Failure(ctx, rows.Err(), false)
}
