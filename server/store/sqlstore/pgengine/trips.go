package pgengine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

const (
	// readTrips and writeTrips are how many shared round trips are under way at a time, perTrip how many statements share one.
	// While fewer are under way, none waits. A write also waits for the disk.
	readTrips  = 2
	writeTrips = 4
	perTrip    = 64
)

// trips lets statements of several callers share round trips, reads or writes. The caller of one sends those that wait together
// with its own, in its goroutine. The same query with the same arguments is run once for all that wait with it: each of them
// began before it.
type trips struct {
	postgres *postgres
	// alone runs a statement that need not wait. afterwards is called after a round trip that several share.
	alone      func(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error
	afterwards func(statements int, took time.Duration)
	// most is how many round trips are under way at a time.
	most int
	// whole is whether a failure undoes what came before it in the same round trip, as that of a write does.
	whole bool

	mu       sync.Mutex
	underWay int
	waiting  []*sharedTrip
}

// sharedTrip is a statement that may share a round trip.
type sharedTrip struct {
	query engine.Query
	each  func(engine.Scanner) error
	// lead gets the statements that the caller is to send, its own among them. done is closed when its own has ended otherwise.
	lead chan []*sharedTrip
	done chan struct{}

	mu    sync.Mutex
	rows  int   // that each was called for
	ended bool  // each is not to be called again
	err   error // what each has returned, or why the read failed
}

// errAlone is a statement that is to be repeated alone, since another one in its round trip failed, or it did.
var errAlone = errors.New("the statement did not share a round trip")

// errBusy is a statement that has waited too long for a round trip to begin.
var errBusy = errors.New("PostgreSQL does not respond to the statements before")

// row passes a row on.
func (s *sharedTrip) row(row engine.Scanner) {
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

// failed notes that not all rows may have come, or that they are undone.
func (s *sharedTrip) failed(err error, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case whole && errors.Is(err, store.ErrUnavailable): // the outcome may be unknown
		s.err = err
	case whole:
		s.err = engine.ErrUndone
	case s.ended:
	case s.rows > 0:
		s.err = err
	default:
		s.err = errAlone
	}
}

// run runs a statement outside of transactions.
func (r *trips) run(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	own := &sharedTrip{query: q, each: each, lead: make(chan []*sharedTrip, 1), done: make(chan struct{})}
	if !r.join(own) {
		defer r.leave()
		return r.alone(ctx, q, each)
	}
	patience := time.NewTimer(r.postgres.connectTimeout)
	defer patience.Stop()
	for waits := true; waits; {
		select {
		case <-own.done:
			waits = false
		case batch := <-own.lead:
			r.lead(batch)
			waits = false
		case <-ctx.Done():
			return r.abandon(ctx, own)
		case <-patience.C:
			if r.withdraw(own) {
				return engine.Failure(ctx, errBusy, true)
			}
		}
	}
	if errors.Is(own.err, errAlone) {
		return r.alone(ctx, q, each)
	}
	return own.err
}

// join reports whether the statement waits. Otherwise its caller is one of those that have a round trip under way, until leave.
func (r *trips) join(own *sharedTrip) (waits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay < r.most {
		r.underWay++
		return false
	}
	r.waiting = append(r.waiting, own)
	return true
}

// leave passes the round trip to the statements that wait, if there are some.
func (r *trips) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.underWay--
		return
	}
	n := min(len(r.waiting), perTrip)
	batch := slices.Clone(r.waiting[:n])
	r.waiting = slices.Delete(r.waiting, 0, n)
	batch[0].lead <- batch
}

// lead sends statements, then passes the round trip on.
func (r *trips) lead(batch []*sharedTrip) {
	defer r.leave()
	r.send(batch)
}

// withdraw reports whether the statement still waits; then it is no longer sent.
func (r *trips) withdraw(own *sharedTrip) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.Index(r.waiting, own)
	if at >= 0 {
		r.waiting = slices.Delete(r.waiting, at, at+1)
	}
	return at >= 0
}

// abandon ends the wait of a statement.
func (r *trips) abandon(ctx context.Context, own *sharedTrip) error {
	r.withdraw(own)
	own.mu.Lock()
	own.ended = true
	own.mu.Unlock()
	select {
	case batch := <-own.lead: // the others wait for it
		r.lead(batch)
	default:
	}
	return ctx.Err()
}

// send runs statements in one round trip. The callers of reads repeat those of which nothing has come when it failed.
func (r *trips) send(batch []*sharedTrip) {
	var groups [][]*sharedTrip // of equal queries
	for _, read := range batch {
		at := slices.IndexFunc(groups, func(g []*sharedTrip) bool { return equal(g[0].query, read.query) })
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
	err := errors.New("the round trip did not end") // for a panic of one of the callers' functions
	defer func() {
		for i, group := range groups {
			for _, read := range group {
				if err != nil && (came[i] == 0 || r.whole) {
					read.failed(err, r.whole)
				}
				close(read.done)
			}
		}
	}()
	began := time.Now()
	err = r.postgres.Pipeline(context.Background(), steps)
	r.afterwards(len(steps), time.Since(began))
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
