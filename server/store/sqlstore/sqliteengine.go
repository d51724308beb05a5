package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine lets writers that come together share a transaction, so that they share its commit: that
// waits for the disk. Readers have connections of their own and see what is committed.
type sqliteEngine struct {
	writers, readers *sql.DB // pools of sqliteConns
	line             sqliteLine
	// A batch ends with the line, or at one of these bounds: neither its first member nor a writer in
	// another process is to wait for long. Tests change them.
	maxTurns int
	maxTime  time.Duration
	// commit commits a batch. Tests replace it.
	commit func(b *sqliteBatch) error
}

func newSQLiteEngine(writers, readers *sql.DB) *sqliteEngine {
	return &sqliteEngine{
		writers:  writers,
		readers:  readers,
		maxTurns: 100,
		maxTime:  5 * time.Millisecond,
		commit:   func(b *sqliteBatch) error { return b.run(context.Background(), "COMMIT") },
	}
}

func (e *sqliteEngine) read(ctx context.Context, q query, each func(scanner) error) error {
	conn, err := e.readers.Conn(ctx)
	if err != nil {
		return failure(ctx, err)
	}
	defer conn.Close()
	return failure(ctx, onSQLite(conn, func(c *sqliteConn) error {
		return c.read(watched(ctx, !q.quick), q.text, q.args, each)
	}))
}

// close leaves the writers for last: their connection may tidy up the database, those that only read may not.
func (e *sqliteEngine) close() error { return errors.Join(e.readers.Close(), e.writers.Close()) }

func (e *sqliteEngine) transact(ctx context.Context, fn func(tx transaction) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b, err := e.line.join(ctx)
	if err != nil {
		return err
	}
	if b == nil {
		if b, err = e.begin(ctx); err != nil {
			e.line.pass(nil)
			return failure(ctx, err)
		}
	}
	return b.take(ctx, fn)
}

// sqliteUnavailable reports whether another process kept the database locked for too long, or there is no space left
// for it, be that on disk or in memory.
func sqliteUnavailable(err error) bool {
	var said *sqlite.Error
	if !errors.As(err, &said) {
		return false
	}
	code := said.Code() & 0xff // without what extends it
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_FULL
}

// watched returns the context for a statement that is interrupted when ctx ends, or is not. To watch costs
// the driver a goroutine for each statement.
func watched(ctx context.Context, watch bool) context.Context {
	if watch {
		return ctx
	}
	return context.Background()
}

func (m *sqliteMember) query(ctx context.Context, q query, each func(scanner) error) error {
	return m.statement(ctx, func(c *sqliteConn) error {
		return c.read(watched(ctx, !q.quick), q.text, q.args, each)
	})
}

func (m *sqliteMember) exec(ctx context.Context, statement string, args []any) (int, error) {
	return m.write(ctx, statement, args, false)
}

func (m *sqliteMember) finish(ctx context.Context, statement string, args []any) error {
	_, err := m.write(ctx, statement, args, true)
	return err
}

// write lets ctx interrupt a statement only while the transaction is its caller's alone, since SQLite would
// undo the whole of it. No write of the store takes long. A member's only statement needs no savepoint:
// SQLite undoes it when it fails.
func (m *sqliteMember) write(ctx context.Context, statement string, args []any, last bool) (n int, err error) {
	err = m.statement(ctx, func(c *sqliteConn) error {
		if !last {
			if err := m.save(c); err != nil {
				return err
			}
		}
		n, err = c.run(watched(ctx, m.first), statement, args)
		m.finished = last && err == nil && !m.first && !m.saved
		return err
	})
	return n, err
}

func (m *sqliteMember) soon(ctx context.Context, statement string, args []any) error {
	_, err := m.exec(ctx, statement, args)
	return err
}

func (m *sqliteMember) statement(ctx context.Context, run func(c *sqliteConn) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended || m.batch.lost != nil {
		return failure(ctx, sql.ErrTxDone)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := onSQLite(m.batch.conn, run)
	if err != nil {
		m.batch.suspect(err)
	}
	return failure(ctx, err)
}

func (m *sqliteMember) abort() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ended && m.batch.lost == nil {
		m.batch.lose(errors.New("a part of it could not be undone"))
	}
}
