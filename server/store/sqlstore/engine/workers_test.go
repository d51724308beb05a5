package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runningWorkers runs workers whose queue has what next returns, and waits until they have looked once.
func runningWorkers(t *testing.T, w *engine.Workers, next func() []engine.Claim) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	looked, stopped := make(chan struct{}, 1), make(chan struct{})
	w.Next = func(context.Context, []string, int) ([]engine.Claim, error) {
		defer func() {
			select {
			case looked <- struct{}{}:
			default:
			}
		}()
		return next(), nil
	}
	go func() {
		defer close(stopped)
		w.Run(ctx)
	}()
	<-looked
	return func() {
		cancel()
		<-stopped
	}
}

func none() []engine.Claim { return nil }

// claimOf is a claim that tells of its release.
func claimOf(account string, released chan bool) engine.Claim {
	return engine.Claim{Turn: store.TurnRef{Session: store.SessionRef{Account: account}}, Release: func(done bool) { released <- done }}
}

// untilReserved reserves a worker once the workers know that the queue is empty.
func untilReserved(t *testing.T, w *engine.Workers, account string) (r engine.Reservation) {
	t.Helper()
	for {
		if r, ok := w.Reserve(account); ok {
			return r
		}
		if t.Context().Err() != nil {
			t.Fatal("no worker is free")
		}
	}
}

// TestAReservedWorkerRunsItsTurn has a turn that is not looked for.
func TestAReservedWorkerRunsItsTurn(t *testing.T) {
	t.Parallel()
	worked, released := make(chan string, 1), make(chan bool, 1)
	w := &engine.Workers{Count: 4, Bell: &engine.Bell{}, Work: func(_ context.Context, turn store.TurnRef) bool {
		worked <- turn.Session.Account
		return true
	}}
	stop := runningWorkers(t, w, none)
	defer stop()
	untilReserved(t, w, "acc").Start(claimOf("acc", released))
	if account, done := <-worked, <-released; account != "acc" || !done {
		t.Errorf("%q, %v", account, done)
	}
}

// TestAnAccountReservesItsShare has an account that may have half of the workers, and of the rest all except for a quarter.
func TestAnAccountReservesItsShare(t *testing.T) {
	t.Parallel()
	w := &engine.Workers{Count: 8, Bell: &engine.Bell{}}
	stop := runningWorkers(t, w, none)
	defer stop()
	reserved := []engine.Reservation{untilReserved(t, w, "busy")}
	for {
		r, ok := w.Reserve("busy")
		if !ok {
			break
		}
		reserved = append(reserved, r)
	}
	if len(reserved) != 6 {
		t.Errorf("an account has %d of 8 workers, want 6", len(reserved))
	}
	others := 0
	for {
		if _, ok := w.Reserve("other"); !ok {
			break
		}
		others++
	}
	if others != 2 {
		t.Errorf("another account has %d workers, want 2", others)
	}
	reserved[0].Cancel()
	if _, ok := w.Reserve("other"); !ok {
		t.Error("a worker that was not needed is not free")
	}
}

// TestTurnsThatWaitAreFirst has turns that may wait: none is given to a worker before them.
func TestTurnsThatWaitAreFirst(t *testing.T) {
	t.Parallel()
	bell := &engine.Bell{}
	w := &engine.Workers{Count: 4, Bell: bell}
	if _, ok := w.Reserve("acc"); ok {
		t.Error("a worker is reserved although none runs")
	}
	looking := make(chan struct{})
	look := make(chan struct{}, 10)
	look <- struct{}{}
	stop := runningWorkers(t, w, func() []engine.Claim {
		select {
		case <-look:
		default:
			looking <- struct{}{}
			<-looking
		}
		return nil
	})
	untilReserved(t, w, "acc").Cancel()
	bell.Ring()
	if _, ok := w.Reserve("acc"); ok {
		t.Error("a worker is reserved before the one that was enqueued")
	}
	<-looking
	if _, ok := w.Reserve("acc"); ok {
		t.Error("a worker is reserved while the queue is looked at")
	}
	looking <- struct{}{}
	r := untilReserved(t, w, "acc")
	stop()
	if _, ok := w.Reserve("acc"); ok {
		t.Error("a worker is reserved although none runs any longer")
	}
	r.Start(engine.Claim{Release: func(bool) { t.Error("a turn begins after the end") }})
}

// TestAWorkerIsGivenOnce has a turn in the queue that nothing has notified the workers of, and one that is enqueued while they
// find it: the only worker runs one of them. Of many workers, the others are free meanwhile.
func TestAWorkerIsGivenOnce(t *testing.T) {
	t.Parallel()
	for workers, want := range map[int]bool{1: false, 4: true} {
		bell, looking, found := &engine.Bell{}, make(chan struct{}, 1), make(chan []engine.Claim)
		w := &engine.Workers{Count: workers, Bell: bell, Every: time.Millisecond, Work: func(context.Context, store.TurnRef) bool { return true }}
		var second atomic.Bool
		stop := runningWorkers(t, w, func() []engine.Claim {
			if !second.CompareAndSwap(true, false) {
				return nil
			}
			looking <- struct{}{}
			return <-found
		})
		untilReserved(t, w, "acc").Cancel()
		second.Store(true)
		<-looking
		r, ok := w.Reserve("acc")
		if ok != want {
			t.Errorf("while one of %d workers may be needed, one is reserved: %v", workers, ok)
		}
		if ok {
			r.Cancel()
		}
		released := make(chan bool, 1)
		found <- []engine.Claim{claimOf("other", released)}
		<-released
		stop()
	}
}
