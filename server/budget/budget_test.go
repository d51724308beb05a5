package budget_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
