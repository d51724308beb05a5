package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloud-sessions/sessions/server/store"
)

// scanner is a row to scan.
type scanner interface{ Scan(dest ...any) error }

func scanID(row scanner) (id string, err error) {
	err = row.Scan(&id)
	return id, err
}

// all returns the rows that a query yields, never nil. It reads in ctx's transaction, if there is one.
func all[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), text string, args ...any) ([]T, error) {
	items := []T{}
	err := s.query(ctx, query{text: text, args: args}, func(row scanner) error {
		item, err := scan(row)
		items = append(items, item)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// one returns the row that a query finds by a key, or store.ErrNotFound.
func one[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), text string, args ...any) (item T, err error) {
	found := false
	err = s.query(ctx, query{text: text, args: args, quick: true}, func(row scanner) (err error) {
		item, err = scan(row)
		found = true
		return err
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return orZero(item, err)
}

// query reads in ctx's transaction, if there is one.
func (s *Store) query(ctx context.Context, q query, each func(scanner) error) error {
	if sc, ok := s.scopeOf(ctx); ok {
		return sc.tx.query(ctx, q, each)
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	return s.db.engine.read(ctx, q, each)
}

var errOutside = errors.New("sqlstore: write outside of a transaction")

// exec runs a statement that writes and returns how many rows it wrote. Any call to it must be within
// Atomically.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (int, error) {
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return 0, errOutside
	}
	return sc.tx.exec(ctx, statement, args)
}

// soon runs a statement whose answer does not matter, at the latest before the next one of the transaction.
func (s *Store) soon(ctx context.Context, statement string, args ...any) error {
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return errOutside
	}
	return sc.tx.soon(ctx, statement, args)
}

// finish is exec for a statement that a function given to Atomically ends with: when finish returns nil, the
// function must do so at once.
func (s *Store) finish(ctx context.Context, statement string, args ...any) error {
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return errOutside
	}
	if sc.depth == 0 {
		return sc.tx.finish(ctx, statement, args)
	}
	_, err := sc.tx.exec(ctx, statement, args) // the end of a part is not that of the transaction
	return err
}

// add runs an INSERT of one row; when that does nothing because of a conflict, it returns store.ErrExists.
func (s *Store) add(ctx context.Context, insert string, args ...any) error {
	added, err := s.exec(ctx, insert, args...)
	if err == nil && added == 0 {
		err = store.ErrExists
	}
	return err
}

// failure is what to return for err: the context's error once the context has ended, for drivers word
// that in many ways, and an ErrUnavailable for what is no fault of the statement.
func failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case sqliteUnavailable(err) || pgUnavailable(err):
		return unavailable(ctx, err)
	}
	return fmt.Errorf("sqlstore: %w", err)
}

// unavailable is failure for an err that makes the database unavailable.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("sqlstore: %w: %v", store.ErrUnavailable, err)
}

// missing says what was not found, if that is what err is.
func missing(err error, what store.MissingError) error {
	if errors.Is(err, store.ErrNotFound) {
		return new(what) // here, so that it costs nothing when nothing is missing
	}
	return err
}

// orZero returns v, or the zero value when there is an error: what a transaction made and then undid is
// not to be seen.
func orZero[T any](v T, err error) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}
