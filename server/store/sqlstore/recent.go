package sqlstore

import (
	"context"
	"slices"
	"sync"

	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// recentSize bounds the events that a store remembers, in bytes, recentPerLog and recentBytes those of one log.
	recentSize   = 8 << 20
	recentPerLog = 64
	recentBytes  = 64 << 10
	// recentOverhead is what an event or a log takes besides the payloads.
	recentOverhead = 256
)

// recent are the ends of logs that this store has written: those who follow a log need not read back what was just appended.
// What another store does with a session is signalled before anyone follows it, so a signal of another store ends what is known
// of its log. An append that was under way meanwhile is not remembered: it may be older than what was signalled.
type recent struct {
	mu      sync.Mutex
	logs    *cache.Cache[store.SessionRef, recentLog]
	writing map[store.SessionRef]*writing
}

// recentLog is the end of a log: the events after a position, up to its last one. The zero value knows nothing.
type recentLog struct {
	known  bool
	after  int64
	events []store.Event
}

// last returns the position of the log's last event.
func (l recentLog) last() int64 { return l.after + int64(len(l.events)) }

// writing are the transactions that append to a log.
type writing struct {
	count     int
	disturbed bool // by a signal of another store, or the session's deletion
}

func newRecent() *recent {
	return &recent{logs: cache.New[store.SessionRef, recentLog](recentSize), writing: map[store.SessionRef]*writing{}}
}

// begin notes that a transaction writes to a log. It is called before the session is locked; end must be called after the
// transaction.
func (r *recent) begin(session store.SessionRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.writing[session]
	if w == nil {
		w = &writing{}
		r.writing[session] = w
	}
	w.count++
}

// end reports whether the log's end is as the transaction has left it, as far as others are concerned. r.mu is locked.
func (r *recent) end(session store.SessionRef) (undisturbed bool) {
	w := r.writing[session]
	if w.count--; w.count == 0 {
		delete(r.writing, session)
	}
	return !w.disturbed
}

// undone ends a transaction that has appended nothing.
func (r *recent) undone(session store.SessionRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(session)
}

// created ends the transaction that has created a session: its log is empty.
func (r *recent) created(session store.SessionRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.logs.Get(session); r.end(session) && !ok {
		r.put(session, recentLog{known: true})
	}
}

// appended ends a transaction that has appended events.
func (r *recent) appended(session store.SessionRef, events []store.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.end(session) || len(events) == 0 {
		return
	}
	before := events[0].Position - 1
	log, _ := r.logs.Get(session)
	switch {
	case log.known && log.last() == before:
		log.events = slices.Concat(log.events, events)
	case log.known && log.last() > before: // a later append has come before
		return
	default:
		log = recentLog{known: true, after: before, events: slices.Clone(events)}
	}
	r.put(session, log)
}

// put keeps the end of a log, as much of it as there is room for.
func (r *recent) put(session store.SessionRef, log recentLog) {
	size, first := 0, len(log.events)
	for ; first > 0; first-- {
		size += len(log.events[first-1].Payload) + recentOverhead
		if size > recentBytes || len(log.events)-first == recentPerLog {
			break
		}
	}
	if first > 0 { // a part of the slice would hold all of its events
		log.after, log.events = log.after+int64(first), append([]store.Event(nil), log.events[first:]...)
	}
	r.logs.Add(session, log, min(size, recentBytes)+recentOverhead)
}

// forget ends what is known of a log, and of every log for the zero session.
func (r *recent) forget(session store.SessionRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if session == (store.SessionRef{}) {
		for _, w := range r.writing {
			w.disturbed = true
		}
		r.logs = cache.New[store.SessionRef, recentLog](recentSize)
		return
	}
	if w := r.writing[session]; w != nil {
		w.disturbed = true
	}
	if _, ok := r.logs.Get(session); ok {
		r.logs.Add(session, recentLog{}, recentOverhead)
	}
}

// following returns the events after a position, if all of them are known and fit on the page.
func (r *recent) following(session store.SessionRef, after int64, page store.Page) (events []store.Event, ok bool) {
	r.mu.Lock()
	log, _ := r.logs.Get(session)
	r.mu.Unlock()
	if !log.known || after < log.after || after > log.last() {
		return nil, false
	}
	events = log.events[after-log.after:]
	taken := tally{page: page}
	for i := range events {
		if i == page.Limit || taken.add(eventSize(&events[i])) != nil {
			return nil, false
		}
	}
	return append([]store.Event{}, events...), true
}

// remembered remembers what a transaction appends to a log once it has committed.
func (s *Store) remembered(ctx context.Context, session store.SessionRef, events *[]store.Event) {
	s.recent.begin(session)
	s.afterCommit(ctx, func() { s.recent.appended(session, *events) })
	s.afterUndo(ctx, func(bool) { s.recent.undone(session) })
}

// remembersNew is remembered for a transaction that creates the session.
func (s *Store) remembersNew(ctx context.Context, session store.SessionRef) {
	s.recent.begin(session)
	s.afterCommit(ctx, func() { s.recent.created(session) })
	s.afterUndo(ctx, func(bool) { s.recent.undone(session) })
}

// FollowEvents implements store.Events.
func (s *Store) FollowEvents(ctx context.Context, account, session string, after int64, page store.Page) (store.List[store.Event], error) {
	page.Ascending, page.Backward, page.Cursor = true, false, ""
	if err := ctx.Err(); err != nil {
		return store.List[store.Event]{Items: []store.Event{}}, err
	}
	if _, within := s.scopeOf(ctx); !within && page.Reserve == nil {
		if events, ok := s.recent.following(store.SessionRef{Account: account, ID: session}, after, page); ok {
			if err := s.enter(); err != nil {
				return store.List[store.Event]{Items: []store.Event{}}, err
			}
			s.calls.Done()
			return store.List[store.Event]{Items: events}, nil
		}
	}
	return s.ListEvents(ctx, account, session, store.EventFilter{AfterPosition: after}, page)
}
