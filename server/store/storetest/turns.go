package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Turns tests QueueTurn and WorkTurns.
func (suite) Turns() map[string]test {
	return map[string]test{
		"DispatchedOnce": func(b *bed) { dispatchEach([]*bed{b}, 12) },
		"OfManyWriters": func(b *bed) { // and over several calls of WorkTurns
			dispatchEach([]*bed{b, b, b}, 40)
		},
		"BeforeAnyoneWorks": func(b *bed) {
			want := []store.TurnRef{b.turn(), b.turn()}
			c := b.works(1, nil)
			c.gets(b, want)
		},
		"AfterTheCommit": func(b *bed) {
			v, c := b.session(), b.works(2, nil)
			var want store.TurnRef
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				check(b.T, b.Atomically(ctx, func(ctx context.Context) error {
					want = b.queues(ctx, v.ID)
					return nil
				}))
				equal(b.T, "turns before the commit", 0, len(c.all()))
				return nil
			}))
			c.gets(b, []store.TurnRef{want})
		},
		"Undone": func(b *bed) {
			v, c := b.session(), b.works(1, nil)
			for range 3 {
				fails(b.T, "transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
					b.queues(ctx, v.ID)
					check(b.T, b.Atomically(ctx, func(ctx context.Context) error {
						b.queues(ctx, v.ID)
						return nil
					}))
					return errStop
				}))
				check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
					fails(b.T, "part", errStop, b.Atomically(ctx, func(ctx context.Context) error {
						b.queues(ctx, v.ID)
						return errStop
					}))
					return nil
				}))
			}
			c.gets(b, []store.TurnRef{b.turn()})
		},
		"OutsideOfATransaction": func(b *bed) {
			v, c := b.session(), b.works(1, nil)
			if err := b.QueueTurn(b.ctx, store.TurnRef{Session: store.SessionRef{Account: account, ID: v.ID}, TurnID: "turn_x"}); err == nil {
				b.Error("a turn is queued outside of a transaction")
			}
			c.gets(b, []store.TurnRef{b.turn()})
		},
		"QueuedAgain": func(b *bed) { // as when it continues, which may be before its call has returned
			v := b.session()
			ref := store.TurnRef{Session: store.SessionRef{Account: account, ID: v.ID}, TurnID: "turn_1"}
			queue := func() error {
				return b.Atomically(context.Background(), func(ctx context.Context) error { return b.QueueTurn(ctx, ref) })
			}
			var calls atomic.Int32
			c := b.works(1, func(context.Context, store.TurnRef) {
				if calls.Add(1) == 1 {
					if err := queue(); err != nil {
						b.Error(err)
					}
				}
			})
			check(b.T, queue())
			c.gets(b, []store.TurnRef{ref, ref})
			check(b.T, queue())
			c.gets(b, []store.TurnRef{ref, ref, ref})
		},
		"AtMostSoMany": func(b *bed) {
			const workers, turns = 5, 40
			const most = 4 // one worker is left for another account
			var now, peak atomic.Int32
			entered, leave := make(chan struct{}, turns), make(chan struct{})
			c := b.works(workers, func(context.Context, store.TurnRef) {
				n := now.Add(1)
				for m := peak.Load(); n > m && !peak.CompareAndSwap(m, n); m = peak.Load() {
				}
				entered <- struct{}{}
				<-leave
				now.Add(-1)
			})
			sessions := b.fill(sessionKind(), turns)
			want := queueAll([]*bed{b}, sessions[:most])
			for range most { // as many as may are at work at the same time, while the others are queued
				within(b, "a worker", entered)
			}
			want = append(want, queueAll([]*bed{b}, sessions[most:])...)
			close(leave)
			c.gets(b, want)
			equal(b.T, "turns at a time", most, peak.Load())
		},
		"ReturnsWhenAllCallsHave": func(b *bed) {
			ctx, cancel := context.WithCancel(b.ctx)
			started, ended := make(chan struct{}, 2), atomic.Int32{}
			returned := make(chan error)
			b.turn()
			b.turn()
			go func() {
				returned <- b.WorkTurns(ctx, 4, func(ctx context.Context, t store.TurnRef) bool {
					started <- struct{}{}
					<-ctx.Done() // it ends with WorkTurns' context
					b.finishes(t)
					ended.Add(1)
					return true
				})
			}()
			within(b, "a call", started)
			within(b, "a call", started)
			cancel()
			check(b.T, within(b, "the return", returned))
			equal(b.T, "calls that have returned", 2, ended.Load())
		},
		"EndedContext": func(b *bed) {
			want := b.turn()
			ctx, cancel := context.WithCancel(b.ctx)
			cancel()
			check(b.T, b.WorkTurns(ctx, 1, func(context.Context, store.TurnRef) bool {
				b.Error("a turn is dispatched although the context has ended")
				return true
			}))
			b.works(1, nil).gets(b, []store.TurnRef{want}) // it is still in line
		},
		"Closed": func(b *bed) {
			check(b.T, b.Close())
			if err := b.WorkTurns(b.ctx, 1, func(context.Context, store.TurnRef) bool { return true }); err == nil {
				b.Error("turns are worked on after Close")
			}
		},
		"DoneLeavesTheQueue": func(b *bed) {
			first := b.works(1, nil)
			first.gets(b, []store.TurnRef{b.turn(), b.turn()})
			first.stop()
			b.works(1, nil).gets(b, []store.TurnRef{b.turn()})
		},
	}
}

// dispatchEach queues turns through the stores, from many goroutines, while all of the stores work: each must be
// dispatched once.
func dispatchEach(beds []*bed, turns int) {
	b := beds[0]
	b.Helper()
	sessions := b.fill(sessionKind(), turns)
	got := &dispatched{more: make(chan struct{})}
	for _, at := range beds {
		at.worksOn(got, 2, nil)
	}
	got.gets(b, append(queueAll(beds, sessions), b.turn()))
}

// queueAll enqueues turns of the sessions, all at once, each through one of the stores.
func queueAll(beds []*bed, sessions []row) []store.TurnRef {
	turns := make([]store.TurnRef, len(sessions))
	each(beds[0].T, len(sessions), func(i int) error {
		at := beds[i%len(beds)]
		return at.Atomically(at.ctx, func(ctx context.Context) (err error) {
			turns[i], err = queue(ctx, at, sessions[i].id)
			return err
		})
	})
	return turns
}

// turn enqueues a turn of a new session.
func (b *bed) turn() (t store.TurnRef) {
	b.Helper()
	id := b.create(sessionKind()).id
	check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
		t = b.queues(ctx, id)
		return nil
	}))
	return t
}

// queues starts a turn of a session and enqueues it, as a part of ctx's transaction.
func (b *bed) queues(ctx context.Context, session string) store.TurnRef {
	b.Helper()
	t, err := queue(ctx, b, session)
	check(b.T, err)
	return t
}

func queue(ctx context.Context, s store.Store, session string) (store.TurnRef, error) {
	t := store.TurnRef{Session: store.SessionRef{Account: account, ID: session}, TurnID: s.NewID("turn")}
	_, _, err := s.AppendEvents(ctx, account, session, func(v *store.Session) ([]store.NewEvent, error) {
		v.Status, v.Turn.ID = store.StatusProcessing, t.TurnID
		return someEvents()[:1], nil
	})
	if err != nil {
		return t, err
	}
	return t, s.QueueTurn(ctx, t)
}

// finishes ends the turn of a turn's session, so that it is no longer running.
func (b *bed) finishes(t store.TurnRef) {
	_, err := b.UpdateSession(context.Background(), t.Session.Account, t.Session.ID, func(s *store.Session) error {
		s.Status, s.Turn.ID = store.StatusIdle, ""
		return nil
	})
	if err != nil {
		b.Error(err)
	}
}

// dispatched are the turns that were dispatched.
type dispatched struct {
	stop func() // stops the work and waits for it

	mu    sync.Mutex
	turns []store.TurnRef
	more  chan struct{} // closed when another one is dispatched
}

// works works on turns until the test's end: for each it calls work, unless that is nil, and ends it.
func (b *bed) works(workers int, work func(ctx context.Context, t store.TurnRef)) *dispatched {
	h := &dispatched{more: make(chan struct{})}
	b.worksOn(h, workers, work)
	return h
}

// worksOn is works that adds to what h has.
func (b *bed) worksOn(h *dispatched, workers int, work func(ctx context.Context, t store.TurnRef)) {
	ctx, cancel := context.WithCancel(context.Background())
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		err := b.WorkTurns(ctx, workers, func(ctx context.Context, t store.TurnRef) bool {
			if work != nil {
				work(ctx, t)
			}
			b.finishes(t)
			h.add(t)
			return true
		})
		if err != nil {
			b.Error(err)
		}
	}()
	h.stop = func() {
		cancel()
		<-returned
	}
	b.Cleanup(h.stop)
}

func (h *dispatched) add(t store.TurnRef) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turns = append(h.turns, t)
	close(h.more)
	h.more = make(chan struct{})
}

func (h *dispatched) all() []store.TurnRef {
	turns, _ := h.now()
	return turns
}

func (h *dispatched) now() ([]store.TurnRef, chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.turns), h.more
}

// gets waits until as many turns as wanted were dispatched, and fails the test unless they are the wanted ones,
// whatever their order.
func (h *dispatched) gets(b *bed, want []store.TurnRef) {
	b.Helper()
	for {
		got, more := h.now()
		if len(got) >= len(want) {
			equal(b.T, "turns", sorted(want), sorted(got))
			return
		}
		within(b, fmt.Sprintf("turn %d of %d", len(got)+1, len(want)), more)
	}
}

func sorted(turns []store.TurnRef) []string {
	list := make([]string, len(turns))
	for i, t := range turns {
		list[i] = fmt.Sprintf("%+v", t)
	}
	slices.Sort(list)
	return list
}

// within waits for what must come.
func within[T any](b *bed, what string, comes <-chan T) (v T) {
	b.Helper()
	select {
	case v = <-comes:
	case <-time.After(patience):
		b.Fatalf("waited in vain for %s", what)
	}
	return v
}
