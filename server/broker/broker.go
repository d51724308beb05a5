// Package broker feeds readers of sessions' logs as these grow. The log in the store is the truth: signals only
// wake readers up, who then read on from where they are, so that none misses an event or sees one twice. What
// readers of one session have in common is read once. A slow reader keeps nothing and nobody waiting. It
// starts no goroutines.
package broker

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
)

// TooManyError is one reader more than an account may have. Its text is fit for callers.
type TooManyError struct{ Most int }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("The account has %d open streams already; close one and try again.", e.Most)
}

// Problem implements problem.Error.
func (e *TooManyError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeRateLimitError, Message: e.Error(), RetryAfter: time.Second}
}

// Options say how a broker works.
type Options struct {
	// MaxReaders is how many readers an account may have, those elsewhere included.
	MaxReaders int
	// Check returns an error for a frame's data that breaks the contract. It is called before any reader gets it.
	Check func(data []byte) error
	// Now is the clock, NewID the source of ids, for frames that the log has none for.
	Now   func() time.Time
	NewID func(prefix string) string
}

// Broker wakes readers. Make it with New, end it with Close.
type Broker struct {
	events store.Events
	opts   Options
	stop   func()

	mu        sync.Mutex
	closed    chan struct{}
	topics    map[store.SessionRef]*topic
	readers   map[string]int // by account
	elsewhere map[string]int // readers of other processes, by account
	drafts    map[store.SessionRef]*draft
}

// New returns a broker over a store.
func New(s store.Store, opts Options) *Broker {
	b := &Broker{
		events: s, opts: opts, closed: make(chan struct{}),
		topics: map[store.SessionRef]*topic{}, readers: map[string]int{}, drafts: map[store.SessionRef]*draft{},
	}
	b.stop = s.Watch(b.signal)
	return b
}

// Close ends all readers: their Next returns ErrClosed. It may be called more than once.
func (b *Broker) Close() {
	b.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.closed:
	default:
		close(b.closed)
	}
}

// signal is called by the store.
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

// draft is a message that is still being made.
type draft struct {
	eventID string
	text    []byte // only ever appended to: readers may keep a part of it
	stale   bool   // the turn has ended: nothing more comes
}

// grow adds an increment to its message. One whose beginning never came here is left alone: the whole message will.
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

// draftOf returns a session's message in the making; ok is false when there is none.
func (b *Broker) draftOf(session store.SessionRef) (d draft, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if found := b.drafts[session]; found != nil {
		return *found, true
	}
	return draft{}, false
}

// Subscribe returns a reader of the session's log from just after the event with that id, or from the beginning
// for "". It returns a *TooManyError when the account has as many readers as it may, store.ErrNotFound when there
// is no session and store.ErrUnknownCursor when it has no such event. The reader must be closed.
func (b *Broker) Subscribe(ctx context.Context, session store.SessionRef, after string, deltas Deltas) (*Reader, error) {
	r, err := b.join(session, after, deltas)
	if err != nil {
		return nil, err
	}
	if _, err := b.events.ListEvents(ctx, session.Account, session.ID, store.EventFilter{}, store.Page{Limit: 1, Ascending: true, Cursor: after}); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (b *Broker) join(session store.SessionRef, after string, deltas Deltas) (*Reader, error) {
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
	return &Reader{topic: t, cursor: after, deltas: deltas}, nil
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

// Readers returns how many readers there are.
func (b *Broker) Readers() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, count := range b.readers {
		n += count
	}
	return n
}

// ByAccount returns how many readers each account has here that has any.
func (b *Broker) ByAccount() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.readers)
}

// Elsewhere says how many readers accounts have at other processes. The broker keeps the map.
func (b *Broker) Elsewhere(readers map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.elsewhere = readers
}

// frame returns the frame of an event of the log.
func (b *Broker) frame(e store.Event) (Frame, error) {
	f := Frame{ID: e.ID, Type: e.Type, Data: event.Wire(e)}
	return f, b.opts.Check(f.Data)
}
