package sqlstore

import (
	"context"
	"strconv"
	"sync"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// scopeKey is the context key of the scope that belongs to s; another store's is another key.
type scopeKey struct{ s *Store }

// scope is a transaction, or the part of one that a nested call makes up.
type scope struct {
	tx engine.Tx
	// depth is how many parts the scope lies within. It names the savepoints in the scope: only one exists at a time,
	// and the statements stay few, so that they can be kept prepared.
	depth int
	// turn holds one token. A nested call holds it while it runs, so that the parts of a transaction follow one
	// another even when several goroutines start them: savepoints are a stack.
	turn chan struct{}
	// began is how many statements the transaction had when the scope began, and undo returns to there: a part at the
	// beginning of a scope needs no savepoint of its own. undo is nil where transactions do not count their statements.
	began int
	undo  func()

	mu     sync.Mutex
	after  []func()             // what to do once the scope is committed
	undone []func(unknown bool) // what to do once it has ended otherwise; see afterUndo
}

func newScope(tx engine.Tx, depth int) *scope {
	return &scope{tx: tx, depth: depth, turn: make(chan struct{}, 1)}
}

func (s *Store) scopeOf(ctx context.Context) (*scope, bool) {
	sc, ok := ctx.Value(scopeKey{s}).(*scope)
	return sc, ok
}

func (s *Store) within(ctx context.Context, sc *scope) context.Context {
	return context.WithValue(ctx, scopeKey{s}, sc)
}

// afterCommit calls fn once the transaction that ctx is within has committed, if it does. ctx must be within one.
func (s *Store) afterCommit(ctx context.Context, fn ...func()) {
	if sc, ok := s.scopeOf(ctx); ok {
		sc.mu.Lock()
		defer sc.mu.Unlock()
		sc.after = append(sc.after, fn...)
	}
}

// afterUndo calls fn once the transaction that ctx is within, or the part of it, has ended without a commit that succeeded.
// unknown is whether the commit failed: then it may have taken effect nevertheless, or still may. ctx must be within one.
func (s *Store) afterUndo(ctx context.Context, fn ...func(unknown bool)) {
	if sc, ok := s.scopeOf(ctx); ok {
		sc.mu.Lock()
		defer sc.mu.Unlock()
		sc.undone = append(sc.undone, fn...)
	}
}

// end calls what to do at the scope's end without a commit that succeeded.
func (sc *scope) end(unknown bool) {
	for _, fn := range sc.undone {
		fn(unknown)
	}
}

// Atomically also rolls back when fn panics, and lets the panic continue.
func (s *Store) Atomically(ctx context.Context, fn func(ctx context.Context) error) error {
	if outer, ok := s.scopeOf(ctx); ok {
		return s.nest(ctx, outer, fn)
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	var sc *scope
	kept, unknown := false, false
	defer func() {
		if !kept && sc != nil {
			sc.end(unknown)
		}
	}()
	err := s.db.Transact(ctx, func(tx engine.Tx) error {
		sc = newScope(tx, 0)
		if counter, ok := tx.(engine.Counter); ok {
			sc.undo = counter.Restart
		}
		err := fn(s.within(ctx, sc))
		unknown = err == nil
		return err
	})
	if kept = err == nil; kept {
		for _, fn := range sc.after {
			fn()
		}
	}
	return err
}

// nest runs fn as a part of outer's transaction. Savepoints ignore the context: they are quick, and must not be left
// half done.
//
// When the database has rolled back the whole transaction, because of an interrupted or failed statement, the
// savepoint is gone, and the next statement would take effect at once. So when a savepoint cannot be undone, the
// transaction ends, and all later use of it fails.
func (s *Store) nest(ctx context.Context, outer *scope, fn func(ctx context.Context) error) error {
	select {
	case outer.turn <- struct{}{}:
		defer func() { <-outer.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	part := newScope(outer.tx, outer.depth+1)
	run := func() error { return fn(s.within(ctx, part)) }
	keep := func() error {
		s.afterCommit(ctx, part.after...)
		s.afterUndo(ctx, part.undone...)
		return nil
	}
	if counter, ok := outer.tx.(engine.Counter); ok && outer.undo != nil && counter.Count() == outer.began {
		part.began, part.undo = outer.began, outer.undo
		return engine.Settle(run, keep, func() {
			defer part.end(false)
			part.undo()
		})
	}
	name := "part_" + strconv.Itoa(outer.depth)
	checked := func(err error) error {
		if err == nil {
			return nil
		}
		outer.tx.Abort()
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		return err
	}
	unhurried := context.WithoutCancel(ctx)
	soon := func(command string) error { return checked(outer.tx.Soon(unhurried, command+name, nil)) }
	rollback := func() error {
		_, err := outer.tx.Exec(unhurried, "ROLLBACK TO SAVEPOINT "+name, nil)
		return checked(err)
	}
	if err := soon("SAVEPOINT "); err != nil {
		return err
	}
	if counter, ok := outer.tx.(engine.Counter); ok {
		part.began, part.undo = counter.Count(), func() { _ = rollback() }
	}
	return engine.Settle(run,
		func() error {
			if err := soon("RELEASE SAVEPOINT "); err != nil {
				return err
			}
			return keep()
		},
		func() {
			defer part.end(false)
			if rollback() == nil {
				_ = soon("RELEASE SAVEPOINT ")
			}
		},
	)
}
