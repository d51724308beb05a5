package budget_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/server/budget"
)

// refused fails the test unless err reports that status, with a time to wait.
func refused(t *testing.T, err error, status int) {
	t.Helper()
	p, ok := problem.Of(err)
	if !ok || p.HTTPStatus() != status || p.RetryAfter <= 0 {
		t.Errorf("want a %d that says when to try again, got %v", status, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func used(t *testing.T, b *budget.Budget, want int64) {
	t.Helper()
	if got := b.Used(); got != want {
		t.Errorf("%d bytes are reserved, want %d", got, want)
	}
}

func TestAnAccountHasAQuarter(t *testing.T) {
	b := budget.New(400)
	first, second, other := b.Open("a"), b.Open("a"), b.Open("b")
	must(t, first.Grow(50))
	must(t, second.Grow(49))
	must(t, second.Grow(1))
	refused(t, b.Open("a").Grow(1), 429)
	must(t, other.Grow(1))
	used(t, b, 101)
	first.Close()
	used(t, b, 51)
	must(t, b.Open("a").Grow(50))
	refused(t, b.Open("a").Grow(1), 429)
}

func TestTheAccountsTogetherHaveTheWhole(t *testing.T) {
	b := budget.New(400)
	for i := range 8 {
		must(t, b.Open(fmt.Sprint(i/2)).Grow(50))
	}
	refused(t, b.Open("another").Grow(1), 503)
	used(t, b, 400)
}

// The largest request counts half of a share: it succeeds beside another one, and a third one is refused.
func TestOneGrantCountsHalfOfAShare(t *testing.T) {
	b := budget.New(400)
	first, second := b.Open("a"), b.Open("a")
	must(t, first.Grow(1000))
	must(t, first.Grow(1000))
	must(t, second.Grow(51))
	used(t, b, 100)
	refused(t, b.Open("a").Grow(1), 429)
	first.Keep(60)
	used(t, b, 100)
	first.Keep(20)
	used(t, b, 70)
	second.Close()
	second.Close()
	used(t, b, 20)
}

func TestAGrantMoves(t *testing.T) {
	b := budget.New(400)
	g := b.Open("")
	must(t, g.Grow(40))
	must(t, b.Open("full").Grow(50))
	must(t, b.Open("full").Grow(20))
	refused(t, g.Move("full"), 429)
	must(t, g.Move("a"))
	must(t, b.Open("").Grow(50)) // the unknown callers have their share back
	must(t, b.Open("").Grow(50))
	refused(t, b.Open("").Grow(1), 429)
	g.Close()
	used(t, b, 170)
}

func TestWaitWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(400)
		first, second := b.Open("a"), b.Open("a")
		must(t, first.Grow(50))
		must(t, second.Grow(50))
		begin := time.Now()
		go func() {
			time.Sleep(time.Second)
			second.Keep(30) // not enough
			time.Sleep(time.Second)
			second.Close()
		}()
		must(t, b.Open("a").Wait(t.Context(), 40))
		if waited := time.Since(begin); waited != 2*time.Second {
			t.Errorf("waited for %v", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Open("a").Wait(ctx, 40); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		used(t, b, 90)
	})
}

func TestANilGrantHasNoBounds(t *testing.T) {
	var g *budget.Grant
	must(t, g.Grow(1<<40))
	must(t, g.Wait(t.Context(), 1<<40))
	must(t, g.Move("a"))
	g.Keep(1)
	g.Close()
}

// Whatever goroutines do, the bounds hold and everything comes back.
func TestNothingIsLost(t *testing.T) {
	b := budget.New(4000)
	var running sync.WaitGroup
	for n := range 16 {
		running.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			for range 300 {
				g := b.Open("")
				_ = g.Grow(random.IntN(600))
				_ = g.Move(fmt.Sprint(n % 5))
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				_ = g.Wait(ctx, random.IntN(600))
				cancel()
				g.Keep(random.IntN(600))
				if total := b.Used(); total < 0 || total > 4000 {
					t.Errorf("%d bytes are reserved", total)
				}
				g.Close()
			}
		})
	}
	running.Wait()
	used(t, b, 0)
}

// Ahead waits for room before a read, for a second; what the read did not need is given back, what it needed more of is
// reserved.
func TestAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(800) // 200 for an account, 100 for a grant
		first, second := b.Open("a"), b.Open("a")
		must(t, first.Grow(10))
		ahead, err := first.Ahead(t.Context(), 60)
		must(t, err)
		used(t, b, 70)
		must(t, ahead.Use(20))
		used(t, b, 70)
		ahead.Settle()
		used(t, b, 30)
		ahead.Settle()
		ahead, err = first.Ahead(t.Context(), 20)
		must(t, err)
		must(t, ahead.Use(15))
		must(t, ahead.Use(10))
		must(t, ahead.Use(5))
		ahead.Settle()
		used(t, b, 60)

		must(t, second.Grow(90))
		third := b.Open("a")
		start := time.Now()
		_, err = third.Ahead(t.Context(), 60)
		refused(t, err, 429)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("it waited %s", waited)
		}
		used(t, b, 150)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := third.Ahead(gone, 60); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who is gone: %v", err)
		}
		time.AfterFunc(time.Second/2, second.Close)
		if _, err := third.Ahead(t.Context(), 60); err != nil {
			t.Errorf("with room after half a second: %v", err)
		}
		used(t, b, 120)
		var none *budget.Grant
		ahead, err = none.Ahead(t.Context(), 1<<40)
		must(t, err)
		must(t, ahead.Use(1<<40))
		ahead.Settle()
	})
}

// Large work takes half of the processors; small work waits for nothing.
func TestWork(t *testing.T) {
	t.Parallel()
	b := budget.New(400)
	busy := make([]*budget.Grant, max(runtime.GOMAXPROCS(0)/2, 1))
	for i := range busy {
		busy[i] = b.Open("a")
		must(t, busy[i].Work(t.Context(), budget.LargeWork))
		must(t, busy[i].Work(t.Context(), budget.LargeWork)) // it is the same work
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	other := b.Open("b")
	must(t, other.Work(gone, budget.LargeWork-1))
	refuses := func(g *budget.Grant) {
		t.Helper()
		brief, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := g.Work(brief, budget.LargeWork); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one more: %v", err)
		}
	}
	refuses(other)
	other.Rest()
	busy[0].Rest()
	busy[0].Rest()
	must(t, other.Work(t.Context(), budget.LargeWork))
	refuses(busy[0])
	other.Close()
	brief, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	must(t, busy[0].Work(brief, budget.LargeWork))
	var none *budget.Grant
	must(t, none.Work(gone, budget.LargeWork))
	none.Rest()
}
