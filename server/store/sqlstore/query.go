package sqlstore

import (
	"context"
	"database/sql"
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
func all[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	var source interface {
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	} = s.db.read
	if sc, ok := s.scopeOf(ctx); ok {
		source = sc.tx
	} else {
		if err := s.enter(); err != nil {
			return nil, err
		}
		defer s.calls.Done()
	}
	rows, err := source.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	items := []T{}
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, failure(ctx, err)
		}
		items = append(items, item)
	}
	return items, failure(ctx, rows.Err())
}

// one returns the first row that a query yields, or store.ErrNotFound.
func one[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	items, err := all(ctx, s, scan, query, args...)
	if err == nil && len(items) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		var none T
		return none, err
	}
	return items[0], nil
}

// exec runs a statement that writes and returns how many rows it wrote. Any call to it must be within
// Atomically.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (int, error) {
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return 0, errors.New("sqlstore: write outside of a transaction")
	}
	result, err := sc.tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, failure(ctx, err)
	}
	n, err := result.RowsAffected()
	return int(n), failure(ctx, err)
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
// that in many ways.
func failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	return fmt.Errorf("sqlstore: %w", err)
}

// missing says what was not found, if that is what err is.
func missing(err error, what store.MissingError) error {
	if errors.Is(err, store.ErrNotFound) {
		return &what
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
