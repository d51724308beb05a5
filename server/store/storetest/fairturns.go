package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// FairTurns tests the order in which WorkTurns dispatches the turns of several accounts.
func (suite) FairTurns() map[string]test {
	return map[string]test{
		"ServedLongestAgo": func(b *bed) { dispatchFairly([]*bed{b}) },
		"AWorkerIsLeft":    aWorkerIsLeft,
		"NoAccountIsFull": func(b *bed) { // two accounts share all workers
			leave := make(chan struct{})
			entered := make(chan store.TurnRef, 20)
			b.works(4, func(_ context.Context, t store.TurnRef) {
				entered <- t
				<-leave
			})
			for range 4 {
				b.turnsOf("acc_a", 1)
				b.turnsOf("acc_b", 1)
			}
			count := map[string]int{}
			for range 4 {
				count[within(b, "a worker", entered).Session.Account]++
			}
			if count["acc_a"] > 3 || count["acc_b"] > 3 {
				b.Errorf("workers by account: %v", count)
			}
			close(leave)
			for range 4 {
				within(b, "another turn", entered)
			}
		},
		"BusyCount":    func(b *bed) { countExactly([]*bed{b, b}) },
		"CountsInTurn": func(b *bed) { countInTurn([]*bed{b, b}) },
	}
}

// turnsOf enqueues turns of new sessions of an account.
func (b *bed) turnsOf(account string, n int) (turns []store.TurnRef) {
	b.Helper()
	check(b.T, seedParents(b.ctx, b, account))
	for range n {
		v, err := b.CreateSession(b.ctx, account, store.SessionSpec{AgentID: seedAgentID, EnvironmentID: seedEnvironmentID})
		check(b.T, err)
		t := store.TurnRef{Session: store.SessionRef{Account: account, ID: v.ID}, TurnID: b.NewID("turn")}
		check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error { return b.enqueues(ctx, t) }))
		turns = append(turns, t)
	}
	return turns
}

// enqueues starts a turn and enqueues it, as a part of ctx's transaction.
func (b *bed) enqueues(ctx context.Context, t store.TurnRef) error {
	_, err := b.UpdateSession(ctx, t.Session.Account, t.Session.ID, func(v *store.Session) error {
		v.Status, v.Turn.ID = store.StatusProcessing, t.TurnID
		return nil
	})
	if err != nil {
		return err
	}
	return b.QueueTurn(ctx, t)
}

// dispatchFairly queues turns of three accounts, of one many, and works on them one by one: each account is served in its
// turn, and its turns in their order.
func dispatchFairly(beds []*bed) {
	b := beds[len(beds)-1]
	turns := map[string][]store.TurnRef{}
	for account, n := range map[string]int{"acc_a": 6, "acc_b": 3, "acc_c": 1} {
		turns[account] = beds[0].turnsOf(account, n)
	}
	c := b.works(1, nil)
	c.gets(b, slices.Concat(turns["acc_a"], turns["acc_b"], turns["acc_c"]))
	var order []string
	for _, t := range c.all() {
		account := t.Session.Account
		order = append(order, strings.TrimPrefix(account, "acc_"))
		if next := turns[account][0]; t != next {
			b.Errorf("%v before %v", t, next)
		}
		turns[account] = turns[account][1:]
	}
	first := slices.Clone(order[:3])
	slices.Sort(first)
	if rest := strings.Join(order[3:], ""); strings.Join(first, "") != "abc" || rest != "abababaaa"[:len(rest)] && rest != "babaaaa" && rest != "ababaaa" {
		b.Errorf("order: %v", order)
	}
}

// aWorkerIsLeft has an account whose turns do not end: another one finds a worker at once, and gets every worker that is
// released until both hold the same.
func aWorkerIsLeft(b *bed) {
	leave := map[string]chan struct{}{"acc_a": make(chan struct{}), "acc_b": make(chan struct{})}
	entered := make(chan store.TurnRef, 20)
	b.works(4, func(_ context.Context, t store.TurnRef) {
		entered <- t
		<-leave[t.Session.Account]
	})
	next := func(account string) {
		b.Helper()
		if got := within(b, "a turn of "+account, entered); got.Session.Account != account {
			b.Fatalf("a turn of %s", got.Session.Account)
		}
	}
	b.turnsOf("acc_a", 8)
	for range 3 {
		next("acc_a")
	}
	b.turnsOf("acc_b", 3)
	next("acc_b")
	leave["acc_a"] <- struct{}{}
	next("acc_b") // acc_a still holds half
	leave["acc_b"] <- struct{}{}
	next("acc_b") // acc_a still holds half, acc_b does not
	leave["acc_a"] <- struct{}{}
	next("acc_a")
	close(leave["acc_b"])
	close(leave["acc_a"])
	for range 4 {
		next("acc_a")
	}
}

// dispatchAtOnce queues turns at the same moment and one after the other: none waits until somebody looks for it.
func dispatchAtOnce(beds []*bed) {
	b := beds[0]
	c := beds[len(beds)-1].works(4, nil)
	sessions := b.fill(sessionKind(), 30)
	c.gets(b, []store.TurnRef{b.turn()}) // it has begun to work
	want := c.all()
	began := time.Now()
	for i := range 10 {
		want = append(want, queueAll(beds[:2], sessions[2*i:2*i+2])...)
		c.gets(b, want)
	}
	for i := 20; i < 30; i++ {
		want = append(want, queueAll(beds[:1], sessions[i:i+1])...)
		c.gets(b, want)
	}
	if took := time.Since(began); took > 5*time.Second { // 20 looks take 10 s, if each waits for half a second
		b.Errorf("20 rounds took %s", took)
	}
}

var errTooMany = errors.New("too many")

// countExactly starts turns of many sessions at once, each in a transaction that counts: as many as the bound allows begin.
func countExactly(beds []*bed) {
	const sessions, bound = 24, 5
	b := beds[0]
	refs := make([]store.TurnRef, sessions)
	for i := range refs {
		refs[i] = b.queuable(fmt.Sprintf("turn_%d", i))
	}
	var begun atomic.Int32
	each(b.T, sessions, func(i int) error {
		at := beds[i%len(beds)]
		err := at.Atomically(at.ctx, func(ctx context.Context) error {
			if err := at.enqueues(ctx, refs[i]); err != nil {
				return err
			}
			busy, err := at.CountBusySessions(ctx, account, bound+1)
			if err == nil && busy > bound {
				err = errTooMany
			}
			return err
		})
		if err == nil {
			begun.Add(1)
		}
		if errors.Is(err, errTooMany) {
			return nil
		}
		return err
	})
	equal(b.T, "turns that began", int32(bound), begun.Load())
	b.hasBusy(b.ctx, account, sessions, bound)
}

// countInTurn counts in two transactions at once, of which each begins a turn: the second counts when the first has
// ended, and so counts its turn as well.
func countInTurn(beds []*bed) {
	b := beds[0]
	first, second := b.queuable("turn_a"), b.queuable("turn_b")
	counted := make(chan int, 1)
	var ended sync.WaitGroup
	check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
		if err := b.enqueues(ctx, first); err != nil {
			return err
		}
		busy, err := b.CountBusySessions(ctx, account, 10)
		if err != nil {
			return err
		}
		equal(b.T, "busy sessions of the first", 1, busy)
		ended.Go(func() {
			at := beds[1]
			check(at.T, at.Atomically(at.ctx, func(ctx context.Context) error {
				if err := at.enqueues(ctx, second); err != nil {
					return err
				}
				busy, err := at.CountBusySessions(ctx, account, 10)
				counted <- busy
				return err
			}))
		})
		// A second that does not wait counts within this time, and misses the first.
		for deadline := time.Now().Add(time.Second); len(counted) == 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		return nil
	}))
	ended.Wait()
	equal(b.T, "busy sessions of the second", 2, within(b, "the second count", counted))
}

// queuable returns a turn of a new session.
func (b *bed) queuable(turn string) store.TurnRef {
	b.Helper()
	check(b.T, seedParents(b.ctx, b, account))
	v, err := b.CreateSession(b.ctx, account, store.SessionSpec{AgentID: seedAgentID, EnvironmentID: seedEnvironmentID})
	check(b.T, err)
	return store.TurnRef{Session: store.SessionRef{Account: account, ID: v.ID}, TurnID: turn}
}
