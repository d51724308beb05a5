package sqliteengine

import (
	"context"
	"sync"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// turns is the queue of turns, first in, first out. It is in memory, since one process has the database's sessions for
// itself: after its death the states of the sessions tell what was in the queue.
type turns struct {
	pools *pools

	mu      sync.Mutex
	waiting []store.TurnRef
	ready   chan struct{} // closed when a turn is waiting; nil when no worker waits for one
}

// Restore implements engine.Queue.
func (q *turns) Restore(ctx context.Context) error {
	var lost []store.TurnRef
	err := q.pools.Read(ctx, engine.Query{Text: engine.SelectBusy}, func(row engine.Scanner) error {
		t, err := engine.ScanTurn(row)
		t.Again, t.Lost = true, true
		lost = append(lost, t)
		return err
	})
	q.push(lost...)
	return err
}

// Enqueue implements engine.Queue.
func (q *turns) Enqueue(_ context.Context, _ engine.Tx, t store.TurnRef) (committed func(), err error) {
	return func() { q.push(t) }, nil
}

// Work implements engine.Queue.
func (q *turns) Work(ctx context.Context, workers int, work func(context.Context, store.TurnRef) bool) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	free := make(chan struct{}, workers)
	for {
		select {
		case <-ctx.Done():
			return nil
		case free <- struct{}{}:
		}
		t, ok := q.pop(ctx)
		if !ok {
			return nil
		}
		calls.Go(func() {
			defer func() { <-free }()
			work(ctx, t)
		})
	}
}

func (q *turns) push(turns ...store.TurnRef) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, turns...)
	if q.ready != nil && len(q.waiting) > 0 {
		close(q.ready)
		q.ready = nil
	}
}

// pop returns the next turn, once there is one; ok is false when ctx has ended.
func (q *turns) pop(ctx context.Context) (t store.TurnRef, ok bool) {
	for {
		q.mu.Lock()
		if len(q.waiting) > 0 && ctx.Err() == nil {
			t, q.waiting = q.waiting[0], q.waiting[1:]
			q.mu.Unlock()
			return t, true
		}
		if q.ready == nil {
			q.ready = make(chan struct{})
		}
		ready := q.ready
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return store.TurnRef{}, false
		case <-ready:
		}
	}
}
