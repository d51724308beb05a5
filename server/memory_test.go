package server

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-sessions/sessions/server/budget"
)

// Memory is returned once after large requests have ended: not while they last, and not after small ones.
func TestMemoryIsReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests, turns := budget.New(1<<30), budget.New(1<<30)
		s := &Server{budgets: []*budget.Budget{requests, turns}}
		released := 0
		go s.returnMemory(t.Context(), func() { released++ })
		want := func(n int, when string) {
			t.Helper()
			time.Sleep(3 * calm)
			synctest.Wait()
			if released != n {
				t.Errorf("%s: returned %d times, want %d", when, released, n)
			}
		}
		want(0, "at rest")
		small, first, second := requests.Open("a"), requests.Open("a"), turns.Open("a")
		if err := small.Grow(large / 2); err != nil {
			t.Fatal(err)
		}
		want(0, "after a small request")
		if err := first.Grow(large); err != nil {
			t.Fatal(err)
		}
		want(0, "during a large request")
		if err := second.Grow(large); err != nil {
			t.Fatal(err)
		}
		first.Close()
		want(0, "during a large turn")
		second.Close()
		want(1, "after them")
		want(1, "at rest again")
		if err := first.Grow(large); err != nil {
			t.Fatal(err)
		}
		first.Close()
		want(2, "after a short one")
	})
}

// What the opening of many streams leaves is returned once, when no more are opened.
func TestMemoryOfOpenedStreamsIsReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var opened, released atomic.Int64
		go returnStreamMemory(t.Context(), func() int { return int(opened.Load()) }, func() { released.Add(1) })
		open := func(n, want int64) {
			t.Helper()
			synctest.Wait()
			opened.Add(n)
			time.Sleep(streamsAtRest)
			synctest.Wait()
			if released.Load() != want {
				t.Errorf("returned %d times after %d streams, want %d", released.Load(), opened.Load(), want)
			}
		}
		open(manyStreams/2, 0)
		open(manyStreams/2, 0)
		open(manyStreams/20, 1)
		open(0, 1)
		open(manyStreams/2, 1)
		open(0, 1)
		open(manyStreams, 1)
		open(0, 2)
	})
}
