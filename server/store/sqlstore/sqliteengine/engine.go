package sqliteengine

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// pools lets writers that come together share a transaction, so that they share its commit: that waits for the disk.
// Readers have connections of their own and see what is committed.
type pools struct {
	writers, readers *sql.DB // pools of rawConns
	queue            writeQueue
	files            *files      // nil in memory
	helper           *helper     // nil in memory
	scrubber         scrubber    // belongs to who has the connection that writes
	full             atomic.Bool // the last write found no space left
	unwatch          func()      // stops watching the files
	closing          sync.Once
	closed           error // of closing
	// A batch ends when the queue is empty, or at one of these bounds: neither its first member nor a writer in another
	// process waits for long. Tests change them.
	maxTurns int
	maxTime  time.Duration
	onCommit engine.OnCommit
	// commit commits a batch. Tests replace it.
	commit func(b *batch) error
	// tryWrite tries whether there is space again. Tests replace it.
	tryWrite func(ctx context.Context, e *pools) error
}

func newEngine(writers, readers *sql.DB) *pools {
	return &pools{
		writers:  writers,
		readers:  readers,
		maxTurns: 100,
		maxTime:  5 * time.Millisecond,
		commit:   func(b *batch) error { return b.run(context.Background(), "COMMIT") },
		tryWrite: tryWrite,
		unwatch:  func() {},
		onCommit: func(int, time.Duration) {},
	}
}

// Read implements engine.Engine.
func (e *pools) Read(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	conn, err := e.readers.Conn(ctx)
	if err != nil {
		return e.failure(ctx, err)
	}
	defer conn.Close()
	return e.failure(ctx, onConn(conn, func(c *rawConn) error {
		return c.read(watched(ctx, !q.Quick), q.Text, q.Args, each)
	}))
}

// Close closes the writers last: their connection may tidy up the database, those that only read may not. SQLite
// leaves the files of another database that has taken the name of this one alone. It may be called more than once.
func (e *pools) Close() error {
	e.closing.Do(func() { e.closed = e.close() })
	return e.closed
}

func (e *pools) close() error {
	e.unwatch()
	var errs []error
	if e.files != nil && e.files.check() == nil { // SQLite will copy the log
		_ = e.onWriter(context.Background(), func(c *rawConn) error { return e.scrubber.scrub(context.Background(), c) })
	}
	errs = append(errs, e.readers.Close(), e.writers.Close())
	if e.helper != nil {
		errs = append(errs, e.helper.close())
	}
	return errors.Join(errs...)
}

// pool returns the state of all connections.
func (e *pools) pool() (p store.Pool) {
	pools := []*sql.DB{e.writers}
	if e.readers != e.writers {
		pools = append(pools, e.readers)
	}
	for _, pool := range pools {
		s := pool.Stats()
		p.Most, p.Open, p.InUse = p.Most+s.MaxOpenConnections, p.Open+s.OpenConnections, p.InUse+s.InUse
		p.Waits, p.Waited = p.Waits+s.WaitCount, p.Waited+s.WaitDuration
	}
	return p
}

// onWriter calls run with the connection that writes, once no batch has it.
func (e *pools) onWriter(ctx context.Context, run func(c *rawConn) error) error {
	conn, err := e.writers.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return onConn(conn, run)
}

// Transact implements engine.Engine.
func (e *pools) Transact(ctx context.Context, fn func(tx engine.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b, err := e.queue.join(ctx)
	if err != nil {
		return err
	}
	if b == nil {
		if b, err = e.begin(ctx); err != nil {
			e.queue.pass(nil)
			return e.failure(ctx, err)
		}
	}
	return b.take(ctx, fn)
}

// watched returns the context for a statement that ctx interrupts, or does not interrupt. Watching costs the driver a
// goroutine for each statement.
func watched(ctx context.Context, watch bool) context.Context {
	if watch {
		return ctx
	}
	return context.Background()
}

// Query implements engine.Tx.
func (m *member) Query(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	return m.statement(ctx, func(c *rawConn) error {
		return c.read(watched(ctx, !q.Quick), q.Text, q.Args, each)
	})
}

// Exec implements engine.Tx.
func (m *member) Exec(ctx context.Context, statement string, args []any) (int, error) {
	return m.write(ctx, statement, args, false)
}

// Finish implements engine.Tx.
func (m *member) Finish(ctx context.Context, statement string, args []any) error {
	_, err := m.write(ctx, statement, args, true)
	return err
}

// write lets ctx interrupt a statement only while the transaction is its caller's alone, since SQLite would roll back
// all of it. No write of the store takes long. A member's only statement needs no savepoint: SQLite undoes it when it
// fails.
func (m *member) write(ctx context.Context, statement string, args []any, last bool) (n int, err error) {
	err = m.statement(ctx, func(c *rawConn) error {
		if !last {
			if err := m.save(c); err != nil {
				return err
			}
		}
		n, err = c.run(watched(ctx, m.first), statement, args)
		m.finished = last && err == nil && !m.first && !m.saved
		m.batch.wrote = m.batch.wrote || n > 0
		return err
	})
	return n, err
}

// Soon implements engine.Tx.
func (m *member) Soon(ctx context.Context, statement string, args []any) error {
	_, err := m.Exec(ctx, statement, args)
	return err
}

func (m *member) statement(ctx context.Context, run func(c *rawConn) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended || m.batch.lost != nil {
		return m.batch.pools.failure(ctx, sql.ErrTxDone)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := onConn(m.batch.conn, run)
	if err != nil {
		m.batch.suspect(err)
	}
	return m.batch.pools.failure(ctx, err)
}

// Abort implements engine.Tx.
func (m *member) Abort() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ended && m.batch.lost == nil {
		m.batch.lose(errors.New("a part of it could not be undone"))
	}
}
