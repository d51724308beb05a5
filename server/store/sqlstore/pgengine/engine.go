package pgengine

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// postgres runs statements on a pool of PostgreSQL connections. Every wait is bounded: for a connection, and for each
// statement.
type postgres struct {
	pool     *pgxpool.Pool
	maxConns int
	// connectTimeout bounds the wait for a connection, new or released by another call.
	connectTimeout time.Duration
	// statementTimeout bounds the wait for a statement's result.
	statementTimeout time.Duration

	onCommit engine.OnCommit

	conns   connections
	inbox   *inbox
	space   space
	kept    *keeper
	hearing *hearing
}

// Read implements engine.Engine.
func (e *postgres) Read(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	t := &tx{postgres: e, outside: true}
	defer t.end()
	return t.Query(ctx, q, each)
}

// Transact implements engine.Engine.
func (e *postgres) Transact(ctx context.Context, fn func(tx engine.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &tx{postgres: e}
	defer t.end()
	if err := fn(t); err != nil {
		return err
	}
	return t.commit(ctx)
}

// state returns the state of the pool.
func (e *postgres) state() store.Pool {
	s := e.pool.Stat()
	return store.Pool{
		Most: int(s.MaxConns()), Open: int(s.TotalConns()), InUse: int(s.AcquiredConns()),
		Waits: s.EmptyAcquireCount(), Waited: s.EmptyAcquireWaitTime(),
	}
}

// Close implements engine.Engine.
func (e *postgres) Close() error {
	e.pool.Close()
	return nil
}

// tx is a transaction, or what reads without one. It acquires its connection, and begins, with the first statement whose
// result matters: what was postponed until then, and later, costs no round trip of its own.
type tx struct {
	postgres *postgres
	outside  bool // it reads without a transaction

	mu      sync.Mutex // serializes the goroutines of one caller
	conn    *pgxpool.Conn
	begun   bool
	ended   bool
	pending []statement
	// readOnly is whether the connection can only read. Such a connection is not used again.
	readOnly bool
	// last is the statement that was sent last, and written are those that wrote something.
	last    string
	written []string
}

type statement struct {
	text string
	args []any
}

// Query implements engine.Tx.
func (t *tx) Query(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	_, err := t.run(ctx, statement{q.Text, q.Args}, each)
	return err
}

// Exec implements engine.Tx.
func (t *tx) Exec(ctx context.Context, text string, args []any) (int, error) {
	tag, err := t.run(ctx, statement{text, args}, func(engine.Scanner) error { return nil })
	return int(tag.RowsAffected()), err
}

// Finish implements engine.Tx.
func (t *tx) Finish(ctx context.Context, text string, args []any) error {
	_, err := t.Exec(ctx, text, args)
	return err
}

// Soon implements engine.Tx.
func (t *tx) Soon(ctx context.Context, text string, args []any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return err
	}
	t.pending = append(t.pending, statement{text, args})
	return nil
}

func (t *tx) usable(ctx context.Context) error {
	if t.ended {
		return engine.Failure(ctx, sql.ErrTxDone, false)
	}
	return ctx.Err()
}

// run sends what is pending and the statement together. A connection that is found to be dead at its first use, as
// all are after a restart of PostgreSQL, is replaced.
func (t *tx) run(ctx context.Context, s statement, each func(engine.Scanner) error) (tag pgconn.CommandTag, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return tag, err
	}
	for tries := t.postgres.maxConns; ; tries-- {
		fresh, answered := t.conn == nil, false
		if err := t.connect(ctx); err != nil {
			return tag, err
		}
		tag, err = t.send(ctx, s, func(row engine.Scanner) error {
			answered = true
			return each(row)
		})
		if err == nil || !fresh || answered || tries == 0 || !t.conn.Conn().IsClosed() || pgconn.Timeout(err) || ctx.Err() != nil {
			t.pending = nil
			return tag, t.failure(ctx, err)
		}
		t.release()
	}
}

// connect acquires a connection. A transaction that gets none has ended.
func (t *tx) connect(ctx context.Context) error {
	if t.conn != nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, t.postgres.connectTimeout)
	defer cancel()
	conn, err := t.postgres.acquire(bounded)
	if err != nil {
		t.ended = true
		return engine.Failure(ctx, err, true)
	}
	t.conn = conn
	return nil
}

func (t *tx) send(ctx context.Context, s statement, each func(engine.Scanner) error) (tag pgconn.CommandTag, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.postgres.statementTimeout)
	defer cancel()
	t.last = s.text
	defer func() {
		if err == nil && !tag.Select() && tag.RowsAffected() > 0 && t.postgres.space.refused.Load() != nil {
			t.written = append(t.written, s.text)
		}
	}()
	if t.outside || t.begun && len(t.pending) == 0 {
		rows, err := t.conn.Query(ctx, s.text, s.args...)
		if err != nil {
			return tag, err
		}
		return rowsOf(rows, each)
	}
	batch := &pgx.Batch{}
	if !t.begun {
		batch.Queue("begin")
	}
	for _, p := range t.pending {
		batch.Queue(p.text, p.args...)
	}
	before := batch.Len()
	batch.Queue(s.text, s.args...)
	results := t.conn.SendBatch(ctx, batch)
	defer func() {
		if closeErr := results.Close(); err == nil {
			err = closeErr
		}
	}()
	for range before {
		if _, err := results.Exec(); err != nil {
			return tag, err
		}
		t.begun = true
	}
	rows, err := results.Query()
	if err != nil {
		return tag, err
	}
	return rowsOf(rows, each)
}

// rowsOf calls each for every row.
func rowsOf(rows pgx.Rows, each func(engine.Scanner) error) (pgconn.CommandTag, error) {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return pgconn.CommandTag{}, err
		}
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// commit is not interrupted by ctx, so that the outcome is known. What is pending has no effect beyond the commit.
func (t *tx) commit(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return err
	}
	if !t.begun { // nothing was done
		return nil
	}
	t.ended = true
	ctx = context.WithoutCancel(ctx)
	bounded, cancel := context.WithTimeout(ctx, t.postgres.statementTimeout)
	defer cancel()
	t.last = commit
	began := time.Now()
	tag, err := t.conn.Exec(bounded, commit)
	t.postgres.onCommit(1, time.Since(began))
	switch {
	case err != nil:
	case tag.String() == "COMMIT":
		t.postgres.space.written(t.written)
	default:
		err = sql.ErrTxDone // a statement had failed, and with it the transaction
	}
	return t.failure(ctx, err)
}

const commit = "commit"

// Abort implements engine.Tx.
func (t *tx) Abort() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

// end releases the connection, after rolling back what was not committed.
func (t *tx) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.release()
}

func (t *tx) release() {
	if t.conn == nil {
		return
	}
	if c := t.conn.Conn().PgConn(); !c.IsClosed() && c.TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.Background(), t.postgres.statementTimeout)
		_, _ = t.conn.Exec(ctx, "rollback") // when that fails, the connection is closed, and its transaction with it
		cancel()
	}
	if t.readOnly {
		ctx, cancel := context.WithTimeout(context.Background(), t.postgres.statementTimeout)
		_ = t.conn.Conn().Close(ctx)
		cancel()
		t.postgres.replace()
	}
	t.conn.Release()
	t.postgres.conns.free()
	t.conn, t.begun, t.readOnly, t.written = nil, false, false, nil
}

// failure returns what to return for a statement's error. An error that ends the connection is not the statement's.
func (t *tx) failure(ctx context.Context, err error) error {
	t.postgres.space.judge(t.last, err)
	t.readOnly = t.readOnly || readOnly(err)
	return engine.Failure(ctx, err, err != nil && (t.conn.Conn().IsClosed() || pgconn.Timeout(err) || unavailable(err)))
}
