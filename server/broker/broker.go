// Package broker delivers the events of sessions' logs to readers as the logs grow. The log in the store is the truth:
// signals only wake readers, which then read on from their position, so that none misses an event or sees one twice. The
// readers of one session share their reads of its log. A slow reader delays nobody and holds no memory. A reader either waits
// itself, by Next, or polls and is woken, by Poll. For those that poll, a session whose log has grown has one goroutine
// while it is read.
package broker

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/store"
)

// TooManyError is one reader more than an account may have. Its text is for callers.
type TooManyError struct{ Most int }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("The account has %d open streams already; close one and try again.", e.Most)
}

// Problem implements problem.Error.
func (e *TooManyError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeRateLimitError, Message: e.Error(), RetryAfter: time.Second}
}

// Options configure a broker. All of them are required, except where they say otherwise.
type Options struct {
	// MaxReaders is how many readers an account may have, including those of other processes.
	MaxReaders int
	// Check returns an error for data of a frame that violates the contract. It is called before any reader gets the frame.
	Check func(data []byte) error
	// Now is the clock and NewID the source of ids for frames that are not in the log.
	Now   func() time.Time
	NewID func(prefix string) string
	// Budget bounds the memory that readers hold; nil does not.
	Budget *budget.Budget
}

// Store is what a broker uses of the store.
type Store interface {
	EventPosition(ctx context.Context, account, session, id string) (int64, error)
	ListEvents(ctx context.Context, account, session string, filter store.EventFilter, page store.Page) (store.List[store.Event], error)
	Watch(fn func(store.Signal)) (stop func())
}

// Broker wakes readers. Create it with New, end it with Close.
type Broker struct {
	events Store
	opts   Options
	stop   func()
	ctx    context.Context // ends when the broker is closed
	end    context.CancelFunc

	mu        sync.Mutex
	topics    map[store.SessionRef]*topic
	readers   map[string]int // by account
	elsewhere map[string]int // readers of other processes, by account
	drafts    map[store.SessionRef]*draft
}

// New returns a broker over a store.
func New(s Store, opts Options) *Broker {
	b := &Broker{
		events: s, opts: opts,
		topics: map[store.SessionRef]*topic{}, readers: map[string]int{}, drafts: map[store.SessionRef]*draft{},
	}
	b.ctx, b.end = context.WithCancel(context.Background())
	b.stop = s.Watch(b.signal)
	return b
}

// Close ends all readers: their Next and Poll return ErrClosed, and those that wait to be woken are. It may be called
// repeatedly.
func (b *Broker) Close() {
	b.stop()
	b.end()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.topics {
		t.rouse()
	}
}

// signal wakes the readers that a signal of the store is for.
func (b *Broker) signal(s store.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.Session == (store.SessionRef{}) {
		for _, t := range b.topics {
			t.wake()
		}
		return
	}
	switch {
	case s.Increment != nil:
		b.grow(*s.Increment)
	case s.State:
		if d := b.drafts[s.Session]; d != nil {
			d.stale = true
			if b.topics[s.Session] == nil {
				delete(b.drafts, s.Session)
			}
		}
	}
	if t := b.topics[s.Session]; t != nil {
		t.wake()
	}
}

// draft is an agent.message that is still being written.
type draft struct {
	eventID string
	text    []byte // append only: readers may hold a part of it
	stale   bool   // the turn has ended: no more increments come
}

// grow adds an increment to its draft. It ignores a message whose beginning this process has not seen: readers get the
// complete message as an event.
func (b *Broker) grow(inc store.Increment) {
	d := b.drafts[inc.Session]
	if d == nil || d.eventID != inc.EventID {
		if inc.Offset != 0 {
			return
		}
		d = &draft{eventID: inc.EventID}
		b.drafts[inc.Session] = d
	}
	if inc.Offset == len(d.text) {
		d.text = append(d.text, inc.Text...)
	}
}

// draftOf returns a session's draft; ok is false if there is none.
func (b *Broker) draftOf(session store.SessionRef) (d draft, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if found := b.drafts[session]; found != nil {
		return *found, true
	}
	return draft{}, false
}

// Subscribe returns a reader of a session's log that starts after the event with that id, or at the beginning for "". It
// returns a *TooManyError when the account has as many readers as it may have, store.ErrNotFound when the session does not
// exist, and store.ErrUnknownCursor when its log does not have the event. The caller must close the reader.
func (b *Broker) Subscribe(ctx context.Context, session store.SessionRef, after string, deltas Deltas) (*Reader, error) {
	r, err := b.join(session, deltas)
	if err != nil {
		return nil, err
	}
	if r.cursor, err = b.events.EventPosition(ctx, session.Account, session.ID, after); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (b *Broker) join(session store.SessionRef, deltas Deltas) (*Reader, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers[session.Account]+b.elsewhere[session.Account] >= b.opts.MaxReaders {
		return nil, &TooManyError{b.opts.MaxReaders}
	}
	b.readers[session.Account]++
	t := b.topics[session]
	if t == nil {
		t = newTopic(b, session)
		b.topics[session] = t
	}
	t.readers++
	return &Reader{topic: t, deltas: deltas, grant: b.opts.Budget.Open(session.Account)}, nil
}

func (b *Broker) leave(t *topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers[t.session.Account]--; b.readers[t.session.Account] == 0 {
		delete(b.readers, t.session.Account)
	}
	if t.readers--; t.readers > 0 {
		return
	}
	delete(b.topics, t.session)
	if d := b.drafts[t.session]; d != nil && d.stale {
		delete(b.drafts, t.session)
	}
}

// Readers returns the number of readers of this process.
func (b *Broker) Readers() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, count := range b.readers {
		n += count
	}
	return n
}

// ByAccount counts the readers of this process by account, for the accounts that have any.
func (b *Broker) ByAccount() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.readers)
}

// Elsewhere sets how many readers each account has in other processes. The broker keeps the map.
func (b *Broker) Elsewhere(readers map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.elsewhere = readers
}
