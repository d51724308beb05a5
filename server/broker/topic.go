package broker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// pageSize and pageBytes bound what is read from the log at a time.
	pageSize  = 100
	pageBytes = 1 << 20
	// windowSize and windowBytes bound the part of a log's end that a topic keeps in memory.
	windowSize  = 64
	windowBytes = 64 << 10
)

// topic is what the readers of one session share: the end of its log, read once for all of them.
type topic struct {
	broker  *Broker
	session store.SessionRef
	readers int // guarded by the broker

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each wake
	signals int           // counts the wakes
	read    int           // the value of signals before the log was last read to its end
	window  []Frame       // the log after from, up to and including to; empty until known
	bytes   int
	known   bool // from and to are set
	from    int64
	to      int64
	gone    *Frame // the session was deleted; the last frame

	message  string // the agent.message that was read from the log last
	absent   string // an event that was not in the log when that was read up to absentTo
	absentTo int64

	reading chan struct{} // a semaphore for reading the log's end

	made    made      // the pieces of a draft that a reader got last
	waiting []waiting // the readers that are to be woken
	feeding bool      // a goroutine reads on for them
	failed  bool      // it could not
	version int       // counts what they may have to look at
}

func newTopic(b *Broker, session store.SessionRef) *topic {
	return &topic{broker: b, session: session, changed: make(chan struct{}), read: -1, reading: make(chan struct{}, 1)}
}

func (t *topic) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signals++
	t.version++
	close(t.changed)
	t.changed = make(chan struct{})
	t.feed()
}

// latest returns a channel that is closed, and the version that is passed, once there may be more than what the caller finds
// after the call.
func (t *topic) latest() (changed <-chan struct{}, version int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed, t.version
}

// after returns the frames after the cursor, none at the log's end. The grant reserves what the frames take, unless the
// topic keeps them itself.
func (t *topic) after(ctx context.Context, cursor int64, grant *budget.Grant) ([]Frame, error) {
	for {
		t.mu.Lock()
		behind := t.known && cursor < t.from
		switch {
		case t.gone != nil:
			frames := []Frame{*t.gone}
			t.mu.Unlock()
			return frames, nil
		case t.known && !behind && cursor < t.to:
			frames := t.since(cursor)
			t.mu.Unlock()
			return frames, nil
		case t.fresh() && !behind:
			t.mu.Unlock()
			return nil, nil
		}
		t.mu.Unlock()
		if behind {
			frames, _, err := t.page(ctx, cursor, grant)
			return frames, err
		}
		if frames, err := t.advance(ctx, cursor, grant); err != nil || len(frames) > 0 {
			return frames, err
		}
	}
}

// since returns the frames of the window after the cursor.
func (t *topic) since(cursor int64) []Frame {
	at, _ := slices.BinarySearchFunc(t.window, cursor+1, func(f Frame, position int64) int {
		return cmp.Compare(f.position, position)
	})
	return slices.Clone(t.window[at:])
}

// advance reads on at the log's end, or at the cursor while the end is not known. One reader at a time does so.
func (t *topic) advance(ctx context.Context, cursor int64, grant *budget.Grant) ([]Frame, error) {
	select {
	case t.reading <- struct{}{}:
		defer func() { <-t.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t.mu.Lock()
	if t.gone != nil || t.fresh() {
		t.mu.Unlock()
		return nil, nil
	}
	known, from, signals := t.known, cursor, t.signals
	if known {
		from = t.to
	}
	t.mu.Unlock()

	frames, full, err := t.page(ctx, from, grant)

	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil || t.gone != nil:
		return nil, err
	case full && !known:
		return frames, nil
	case !known:
		t.known, t.from, t.to = true, from, from
	}
	if !full {
		t.read = signals
	}
	t.version++
	t.failed = false
	t.extend(frames)
	grant.Keep(0)
	return nil, nil
}

// fresh reports whether the window ends where the log ends, as far as signals say.
func (t *topic) fresh() bool { return t.known && t.read == t.signals }

// page returns the frames of a page of the log; more is whether the log has another one. If the session was deleted it
// records that and returns none. It waits until the grant has room for the page, and for its events as the store has them.
func (t *topic) page(ctx context.Context, after int64, grant *budget.Grant) (frames []Frame, more bool, err error) {
	if err := grant.Wait(ctx, 2*pageBytes); err != nil {
		return nil, false, err
	}
	list, err := t.broker.events.ListEvents(ctx, t.session.Account, t.session.ID, store.EventFilter{AfterPosition: after},
		store.Page{Limit: pageSize, Bytes: pageBytes, Ascending: true})
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, t.end()
	}
	if err != nil {
		return nil, false, err
	}
	frames = make([]Frame, 0, len(list.Items))
	size := 0
	for _, e := range list.Items {
		f, err := t.broker.logged(e)
		if err != nil {
			return nil, false, err
		}
		frames = append(frames, f)
		size += len(f.Text)
	}
	grant.Keep(size)
	return frames, list.HasMore, nil
}

// holds reports whether an agent.message is in the log. A reader that has returned all events up to the cursor asks before
// it starts with the message's increments. A message that is not in the log now can only come after the cursor, and after
// the cursor of every reader that is not ahead of it: they need not read the store again.
func (t *topic) holds(ctx context.Context, id string, cursor int64) (bool, error) {
	t.mu.Lock()
	stored, absent := t.message == id, t.absent == id && cursor <= t.absentTo
	t.mu.Unlock()
	if stored || absent {
		return stored, nil
	}
	_, err := t.broker.events.EventPosition(ctx, t.session.Account, t.session.ID, id)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.message = id
		return true, nil
	case errors.Is(err, store.ErrUnknownCursor):
		t.absent, t.absentTo = id, cursor
		return false, nil
	case errors.Is(err, store.ErrNotFound): // the next read of the log ends the stream
		t.message = id
		return true, nil
	}
	return false, err
}

// end records that the session was deleted.
func (t *topic) end() error {
	f, err := t.broker.logged(store.Event{
		ID: t.broker.opts.NewID("evt"), SessionID: t.session.ID, Type: event.SessionDeleted, Payload: []byte("{}"),
		CreatedAt: t.broker.opts.Now().UTC(),
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone == nil {
		t.gone = &f
		t.version++
	}
	return nil
}

// extend adds frames to the window and drops the oldest.
func (t *topic) extend(frames []Frame) {
	if len(frames) == 0 {
		return
	}
	t.window = append(t.window, frames...)
	t.to = frames[len(frames)-1].position
	for _, f := range frames {
		t.bytes += len(f.Text)
		if f.Type == event.AgentMessage {
			t.message = f.ID
		}
	}
	drop := 0
	for len(t.window)-drop > windowSize || t.bytes > windowBytes && drop < len(t.window) {
		t.bytes -= len(t.window[drop].Text)
		t.from = t.window[drop].position
		drop++
	}
	t.window = slices.Delete(t.window, 0, drop)
}
