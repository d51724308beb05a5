package engine

import (
	"context"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Claim is a turn that a queue has dispatched to a worker.
type Claim struct {
	Turn store.TurnRef
	// Release takes the turn out of the queue when it is done, and otherwise returns it there.
	Release func(done bool)
}

// Workers run the turns of a queue.
type Workers struct {
	// Count is how many turns run at a time.
	Count int
	// Next claims the next turns, most at most: of the accounts with waiting turns that are not in full, one turn of each
	// account that was served longest ago. It returns none when there are none.
	Next func(ctx context.Context, full []string, most int) ([]Claim, error)
	// Bell rings when turns may have come to wait.
	Bell *Bell
	// Every is how often to look for turns although the bell has not rung; 0 for never.
	Every time.Duration
	// Work runs a turn and returns whether it is done.
	Work func(ctx context.Context, t store.TurnRef) (done bool)
}

// Run runs turns until ctx ends, and returns when all calls of Work have returned.
//
// Half of the workers, rounded up, are the most that an account holds while other accounts wait. Beyond that it may use
// idle workers except for a quarter, at least one: so an account that was idle until now finds a worker at once, whatever
// another one does, and however long its turns take.
func (w Workers) Run(ctx context.Context) {
	var calls sync.WaitGroup
	defer calls.Wait()
	held := &shares{workers: w.Count, held: map[string]int{}, released: make(chan struct{}, 1)}
	for {
		rung := w.Bell.Rung() // before looking, so that no turn is missed
		if ctx.Err() != nil {
			return
		}
		claims, limited := w.claim(ctx, held)
		for _, c := range claims {
			held.take(c.Turn.Session.Account)
			calls.Go(func() {
				defer held.release(c.Turn.Session.Account)
				c.Release(w.Work(ctx, c.Turn))
			})
		}
		if len(claims) > 0 {
			continue
		}
		var released <-chan struct{}
		if limited {
			released = held.released
		}
		if !wait(ctx, w.Every, rung, released) {
			return
		}
	}
}

// claim claims the next turns, if there are some. limited is whether there may be more once a worker is released.
func (w Workers) claim(ctx context.Context, held *shares) (claims []Claim, limited bool) {
	free, full := held.free()
	if free == 0 {
		return nil, true
	}
	claims, err := w.Next(ctx, full, free)
	if len(claims) == 0 && err == nil && len(full) > 0 && free > max(w.Count/4, 1) {
		claims, _ = w.Next(ctx, nil, 1)
	}
	return claims, len(full) > 0
}

// wait returns after some time, if that is not 0, or when a channel wakes it; false when ctx has ended.
func wait(ctx context.Context, d time.Duration, rung, released <-chan struct{}) bool {
	var passed <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-rung:
	case <-released:
	case <-passed:
	}
	return true
}

// shares counts the workers that accounts hold.
type shares struct {
	workers  int
	released chan struct{} // receives after a release

	mu    sync.Mutex
	total int
	held  map[string]int
}

// free returns how many workers are free, and the accounts that hold half of the workers.
func (s *shares) free() (free int, full []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for account, n := range s.held {
		if n >= (s.workers+1)/2 {
			full = append(full, account)
		}
	}
	return s.workers - s.total, full
}

func (s *shares) take(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total++
	s.held[account]++
}

func (s *shares) release(account string) {
	s.mu.Lock()
	s.total--
	if s.held[account]--; s.held[account] == 0 {
		delete(s.held, account)
	}
	s.mu.Unlock()
	select {
	case s.released <- struct{}{}:
	default:
	}
}

// Bell wakes all who wait for it. Its zero value is ready for use.
type Bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

// Rung returns a channel that is closed when Ring is called.
func (b *Bell) Rung() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

// Ring wakes those who wait.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}
