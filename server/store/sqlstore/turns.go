package sqlstore

import (
	"context"
	"errors"

	"github.com/cloud-sessions/sessions/server/store"
)

// QueueTurn implements store.Turns.
func (s *Store) QueueTurn(ctx context.Context, t store.TurnRef) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return errors.New("sqlstore: a turn must be queued within a transaction")
	}
	enqueued, err := s.db.Queue.Enqueue(ctx, sc.tx, t)
	if err != nil {
		return err
	}
	s.afterCommit(ctx, enqueued.Committed)
	if enqueued.Undone != nil {
		s.afterUndo(ctx, func(bool) { enqueued.Undone() })
	}
	if !enqueued.Waits {
		return nil
	}
	return s.notify(ctx, note{Queued: true})
}

// Alone implements store.Turns.
func (s *Store) Alone() bool { return s.db.Notifier == nil }

// WorkTurns implements store.Turns.
func (s *Store) WorkTurns(ctx context.Context, workers int, work func(context.Context, store.TurnRef) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	return s.db.Queue.Work(ctx, workers, work)
}
