package pgengine

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
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

	reads   trips
	writes  trips
	conns   connections
	inbox   *inbox
	space   space
	kept    *keeper
	hearing *hearing
}

// Read implements engine.Engine.
func (e *postgres) Read(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	if q.Shared {
		return e.reads.run(ctx, q, each)
	}
	return e.readAlone(ctx, q, each)
}

func (e *postgres) readAlone(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
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
	count   int // of statements
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

// Pipeline implements engine.Pipeliner.
func (e *postgres) Pipeline(ctx context.Context, steps []engine.Step) error {
	t := &tx{postgres: e, outside: true}
	defer t.end()
	if err := t.Pipeline(ctx, steps); err != nil {
		return err
	}
	e.space.written(t.written)
	return nil
}

// Write implements engine.Writer.
func (e *postgres) Write(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.writes.run(context.WithoutCancel(ctx), q, each)
}

func (e *postgres) writeAlone(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	t := &tx{postgres: e, outside: true}
	defer t.end()
	began := time.Now()
	err := t.Query(ctx, q, each)
	e.onCommit(1, time.Since(began))
	if err == nil {
		e.space.written(t.written)
	}
	return err
}

// hastily runs steps in a transaction of their own, in one round trip, whose commit does not wait for the disk. It is for
// what a crash may undo, and for notifications: while a transaction with one waits for the disk, no other commits.
func (e *postgres) hastily(ctx context.Context, steps ...engine.Step) error {
	return e.Pipeline(ctx, slices.Insert(steps, 0, engine.Step{Query: engine.Query{Text: notToDisk}}))
}

const notToDisk = `SELECT set_config('synchronous_commit', 'off', true)`

// Query implements engine.Tx.
func (t *tx) Query(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	return t.Pipeline(ctx, []engine.Step{{Query: q, Each: each}})
}

// Exec implements engine.Tx.
func (t *tx) Exec(ctx context.Context, text string, args []any) (wrote int, err error) {
	err = t.Pipeline(ctx, []engine.Step{{Query: engine.Query{Text: text, Args: args}, Wrote: &wrote}})
	return wrote, err
}

// Finish implements engine.Tx.
func (t *tx) Finish(ctx context.Context, text string, args []any) error {
	return t.Soon(ctx, text, args)
}

// Soon implements engine.Tx.
func (t *tx) Soon(ctx context.Context, text string, args []any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return err
	}
	t.pending = append(t.pending, statement{text, args})
	t.count++
	return nil
}

// Count implements engine.Counter.
func (t *tx) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

// Restart implements engine.Counter. A connection that was lost meanwhile is replaced by the next statement.
func (t *tx) Restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.release()
		t.pending, t.count = nil, 0
	}
}

func (t *tx) usable(ctx context.Context) error {
	if t.ended {
		return engine.Failure(ctx, sql.ErrTxDone, false)
	}
	return ctx.Err()
}

// Pipeline implements engine.Pipeliner.
func (t *tx) Pipeline(ctx context.Context, steps []engine.Step) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return err
	}
	t.count += len(steps)
	return t.run(ctx, steps)
}

// run sends what is pending and the steps together. A connection that is found to be dead at its first use, as all are
// after a restart of PostgreSQL, is replaced.
func (t *tx) run(ctx context.Context, steps []engine.Step) error {
	for tries := t.postgres.maxConns; ; tries-- {
		fresh := t.conn == nil
		if err := t.connect(ctx); err != nil {
			return err
		}
		answered, err := t.send(ctx, steps)
		if err == nil || !fresh || answered || tries == 0 || !t.conn.Conn().IsClosed() || pgconn.Timeout(err) || ctx.Err() != nil {
			t.pending = nil
			return t.failure(ctx, err)
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

// send reports whether a row was returned.
func (t *tx) send(ctx context.Context, steps []engine.Step) (answered bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.postgres.statementTimeout)
	defer cancel()
	if len(steps) == 1 && (t.outside || t.begun && len(t.pending) == 0) {
		t.last = steps[0].Text
		rows, err := t.conn.Query(ctx, steps[0].Text, steps[0].Args...)
		if err != nil {
			return false, err
		}
		return t.read(rows, steps[0])
	}
	batch := &pgx.Batch{}
	if !t.outside && !t.begun {
		batch.Queue("begin")
	}
	for _, p := range t.pending {
		batch.Queue(p.text, p.args...)
	}
	before := batch.Len()
	for _, s := range steps {
		batch.Queue(s.Text, s.Args...)
	}
	t.last = steps[0].Text
	results := t.conn.SendBatch(ctx, batch)
	defer func() {
		if closeErr := results.Close(); err == nil {
			err = closeErr
		}
	}()
	for range before {
		if _, err := results.Exec(); err != nil {
			return answered, err
		}
		t.begun = true
	}
	for _, s := range steps {
		t.last = s.Text
		rows, err := results.Query()
		if err != nil {
			return answered, err
		}
		some, err := t.read(rows, s)
		answered = answered || some
		if err != nil {
			return answered, err
		}
	}
	return answered, nil
}

// read reads the result of a step and reports whether it has a row.
func (t *tx) read(rows pgx.Rows, s engine.Step) (answered bool, err error) {
	defer rows.Close()
	for rows.Next() {
		answered = true
		if s.Each == nil {
			continue
		}
		if err := s.Each(rows); errors.Is(err, engine.ErrEnough) {
			break
		} else if err != nil {
			return true, err
		}
	}
	rows.Close()
	tag := rows.CommandTag()
	if s.Wrote != nil {
		*s.Wrote = int(tag.RowsAffected())
	}
	if rows.Err() == nil && !tag.Select() && tag.RowsAffected() > 0 && t.postgres.space.refused.Load() != nil {
		t.written = append(t.written, s.Text)
	}
	return answered, rows.Err()
}

// commit is not interrupted by ctx, so that the outcome is known.
func (t *tx) commit(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return err
	}
	t.pending = withoutLastSavepoints(t.pending)
	if !t.begun {
		if len(t.pending) == 0 { // nothing was done
			return nil
		}
		last := t.pending[len(t.pending)-1]
		t.pending = t.pending[:len(t.pending)-1]
		if err := t.run(ctx, []engine.Step{{Query: engine.Query{Text: last.text, Args: last.args}}}); err != nil {
			return err
		}
	}
	t.ended = true
	ctx = context.WithoutCancel(ctx)
	began := time.Now()
	tag, err := t.sendCommit(ctx)
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

// withoutLastSavepoints leaves out what has no effect beyond the commit that follows.
func withoutLastSavepoints(pending []statement) []statement {
	for len(pending) > 0 && strings.Contains(pending[len(pending)-1].text, "SAVEPOINT ") {
		pending = pending[:len(pending)-1]
	}
	return pending
}

// sendCommit commits, together with what is pending.
func (t *tx) sendCommit(ctx context.Context) (tag pgconn.CommandTag, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.postgres.statementTimeout)
	defer cancel()
	t.last = commit
	if len(t.pending) == 0 {
		return t.conn.Exec(ctx, commit)
	}
	batch := &pgx.Batch{}
	for _, p := range t.pending {
		batch.Queue(p.text, p.args...)
	}
	batch.Queue(commit)
	results := t.conn.SendBatch(ctx, batch)
	defer func() {
		if closeErr := results.Close(); err == nil {
			err = closeErr
		}
	}()
	for range batch.Len() {
		if tag, err = results.Exec(); err != nil {
			return tag, err
		}
	}
	return tag, nil
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
