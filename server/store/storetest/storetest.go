// Package storetest proves that a store.Store keeps the contract in the comments of its interfaces: it has a test for
// each of their sentences. It knows no implementation.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store"
)

// Options are what a test gives to the store under test. Nil fields mean the store's defaults.
type Options struct {
	// Now is the clock. Its times have nanoseconds and are not in UTC.
	Now func() time.Time
	// NewID returns a fresh id with the given prefix.
	NewID func(prefix string) string
}

// Opener returns a store to test.
type Opener func(t *testing.T, opts Options) store.Store

// suite has the groups of tests as its exported methods. A method that returns map[string]test is a group; one that returns
// []call has calls of methods that write, as writes describes. So a file with such methods is part of the suite.
type suite struct{}

// methodsOf yields the results of the suite's methods that return a T, by the methods' names, in their order.
func methodsOf[T any]() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for method, value := range reflect.ValueOf(suite{}).Methods() {
			if call, ok := value.Interface().(func() T); ok && !yield(method.Name, call()) {
				return
			}
		}
	}
}

// Run runs the suite. Each of its tests runs in parallel to others and calls open once, for a store that
// is empty and shared with no one, and closes that store.
func Run(t *testing.T, open func(t *testing.T, opts Options) store.Store) {
	for name, tests := range methodsOf[map[string]test]() {
		for part, run := range tests {
			t.Run(name+"/"+part, func(t *testing.T) {
				t.Parallel()
				run(newBed(t, open, Options{}))
			})
		}
	}
}

// RunShared runs the part of the suite for databases that outlive a store and that several stores may
// open at once, as several processes do. Each of its tests calls place once, for an empty database; all
// stores that the returned function opens are that database's.
func RunShared(t *testing.T, place func(t *testing.T) Opener) {
	for name, run := range sharedTests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, place(t))
		})
	}
}

// RunCluster runs the part of the suite for databases whose stores, open at once as in several processes, share
// signals and turns. It is like RunShared.
func RunCluster(t *testing.T, place func(t *testing.T) Opener) {
	for name, run := range clusterTests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open, ids, beds := place(t), &sequence{}, make([]*bed, 3)
			for i := range beds {
				beds[i] = newBed(t, open, Options{NewID: ids.next})
			}
			hearEachOther(beds)
			run(beds)
		})
	}
}

// The accounts of the tests; neither sees what is the other's.
const (
	account = "acc_a"
	other   = "acc_b"
)

type test func(b *bed)

// bed is what a test lies on: a store, with a clock that the test sets and ids that it can foresee.
type bed struct {
	*testing.T
	store.Store
	ctx   context.Context
	clock *clock
	ids   *sequence // nil when the test brings its own
	// fileID is the id of the next file; "" for one of the usual source. It is for tests that need to know it.
	fileID *atomic.Value
}

// newBed opens a store with the bed's clock, and with ids of its own unless opts has some.
func newBed(t *testing.T, open Opener, opts Options) *bed {
	c := newClock()
	opts.Now = c.Now
	var ids *sequence
	if opts.NewID == nil {
		ids = &sequence{}
		opts.NewID = ids.next
	}
	usual, fileID := opts.NewID, new(atomic.Value)
	opts.NewID = func(prefix string) string {
		if id, _ := fileID.Load().(string); prefix == "file" && id != "" {
			return id
		}
		return usual(prefix)
	}
	s := open(t, opts)
	t.Cleanup(func() { check(t, s.Close()) })
	return &bed{T: t, Store: s, ctx: t.Context(), clock: c, ids: ids, fileID: fileID}
}

// clock stands still until it is advanced.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// newClock starts at a time that has to be cut and that is not in UTC.
func newClock() *clock {
	return &clock{now: time.Date(2026, 5, 18, 23, 26, 15, 747298_999, time.FixedZone("", 8*60*60))}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// stamp is the clock's time as the store has to give it back.
func (c *clock) stamp() time.Time { return c.Now().UTC().Truncate(time.Microsecond) }

// sequence is a source of ids that sort by age.
type sequence struct {
	mu sync.Mutex
	n  int
}

func (s *sequence) next(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return fmt.Sprintf("%s_%06d", prefix, s.n)
}

// restart starts the sequence again.
func (s *sequence) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n = 0
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return // soon seen; cmp has the last word, for it knows when times are equal
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func fails(t *testing.T, what string, want, got error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: want the error %q, got %v", what, want, got)
	}
}

// utc fails the test when a time is not in UTC; comparisons of times overlook that.
func utc(t *testing.T, times ...time.Time) {
	t.Helper()
	for _, at := range times {
		if at.Location() != time.UTC {
			t.Errorf("%v is not in UTC", at)
		}
	}
}

// each runs fn n times at once, waits for all, and fails the test with their errors.
func each(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = fn(i) })
	}
	all.Wait()
	check(t, errors.Join(errs...))
}

func ids(rows []row) []string {
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = r.id
	}
	return list
}

func reversed[T any](list []T) []T {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}
