package sqliteengine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// batch is a transaction that several callers share, one after the other. Each runs its part in its own goroutine when it
// has the turn, and passes the turn on; the caller that finds the queue empty commits for all. The fields belong to the
// caller that has the turn.
type batch struct {
	pools *pools
	conn  *sql.Conn
	began time.Time
	turns int
	// kept is how many parts a commit would keep.
	kept int
	// wrote is whether a part wrote a row, which is then undone or kept.
	wrote bool
	// lost is why the transaction can no longer be committed, or nil.
	lost error
	// done is closed when the transaction has ended; outcome is then nil if its parts are on disk.
	done    chan struct{}
	outcome error
}

// begin begins a batch. ctx may end the wait for other processes.
func (e *pools) begin(ctx context.Context) (*batch, error) {
	conn, err := e.writers.Conn(ctx)
	if err != nil {
		return nil, err
	}
	b := &batch{pools: e, conn: conn, began: time.Now(), done: make(chan struct{})}
	if err := b.run(ctx, "BEGIN IMMEDIATE"); err != nil {
		_ = b.run(context.Background(), "ROLLBACK") // ctx may have ended just after the transaction began
		_ = conn.Close()
		return nil, err
	}
	return b, nil
}

// take runs fn as a part of the batch and returns when the outcome of that part is certain. An error of fn also waits for
// the parts before it, which fn may have seen: when these are not committed, the error does not count either.
func (b *batch) take(ctx context.Context, fn func(tx engine.Tx) error) error {
	b.turns++
	m := &member{batch: b, first: b.kept == 0}
	err := b.attempt(ctx, m, fn)
	if err != nil && m.first {
		return err
	}
	<-b.done
	if b.outcome != nil {
		return b.outcome
	}
	return err
}

// attempt runs a part and passes the turn on, also when fn panics or ends the goroutine.
func (b *batch) attempt(ctx context.Context, m *member, fn func(tx engine.Tx) error) error {
	defer b.passOn()
	return engine.Settle(
		func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(m); err != nil || m.finished {
				return err
			}
			return ctx.Err()
		},
		m.keep,
		m.undo,
	)
}

// passOn passes the turn to the next caller in the queue, or else ends the batch.
func (b *batch) passOn() {
	if b.lost == nil && b.kept > 0 && b.turns < b.pools.maxTurns && time.Since(b.began) < b.pools.maxTime {
		if b.pools.queue.pass(b) {
			return
		}
		runtime.Gosched() // callers that are about to join the queue do: sharing the commit is worth the delay
		if b.pools.queue.pass(b) {
			return
		}
	}
	b.outcome = b.end()
	_ = b.conn.Close()
	b.pools.queue.pass(nil)
	close(b.done)
}

// end commits what is kept and ends the transaction. It ignores contexts: callers' outcomes depend on it, and it
// waits for the disk only.
func (b *batch) end() error {
	ctx := context.Background()
	err := b.lost
	if err == nil && b.kept > 0 {
		if err = b.pools.files.check(); err == nil {
			began := time.Now()
			err = b.pools.commit(b)
			if b.wrote {
				b.pools.onCommit(b.kept, time.Since(began))
			}
		}
		if err == nil {
			if b.wrote {
				b.pools.full.Store(false)
				b.pools.copyLog(b.conn)
			}
			return nil
		}
		err = b.pools.failure(ctx, err)
	}
	_ = b.run(ctx, "ROLLBACK") // fails when there is no transaction left
	return err
}

// lose abandons the transaction because of cause, which may be one caller's: the others get its text only.
func (b *batch) lose(cause error) {
	_ = b.run(context.Background(), "ROLLBACK")
	b.lost = fmt.Errorf("sqlstore: %w: the transaction was rolled back (%v): %w", store.ErrUnavailable, cause, sql.ErrTxDone)
}

// suspect finds out whether the transaction has survived a statement that failed: SQLite rolls back the whole
// transaction when a write is interrupted, or when the disk is full or fails. Later statements would take effect at
// once. A BEGIN succeeds only when no transaction is open.
func (b *batch) suspect(cause error) {
	if b.run(context.Background(), "BEGIN") == nil {
		b.lose(cause)
	}
}

func (b *batch) run(ctx context.Context, command string) error {
	return onConn(b.conn, func(c *rawConn) error {
		_, err := c.run(ctx, command, nil)
		return err
	})
}

// member is one caller's part of a batch. The first part needs no savepoint: undoing it is rolling back the
// transaction. The others create theirs before they first write.
type member struct {
	batch *batch
	first bool

	mu       sync.Mutex // serializes the goroutines of one caller
	saved    bool       // the savepoint exists
	finished bool       // its only statement has succeeded, without a savepoint
	ended    bool
}

// part names the savepoint of the member whose turn it is.
const part = "member"

// save creates the savepoint, if it is needed and does not exist.
func (m *member) save(c *rawConn) error {
	if m.first || m.saved {
		return nil
	}
	_, err := c.run(context.Background(), "SAVEPOINT "+part, nil)
	m.saved = err == nil
	return err
}

// keep ends the part and leaves it to the commit.
func (m *member) keep() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	b := m.batch
	if b.lost == nil && m.saved {
		if err := b.run(context.Background(), "RELEASE SAVEPOINT "+part); err != nil {
			b.lose(err)
		}
	}
	if b.lost == nil {
		b.kept++
	}
	return b.lost
}

// undo ends the part without a trace. When the first member is undone, the batch ends.
func (m *member) undo() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	switch {
	case m.first || m.batch.lost != nil:
		return
	case m.finished:
		m.batch.lose(errors.New("a part of it was abandoned after its end"))
		return
	case !m.saved:
		return
	}
	for _, command := range []string{"ROLLBACK TO SAVEPOINT ", "RELEASE SAVEPOINT "} {
		if err := m.batch.run(context.Background(), command+part); err != nil {
			m.batch.lose(err)
			return
		}
	}
}
