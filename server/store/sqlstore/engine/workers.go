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

// Workers run the turns of a queue, and those that are given to them directly. Their methods are safe for concurrent use.
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

	mu    sync.Mutex
	held  *shares // nil unless Run runs
	ctx   context.Context
	calls sync.WaitGroup
}

// Run runs turns until ctx ends, and returns when all calls of Work have returned.
//
// Half of the workers, rounded up, are the most that an account holds while other accounts wait. Beyond that it may use
// idle workers except for a quarter, at least one: so an account that was idle until now finds a worker at once, whatever
// another one does, and however long its turns take.
func (w *Workers) Run(ctx context.Context) {
	held := &shares{workers: w.Count, held: map[string]int{}, released: make(chan struct{}, 1), quiet: never}
	w.mu.Lock()
	w.held, w.ctx = held, ctx
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.held = nil // from here on no call begins
		w.mu.Unlock()
		w.calls.Wait()
	}()
	for {
		rung, rings := w.Bell.listen() // before looking, so that no turn is missed
		if ctx.Err() != nil {
			return
		}
		claims, limited := w.claim(ctx, held, rings)
		for _, c := range claims {
			w.start(held, c)
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

// start runs a turn whose worker is taken. w.mu is locked, or Run has not returned.
func (w *Workers) start(held *shares, c Claim) {
	ctx := w.ctx
	w.calls.Go(func() {
		defer held.release(c.Turn.Session.Account)
		c.Release(ctx.Err() == nil && w.Work(ctx, c.Turn))
	})
}

// claim claims the next turns, if there are some, and takes their workers. limited is whether there may be more once a worker
// is released. rings is the number of the bell's rings before.
func (w *Workers) claim(ctx context.Context, held *shares, rings int64) (claims []Claim, limited bool) {
	most, more, full := held.look(rings)
	if most == 0 {
		return nil, true
	}
	everywhere := len(full) == 0
	claims, err := w.Next(ctx, full, most)
	if len(claims) == 0 && err == nil && !everywhere && more {
		everywhere = true
		claims, err = w.Next(ctx, nil, 1)
	}
	quiet := int64(never)
	if everywhere && err == nil && len(claims) == 0 {
		quiet = rings
	}
	held.found(claims, quiet)
	return claims, len(full) > 0
}

// Reservation is a worker that is reserved for a turn of an account. One of its methods must be called, once.
type Reservation struct {
	workers *Workers
	held    *shares
	account string
}

// Reserve reserves a worker for a turn that is about to be enqueued, if Run runs, no turn waits as far as is known, and a
// worker is free that the account may use.
func (w *Workers) Reserve(account string) (r Reservation, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held == nil || w.ctx.Err() != nil || !w.held.reserve(account, w.Bell.count()) {
		return Reservation{}, false
	}
	return Reservation{w, w.held, account}, true
}

// Start runs the turn, unless Run has returned: then the turn is left to whoever looks for those of a process that is gone.
func (r Reservation) Start(c Claim) {
	r.workers.mu.Lock()
	defer r.workers.mu.Unlock()
	if r.workers.held == r.held {
		r.workers.start(r.held, c)
	}
}

// Cancel frees the worker.
func (r Reservation) Cancel() { r.held.release(r.account) }

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

	mu       sync.Mutex
	total    int
	promised int // to the turns that the queue is looked at for
	held     map[string]int
	quiet    int64 // the number of the bell's rings before the queue was found to be empty
}

// never is a number that rings do not have.
const never = -1

// look promises workers to the turns that the queue is about to be looked at for, most of them: all that are free, or one when
// none are known to wait, so that the others can be reserved meanwhile. more is whether so many are free that an account may
// hold more than half, full are the accounts that hold half. Unless most is 0, found must be called.
func (s *shares) look(rings int64) (most int, more bool, full []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for account := range s.held {
		if s.full(account) {
			full = append(full, account)
		}
	}
	free := s.workers - s.total
	most = free
	if s.quiet == rings {
		most = min(free, 1)
	}
	s.promised = most
	return most, s.plenty(free), full
}

// found takes the workers of the turns that were found. quiet is the number of the bell's rings before the queue was found to
// be empty, or never when it may not be.
func (s *shares) found(claims []Claim, quiet int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.promised, s.quiet = 0, quiet
	for _, c := range claims {
		s.total++
		s.held[c.Turn.Session.Account]++
	}
}

// reserve takes a worker for an account, unless turns may wait, or the account holds as many as it may.
func (s *shares) reserve(account string, rings int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := s.workers - s.total - s.promised
	if s.quiet != rings || free <= 0 || s.full(account) && !s.plenty(free) {
		return false
	}
	s.total++
	s.held[account]++
	return true
}

// full reports whether an account holds half of the workers. s.mu is locked.
func (s *shares) full(account string) bool { return s.held[account] >= (s.workers+1)/2 }

// plenty reports whether more workers are free than are kept for accounts that hold less than half.
func (s *shares) plenty(free int) bool { return free > max(s.workers/4, 1) }

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
	mu    sync.Mutex
	rung  chan struct{}
	rings int64
}

// Rung returns a channel that is closed when Ring is called.
func (b *Bell) Rung() <-chan struct{} {
	rung, _ := b.listen()
	return rung
}

// listen is Rung that also returns how often the bell has rung.
func (b *Bell) listen() (rung <-chan struct{}, rings int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung, b.rings
}

// count returns how often the bell has rung.
func (b *Bell) count() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rings
}

// Ring wakes those who wait.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rings++
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}
