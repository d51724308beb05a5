package sqlstore

import (
	"context"
	"errors"
	"sync"

	"github.com/cloud-sessions/sessions/server/store"
)

// turnLine is the line of turns of a database that one process has for itself: it is in memory, and the
// sessions' states tell what was in it when the process died. Its zero value is ready for use.
type turnLine struct {
	mu      sync.Mutex
	waiting []store.TurnRef
	ready   chan struct{} // closed when something is waiting; nil when nobody wants to know
}

func (l *turnLine) push(turns ...store.TurnRef) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, turns...)
	if l.ready != nil && len(l.waiting) > 0 {
		close(l.ready)
		l.ready = nil
	}
}

// pop returns the next turn, once there is one; ok is false when ctx has ended.
func (l *turnLine) pop(ctx context.Context) (t store.TurnRef, ok bool) {
	for {
		l.mu.Lock()
		if len(l.waiting) > 0 && ctx.Err() == nil {
			t, l.waiting = l.waiting[0], l.waiting[1:]
			l.mu.Unlock()
			return t, true
		}
		if l.ready == nil {
			l.ready = make(chan struct{})
		}
		ready := l.ready
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return store.TurnRef{}, false
		case <-ready:
		}
	}
}

// QueueTurn implements store.Turns.
func (s *Store) QueueTurn(ctx context.Context, t store.TurnRef) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sc, ok := s.scopeOf(ctx)
	if !ok {
		return errors.New("sqlstore: a turn is queued within a transaction")
	}
	if s.db.queue != nil {
		return s.db.queue.push(ctx, sc.tx.(*pgTx), t)
	}
	s.afterCommit(ctx, func() { s.line.push(t) })
	return nil
}

const selectLost = `SELECT account_id, id, turn_id FROM sessions WHERE ` + isBusy

// loseTurns puts in line, as lost, what was under way when the database was last used.
func (s *Store) loseTurns(ctx context.Context) error {
	lost, err := all(ctx, s, func(row scanner) (store.TurnRef, error) {
		t := store.TurnRef{Again: true, Lost: true}
		return t, row.Scan(&t.Session.Account, &t.Session.ID, &t.TurnID)
	}, selectLost)
	s.line.push(lost...)
	return err
}

// WorkTurns implements store.Turns.
func (s *Store) WorkTurns(ctx context.Context, workers int, work func(context.Context, store.TurnRef) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	if s.db.queue != nil {
		return s.db.queue.work(ctx, workers, work, s.reclaimTurns)
	}
	var calls sync.WaitGroup
	defer calls.Wait()
	free := make(chan struct{}, workers)
	for {
		select {
		case <-ctx.Done():
			return nil
		case free <- struct{}{}:
		}
		t, ok := s.line.pop(ctx)
		if !ok {
			return nil
		}
		calls.Go(func() {
			defer func() { <-free }()
			work(ctx, t)
		})
	}
}
