package pgengine

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

const (
	// readTrips is how many round trips of shared reads are under way at a time, readsPerTrip how many reads share one. While
	// fewer are under way, none waits.
	readTrips    = 2
	readsPerTrip = 64
)

// reads lets the reads of several callers share round trips. The caller of a read sends those that wait together with its own, in
// its goroutine. The same query with the same arguments is run once for all that wait with it: each of them began before it.
type reads struct {
	postgres *postgres

	mu       sync.Mutex
	underWay int
	waiting  []*sharedRead
}

// sharedRead is a read that may share a round trip.
type sharedRead struct {
	query engine.Query
	each  func(engine.Scanner) error
	// lead gets the reads that the caller is to send, its own among them. done is closed when the read has ended otherwise.
	lead chan []*sharedRead
	done chan struct{}

	mu    sync.Mutex
	rows  int   // that each was called for
	ended bool  // each is not to be called again
	err   error // what each has returned, or why the read failed
}

// errAlone is a read that is to be repeated alone, since another one in its round trip failed, or it did.
var errAlone = errors.New("the read did not share a round trip")

// row passes a row on.
func (s *sharedRead) row(row engine.Scanner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.rows++
	if err := s.each(row); err != nil {
		s.ended = true
		if !errors.Is(err, engine.ErrEnough) {
			s.err = err
		}
	}
}

// failed notes that not all rows of the read may have come.
func (s *sharedRead) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
	case s.rows > 0:
		s.err = err
	default:
		s.err = errAlone
	}
}

// read runs a query outside of transactions.
func (r *reads) read(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	own := &sharedRead{query: q, each: each, lead: make(chan []*sharedRead, 1), done: make(chan struct{})}
	if !r.join(own) {
		defer r.leave()
		return r.postgres.readAlone(ctx, q, each)
	}
	select {
	case <-own.done:
	case batch := <-own.lead:
		r.send(batch)
		r.leave()
	case <-ctx.Done():
		return r.abandon(ctx, own)
	}
	if errors.Is(own.err, errAlone) {
		return r.postgres.readAlone(ctx, q, each)
	}
	return own.err
}

// join reports whether the read waits. Otherwise its caller is one of those that have a round trip under way, until leave.
func (r *reads) join(own *sharedRead) (waits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay < readTrips {
		r.underWay++
		return false
	}
	r.waiting = append(r.waiting, own)
	return true
}

// leave passes the round trip to the reads that wait, if there are some.
func (r *reads) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.underWay--
		return
	}
	n := min(len(r.waiting), readsPerTrip)
	batch := slices.Clone(r.waiting[:n])
	r.waiting = slices.Delete(r.waiting, 0, n)
	batch[0].lead <- batch
}

// abandon ends the wait of a read.
func (r *reads) abandon(ctx context.Context, own *sharedRead) error {
	r.mu.Lock()
	at := slices.Index(r.waiting, own)
	if at >= 0 {
		r.waiting = slices.Delete(r.waiting, at, at+1)
	}
	r.mu.Unlock()
	own.mu.Lock()
	own.ended = true
	own.mu.Unlock()
	select {
	case batch := <-own.lead: // the others wait for it
		r.send(batch)
		r.leave()
	default:
	}
	return ctx.Err()
}

// send runs reads in one round trip. Its callers repeat a read of which nothing has come when the round trip failed.
func (r *reads) send(batch []*sharedRead) {
	var groups [][]*sharedRead // of equal queries
	for _, read := range batch {
		at := slices.IndexFunc(groups, func(g []*sharedRead) bool { return equal(g[0].query, read.query) })
		if at < 0 {
			at, groups = len(groups), append(groups, nil)
		}
		groups[at] = append(groups[at], read)
	}
	steps, came := make([]engine.Step, len(groups)), make([]int, len(groups)) // came counts the rows of each step that has ended
	for i, group := range groups {
		steps[i] = engine.Step{Query: group[0].query, Wrote: &came[i], Each: func(row engine.Scanner) error {
			for _, read := range group {
				read.row(row)
			}
			return nil
		}}
	}
	err := r.postgres.Pipeline(context.Background(), steps)
	for i, group := range groups {
		for _, read := range group {
			if err != nil && came[i] == 0 {
				read.failed(err)
			}
			close(read.done)
		}
	}
}

// equal reports whether two queries are the same, of arguments that are texts and numbers.
func equal(a, b engine.Query) bool {
	return a.Text == b.Text && slices.EqualFunc(a.Args, b.Args, func(a, b any) bool {
		switch a.(type) {
		case string, int, int64:
			return a == b
		}
		return false
	})
}
