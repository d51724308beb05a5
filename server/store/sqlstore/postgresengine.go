package sqlstore

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgEngine runs statements on a pool of PostgreSQL connections. Every wait is bounded: for a connection, and
// for each statement.
type pgEngine struct {
	pool     *pgxpool.Pool
	maxConns int
	// connectTimeout bounds the wait for a connection, be it made or given back by another call.
	connectTimeout time.Duration
	// statementTimeout bounds the wait for a statement's answer.
	statementTimeout time.Duration
}

func (e *pgEngine) read(ctx context.Context, q query, each func(scanner) error) error {
	t := &pgTx{engine: e, outside: true}
	defer t.end()
	return t.query(ctx, q, each)
}

func (e *pgEngine) transact(ctx context.Context, fn func(tx transaction) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &pgTx{engine: e}
	defer t.end()
	if err := fn(t); err != nil {
		return err
	}
	return t.commit(ctx)
}

func (e *pgEngine) close() error {
	e.pool.Close()
	return nil
}

// pgTx is a transaction, or what reads without one. It takes its connection, and begins, with the first
// statement that has an answer: what was put off until then, and later, costs no round trip of its own.
type pgTx struct {
	engine  *pgEngine
	outside bool // it reads without a transaction

	mu      sync.Mutex // makes goroutines of one caller take turns
	conn    *pgxpool.Conn
	begun   bool
	ended   bool
	pending []pgStatement
}

type pgStatement struct {
	text string
	args []any
}

func (t *pgTx) query(ctx context.Context, q query, each func(scanner) error) error {
	_, err := t.run(ctx, pgStatement{q.text, q.args}, each)
	return err
}

func (t *pgTx) exec(ctx context.Context, statement string, args []any) (int, error) {
	tag, err := t.run(ctx, pgStatement{statement, args}, func(scanner) error { return nil })
	return int(tag.RowsAffected()), err
}

func (t *pgTx) finish(ctx context.Context, statement string, args []any) error {
	_, err := t.exec(ctx, statement, args)
	return err
}

func (t *pgTx) soon(ctx context.Context, statement string, args []any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return err
	}
	t.pending = append(t.pending, pgStatement{statement, args})
	return nil
}

func (t *pgTx) usable(ctx context.Context) error {
	if t.ended {
		return failure(ctx, sql.ErrTxDone)
	}
	return ctx.Err()
}

// run sends what is pending and the statement together. A connection that turns out to be dead when it is first
// used, as all are after a restart of PostgreSQL, is replaced.
func (t *pgTx) run(ctx context.Context, s pgStatement, each func(scanner) error) (tag pgconn.CommandTag, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return tag, err
	}
	for tries := t.engine.maxConns; ; tries-- {
		fresh, answered := t.conn == nil, false
		if err := t.connect(ctx); err != nil {
			return tag, err
		}
		tag, err = t.send(ctx, s, func(row scanner) error {
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

// connect takes a connection. A transaction that gets none is at its end.
func (t *pgTx) connect(ctx context.Context) error {
	if t.conn != nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, t.engine.connectTimeout)
	defer cancel()
	conn, err := t.engine.pool.Acquire(bounded)
	if err != nil {
		t.ended = true
		return unavailable(ctx, err)
	}
	t.conn = conn
	return nil
}

func (t *pgTx) send(ctx context.Context, s pgStatement, each func(scanner) error) (tag pgconn.CommandTag, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.engine.statementTimeout)
	defer cancel()
	if t.outside || t.begun && len(t.pending) == 0 {
		rows, err := t.conn.Query(ctx, s.text, s.args...)
		if err != nil {
			return tag, err
		}
		return pgRows(rows, each)
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
	return pgRows(rows, each)
}

// pgRows calls each for every row.
func pgRows(rows pgx.Rows, each func(scanner) error) (pgconn.CommandTag, error) {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return pgconn.CommandTag{}, err
		}
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// commit is not interrupted by ctx: the outcome is not a guess. What is pending has no effect beyond the commit.
func (t *pgTx) commit(ctx context.Context) error {
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
	bounded, cancel := context.WithTimeout(ctx, t.engine.statementTimeout)
	defer cancel()
	tag, err := t.conn.Exec(bounded, "commit")
	if err == nil && tag.String() != "COMMIT" {
		err = sql.ErrTxDone // a statement had failed, and with it the transaction
	}
	return t.failure(ctx, err)
}

func (t *pgTx) abort() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

// end gives the connection back, after rolling back what was not committed.
func (t *pgTx) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.release()
}

func (t *pgTx) release() {
	if t.conn == nil {
		return
	}
	if c := t.conn.Conn().PgConn(); !c.IsClosed() && c.TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.Background(), t.engine.statementTimeout)
		_, _ = t.conn.Exec(ctx, "rollback") // a connection that fails to is closed, and its transaction with it
		cancel()
	}
	t.conn.Release()
	t.conn, t.begun = nil, false
}

// failure is what to return for a statement's error. Whatever ends the connection is none of the statement's
// doing.
func (t *pgTx) failure(ctx context.Context, err error) error {
	if err != nil && (t.conn.Conn().IsClosed() || pgconn.Timeout(err)) {
		return unavailable(ctx, err)
	}
	return failure(ctx, err)
}
