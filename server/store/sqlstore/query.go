package sqlstore

import (
	"context"
	"errors"
	"slices"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func scanID(row engine.Scanner) (id string, err error) {
	err = row.Scan(&id)
	return id, err
}

// all returns the rows that a query yields, never nil. It reads in ctx's transaction, if ctx has one.
func all[T any](ctx context.Context, s *Store, scan func(engine.Scanner) (T, error), text string, args ...any) ([]T, error) {
	items := []T{}
	err := s.query(ctx, engine.Query{Text: text, Args: args}, func(row engine.Scanner) error {
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
func one[T any](ctx context.Context, s *Store, scan func(engine.Scanner) (T, error), text string, args ...any) (item T, err error) {
	ok := false
	step := found(&item, &ok, scan, text, args...)
	err = s.query(ctx, step.Query, step.Each)
	if err == nil && !ok {
		err = store.ErrNotFound
	}
	return orZero(item, err)
}

// query reads in ctx's transaction, if ctx has one.
func (s *Store) query(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	if sc, ok := s.scopeOf(ctx); ok {
		return sc.tx.Query(ctx, q, each)
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	return s.db.Read(ctx, q, each)
}

// pipeline runs steps in their order, in one round trip where the database is remote. It runs them in ctx's transaction, if
// ctx has one, and otherwise may only read.
func (s *Store) pipeline(ctx context.Context, steps ...engine.Step) error {
	if sc, ok := s.scopeOf(ctx); ok {
		if p, ok := sc.tx.(engine.Pipeliner); ok {
			return p.Pipeline(ctx, steps)
		}
		return s.oneByOne(ctx, steps)
	}
	if len(steps) == 1 && steps[0].Shared {
		return s.oneByOne(ctx, steps)
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	if p, ok := s.db.Engine.(engine.Pipeliner); ok {
		return p.Pipeline(ctx, steps)
	}
	return s.oneByOne(ctx, steps)
}

// oneByOne is pipeline without one.
func (s *Store) oneByOne(ctx context.Context, steps []engine.Step) (err error) {
	for _, step := range steps {
		wrote := 0
		if step.Each != nil {
			err = s.query(ctx, step.Query, step.Each)
		} else {
			wrote, err = s.exec(ctx, step.Text, step.Args...)
		}
		if err != nil && !errors.Is(err, engine.ErrEnough) {
			return err
		}
		if step.Wrote != nil {
			*step.Wrote = wrote
		}
	}
	return nil
}

// write returns the step of a statement that writes.
func write(text string, args ...any) engine.Step {
	return engine.Step{Query: engine.Query{Text: text, Args: args}}
}

// writeAll runs steps that write, at once when it matters how many rows one of them writes.
func (s *Store) writeAll(ctx context.Context, steps []engine.Step) error {
	if slices.ContainsFunc(steps, func(step engine.Step) bool { return step.Wrote != nil }) {
		return s.pipeline(ctx, steps...)
	}
	for _, step := range steps {
		if err := s.soon(ctx, step.Text, step.Args...); err != nil {
			return err
		}
	}
	return nil
}

// found returns the step of a query that finds at most one row by a key. It sets item, and ok if there is one.
func found[T any](item *T, ok *bool, scan func(engine.Scanner) (T, error), text string, args ...any) engine.Step {
	return engine.Step{Query: engine.Query{Text: text, Args: args, Quick: true}, Each: func(row engine.Scanner) (err error) {
		*item, err = scan(row)
		*ok = true
		return err
	}}
}

var errOutside = errors.New("sqlstore: write outside of a transaction")

// exec runs a statement that writes and returns how many rows it wrote. It must be called within Atomically.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (int, error) {
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return 0, errOutside
	}
	return sc.tx.Exec(ctx, statement, args)
}

// soon runs a statement whose result does not matter, at the latest before the next one of the transaction.
func (s *Store) soon(ctx context.Context, statement string, args ...any) error {
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return errOutside
	}
	return sc.tx.Soon(ctx, statement, args)
}

// finish is exec for the last statement of a function given to Atomically: when finish returns nil, the function must
// return at once.
func (s *Store) finish(ctx context.Context, statement string, args ...any) error {
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return errOutside
	}
	if sc.depth == 0 {
		return sc.tx.Finish(ctx, statement, args)
	}
	return sc.tx.Soon(ctx, statement, args) // the end of a part is not that of the transaction
}

// add runs an INSERT of one row; when that does nothing because of a conflict, it returns store.ErrExists.
func (s *Store) add(ctx context.Context, insert string, args ...any) error {
	added, err := s.exec(ctx, insert, args...)
	if err == nil && added == 0 {
		err = store.ErrExists
	}
	return err
}

// missing adds what was not found to a store.ErrNotFound.
func missing(err error, what store.MissingError) error {
	if errors.Is(err, store.ErrNotFound) {
		return new(what) // allocated only when something is missing
	}
	return err
}

// orZero returns v, or the zero value when there is an error: nobody may see what a transaction created and undid.
func orZero[T any](v T, err error) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}
