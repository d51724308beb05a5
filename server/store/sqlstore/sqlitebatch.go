package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// sqliteBatch is a transaction that several callers share, one after the other. Each runs its part in its
// own goroutine when it has the turn, and passes the turn on; who finds nobody in line commits for all.
// Fields without a comment on it belong to who has the turn.
type sqliteBatch struct {
	engine *sqliteEngine
	conn   *sql.Conn
	began  time.Time
	turns  int
	// kept is how many parts a commit would keep.
	kept int
	// lost is why the transaction cannot be committed any more, or nil.
	lost error
	// done is closed when the transaction has ended; outcome is then nil if its parts are on disk.
	done    chan struct{}
	outcome error
}

// begin begins a batch. ctx may end the wait for other processes.
func (e *sqliteEngine) begin(ctx context.Context) (*sqliteBatch, error) {
	conn, err := e.writers.Conn(ctx)
	if err != nil {
		return nil, err
	}
	b := &sqliteBatch{engine: e, conn: conn, began: time.Now(), done: make(chan struct{})}
	if err := b.run(ctx, "BEGIN IMMEDIATE"); err != nil {
		_ = b.run(context.Background(), "ROLLBACK") // ctx may have ended just after the transaction began
		_ = conn.Close()
		return nil, err
	}
	return b, nil
}

// take runs fn as a part of the batch and returns when the outcome of that part is certain. An error of fn,
// too, waits for the parts before it, which fn may have seen: should these not be committed, the error does
// not count either.
func (b *sqliteBatch) take(ctx context.Context, fn func(tx transaction) error) error {
	b.turns++
	m := &sqliteMember{batch: b, first: b.kept == 0}
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

// attempt passes the turn on when fn panics or ends the goroutine, too.
func (b *sqliteBatch) attempt(ctx context.Context, m *sqliteMember, fn func(tx transaction) error) error {
	defer b.passOn()
	return settle(
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

// passOn passes the turn to the next in line, or else ends the batch.
func (b *sqliteBatch) passOn() {
	if b.lost == nil && b.kept > 0 && b.turns < b.engine.maxTurns && time.Since(b.began) < b.engine.maxTime {
		if b.engine.line.pass(b) {
			return
		}
		runtime.Gosched() // callers that are on their way get in line: to share the commit is worth that moment
		if b.engine.line.pass(b) {
			return
		}
	}
	b.outcome = b.end()
	_ = b.conn.Close()
	b.engine.line.pass(nil)
	close(b.done)
}

// end commits what is kept and ends the transaction. No context counts here: callers' outcomes depend on
// it, and it waits for the disk only.
func (b *sqliteBatch) end() error {
	ctx := context.Background()
	err := b.lost
	if err == nil && b.kept > 0 {
		if err = b.engine.commit(b); err == nil {
			return nil
		}
		err = failure(ctx, err)
	}
	_ = b.run(ctx, "ROLLBACK") // fails when there is no transaction left
	return err
}

// lose gives the transaction up because of cause, which may be one caller's: to the others it is no more
// than a text.
func (b *sqliteBatch) lose(cause error) {
	_ = b.run(context.Background(), "ROLLBACK")
	b.lost = fmt.Errorf("sqlstore: %w: the transaction was rolled back (%v): %w", store.ErrUnavailable, cause, sql.ErrTxDone)
}

// suspect finds out whether the transaction has outlived a statement that failed: SQLite rolls back the
// whole transaction when a write is interrupted, or when the disk is full or fails. What is run afterwards
// would take effect at once. Nothing but an open transaction keeps another from beginning.
func (b *sqliteBatch) suspect(cause error) {
	if b.run(context.Background(), "BEGIN") == nil {
		b.lose(cause)
	}
}

func (b *sqliteBatch) run(ctx context.Context, command string) error {
	return onSQLite(b.conn, func(c *sqliteConn) error {
		_, err := c.run(ctx, command, nil)
		return err
	})
}

// sqliteMember is one caller's part of a batch. The part that comes first needs no savepoint: to undo it is
// to roll back the transaction. The others make theirs before they first write.
type sqliteMember struct {
	batch *sqliteBatch
	first bool

	mu       sync.Mutex // makes goroutines of one caller take turns
	saved    bool       // there is a savepoint
	finished bool       // its only statement has succeeded, without a savepoint
	ended    bool
}

// sqlitePart names the savepoint of the member whose turn it is.
const sqlitePart = "member"

// save makes the savepoint, unless there is one or none is needed.
func (m *sqliteMember) save(c *sqliteConn) error {
	if m.first || m.saved {
		return nil
	}
	_, err := c.run(context.Background(), "SAVEPOINT "+sqlitePart, nil)
	m.saved = err == nil
	return err
}

// keep ends the part and leaves it to the commit.
func (m *sqliteMember) keep() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	b := m.batch
	if b.lost == nil && m.saved {
		if err := b.run(context.Background(), "RELEASE SAVEPOINT "+sqlitePart); err != nil {
			b.lose(err)
		}
	}
	if b.lost == nil {
		b.kept++
	}
	return b.lost
}

// undo ends the part as if it had never been. The batch ends with its first member when that is undone.
func (m *sqliteMember) undo() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	switch {
	case m.first || m.batch.lost != nil:
		return
	case m.finished:
		m.batch.lose(errors.New("a part of it was given up after its end"))
		return
	case !m.saved:
		return
	}
	for _, command := range []string{"ROLLBACK TO SAVEPOINT ", "RELEASE SAVEPOINT "} {
		if err := m.batch.run(context.Background(), command+sqlitePart); err != nil {
			m.batch.lose(err)
			return
		}
	}
}
