package sqliteengine

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// code is the result code of SQLite that err is about, without its extension, or SQLITE_OK for another error.
func code(err error) int {
	var said *sqlite.Error
	if !errors.As(err, &said) {
		return sqlite3.SQLITE_OK
	}
	return said.Code() & 0xff
}

// failure returns what the engine returns for an error of the driver, or of files. It remembers that there was no space
// left.
func (e *pools) failure(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, store.ErrUnavailable) {
		return err
	}
	if code(err) == sqlite3.SQLITE_FULL {
		e.full.Store(true)
	}
	return engine.Failure(ctx, e.files.named(err), unavailable(err))
}

// unavailable reports whether another process kept the database locked for too long, or no space is left for it on
// disk or in memory.
func unavailable(err error) bool {
	code := code(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_FULL
}

// named adds the database's file to an error that is about the file rather than a statement.
func (f *files) named(err error) error {
	if f == nil {
		return err
	}
	switch code(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL:
		return fmt.Errorf("database file %s: %w", f.path, err)
	}
	return err
}

// ready returns why the database cannot be written although it may be readable, or nil. After a write that found no space
// left, it tries another one, since nobody else may while the server is not ready.
func (e *pools) ready(ctx context.Context) error {
	if err := e.files.check(); err != nil {
		return err
	}
	if !e.full.Load() {
		return nil
	}
	if err := e.tryWrite(ctx, e); err != nil {
		return e.failure(ctx, err)
	}
	e.full.Store(false)
	return nil
}

// probePages is how many pages tryWrite writes: more than most requests do.
const probePages = 64

// tryWrite commits a transaction that writes the first pages of the database as they are.
func tryWrite(ctx context.Context, e *pools) error {
	return e.onWriter(ctx, func(c *rawConn) error {
		if _, err := c.run(ctx, "BEGIN IMMEDIATE", nil); err != nil {
			return err
		}
		for page := range probePages {
			if _, err := c.run(ctx, "UPDATE sqlite_dbpage SET data = data WHERE pgno = $1", []any{page + 1}); err != nil {
				return errors.Join(err, c.rollback())
			}
		}
		if _, err := c.run(ctx, "COMMIT", nil); err != nil {
			return errors.Join(err, c.rollback())
		}
		return nil
	})
}

// rollback ends a transaction if there is one: SQLite has ended some that failed.
func (c *rawConn) rollback() error {
	if _, err := c.run(context.Background(), "ROLLBACK", nil); err != nil && code(err) != sqlite3.SQLITE_ERROR {
		return err
	}
	return nil
}

// number reads the first column of a query's only row.
func (c *rawConn) number(ctx context.Context, query string) (n int64, err error) {
	err = c.read(ctx, query, nil, func(row engine.Scanner) error { return row.Scan(&n) })
	return n, err
}
