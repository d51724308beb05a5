package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloud-sessions/sessions/server/store"
)

// ErrDSN is a name that no database has. It does not repeat the name: names of databases hold passwords.
var ErrDSN = errors.New(`sqlstore: the database must be "sqlite:path/to/file.db", "sqlite::memory:" ` +
	`or "postgres://user:password@host:5432/name"`)

// ErrEnough is what Step.Each returns when it needs no further rows. It does not fail the step.
var ErrEnough = errors.New("sqlstore: enough rows")

// ErrUndone is a statement that Writer.Write ran together with those of others, of which one has failed.
var ErrUndone = errors.New("sqlstore: a statement was undone with others")

// Failure returns what an engine returns for a driver's error: the context's error once the context has ended, since
// drivers word that in many ways, and a store.ErrUnavailable when the error is about the database's state rather than the
// statement.
func Failure(ctx context.Context, err error, unavailable bool) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case unavailable:
		return fmt.Errorf("sqlstore: %w: %v", store.ErrUnavailable, err)
	}
	return fmt.Errorf("sqlstore: %w", err)
}

// Settle calls run, then keep. When run fails, panics or ends the goroutine, it calls undo instead of keep.
func Settle(run, keep func() error, undo func()) error {
	ok := false
	defer func() {
		if !ok {
			undo()
		}
	}()
	if err := run(); err != nil {
		return err
	}
	ok = true
	return keep()
}
