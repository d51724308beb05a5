package sqliteengine

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// turns is the queue of turns: the account served longest ago is next, and each account's turns run in order. It is in
// memory, since one process has the database's sessions for itself: after its death the states of the sessions tell what
// was in the queue.
type turns struct {
	pools *pools
	bell  engine.Bell

	mu       sync.Mutex
	accounts map[string]*accountTurns // those with turns since the start
	waiting  byService                // those with waiting turns
	count    int64                    // of arrivals and dispatches, to order them
}

// accountTurns is the waiting turns of an account.
type accountTurns struct {
	account string
	turns   []waitingTurn
	// served is when the account was last served, 0 for never; came is when its turns began to wait. Both are counts.
	served, came int64
}

// waitingTurn is a turn that has waited since a time.
type waitingTurn struct {
	store.TurnRef
	since time.Time
}

// Depth implements engine.Queue.
func (q *turns) Depth(context.Context) (waiting int, oldest time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range q.waiting {
		waiting += len(a.turns)
		oldest = max(oldest, time.Since(a.turns[0].since))
	}
	return waiting, oldest, nil
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
func (q *turns) Enqueue(_ context.Context, _ engine.Tx, t store.TurnRef) (engine.Enqueued, error) {
	t.As = nil // many turns may wait
	return engine.Enqueued{Committed: func() { q.push(t) }, Waits: true}, nil
}

// Wake implements engine.Queue.
func (q *turns) Wake() { q.bell.Ring() }

// Work implements engine.Queue. A turn that is not done stays with its session until the next start.
func (q *turns) Work(ctx context.Context, workers int, work func(context.Context, store.TurnRef) bool) error {
	w := engine.Workers{Count: workers, Bell: &q.bell, Work: work, Next: func(_ context.Context, full []string, _ int) ([]engine.Claim, error) {
		t, ok := q.pop(full)
		if !ok {
			return nil, nil
		}
		return []engine.Claim{{Turn: t, Release: func(bool) {}}}, nil
	}}
	w.Run(ctx)
	return nil
}

func (q *turns) push(turns ...store.TurnRef) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.accounts == nil {
		q.accounts = map[string]*accountTurns{}
	}
	now := time.Now()
	for _, t := range turns {
		a := q.accounts[t.Session.Account]
		if a == nil {
			a = &accountTurns{account: t.Session.Account}
			q.accounts[a.account] = a
		}
		if a.turns = append(a.turns, waitingTurn{t, now}); len(a.turns) == 1 {
			q.count++
			a.came = q.count
			heap.Push(&q.waiting, a)
		}
	}
	q.bell.Ring()
}

// pop returns the next turn of an account that is not in full; ok is false when there is none.
func (q *turns) pop(full []string) (t store.TurnRef, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var skipped []*accountTurns
	for len(q.waiting) > 0 && !ok {
		a := heap.Pop(&q.waiting).(*accountTurns)
		if slices.Contains(full, a.account) {
			skipped = append(skipped, a)
			continue
		}
		q.count++
		a.served = q.count
		t, a.turns, ok = a.turns[0].TurnRef, a.turns[1:], true
		if len(a.turns) > 0 {
			skipped = append(skipped, a)
		}
	}
	for _, a := range skipped {
		heap.Push(&q.waiting, a)
	}
	return t, ok
}

// byService is a heap of accounts: the one served longest ago is first.
type byService []*accountTurns

// Len implements heap.Interface.
func (h byService) Len() int { return len(h) }

// Less implements heap.Interface.
func (h byService) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].served, h[j].served), cmp.Compare(h[i].came, h[j].came)) < 0
}

// Swap implements heap.Interface.
func (h byService) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *byService) Push(a any) { *h = append(*h, a.(*accountTurns)) }

// Pop implements heap.Interface.
func (h *byService) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
