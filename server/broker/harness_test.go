package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/store"
)

// session is the session of the tests.
var session = store.SessionRef{Account: "acme", ID: "sess_1"}

// logs is a store of events in memory: one log for each session.
type logs struct {
	mu     sync.Mutex
	events map[store.SessionRef][]store.Event
	watch  []func(store.Signal)
	reads  []store.Page // that were asked for, oldest first
	fail   error        // that reads return; nil for none
	hold   chan struct{}
	ids    int

	lookups int // calls of EventPosition
}

func newLogs(sessions ...store.SessionRef) *logs {
	l := &logs{events: map[store.SessionRef][]store.Event{}}
	for _, s := range sessions {
		l.events[s] = []store.Event{}
	}
	return l
}

// Watch implements broker.Store.
func (l *logs) Watch(fn func(store.Signal)) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = append(l.watch, fn)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watch = nil
	}
}

// EventPosition implements broker.Store.
func (l *logs) EventPosition(_ context.Context, account, session, id string) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lookups++
	events, ok := l.events[store.SessionRef{Account: account, ID: session}]
	switch {
	case l.fail != nil:
		return 0, l.fail
	case !ok:
		return 0, store.ErrNotFound
	case id == "":
		return 0, nil
	}
	at := slices.IndexFunc(events, func(e store.Event) bool { return e.ID == id })
	if at < 0 {
		return 0, store.ErrUnknownCursor
	}
	return events[at].Position, nil
}

// ListEvents implements broker.Store.
func (l *logs) ListEvents(ctx context.Context, account, id string, filter store.EventFilter, page store.Page) (store.List[store.Event], error) {
	l.mu.Lock()
	hold := l.hold
	l.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return store.List[store.Event]{}, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads = append(l.reads, page)
	events, ok := l.events[store.SessionRef{Account: account, ID: id}]
	switch {
	case l.fail != nil:
		return store.List[store.Event]{}, l.fail
	case !ok:
		return store.List[store.Event]{}, store.ErrNotFound
	}
	from := int(filter.AfterPosition)
	to := min(len(events), from+page.Limit)
	return store.List[store.Event]{Items: slices.Clone(events[from:to]), HasMore: to < len(events)}, nil
}

// newID returns a fresh id. Ids do not ascend: the order of a log is that of its positions.
func (l *logs) newID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids++
	return fmt.Sprintf("evt_%06d", l.ids*7919%1_000_003)
}

// write appends an event to a session's log and returns its id. It signals nothing.
func (l *logs) write(s store.SessionRef, kind, id string, fields map[string]any) string {
	if fields == nil {
		fields = map[string]any{}
	}
	payload, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	position := int64(len(l.events[s]) + 1)
	l.events[s] = append(l.events[s], store.Event{Position: position, ID: id, SessionID: s.ID, Type: kind, Payload: payload, CreatedAt: start})
	return id
}

// signal tells the broker.
func (l *logs) signal(s store.Signal) {
	l.mu.Lock()
	watch := slices.Clone(l.watch)
	l.mu.Unlock()
	for _, fn := range watch {
		fn(s)
	}
}

// append writes n events to a session's log and signals each.
func (l *logs) append(s store.SessionRef, n int) (ids []string) {
	for range n {
		ids = append(ids, l.write(s, "user.interrupt", l.newID(), nil))
		l.signal(store.Signal{Session: s})
	}
	return ids
}

// message writes an agent's message under an id that was announced, and signals it.
func (l *logs) message(s store.SessionRef, id, text string) {
	l.write(s, "agent.message", id, map[string]any{"content": []any{map[string]any{"type": "text", "text": text}}})
	l.signal(store.Signal{Session: s})
}

// grow publishes an increment of a message.
func (l *logs) grow(s store.SessionRef, id string, offset int, text string) {
	l.signal(store.Signal{Session: s, Increment: &store.Increment{Session: s, EventID: id, Offset: offset, Text: text}})
}

// delete deletes a session.
func (l *logs) delete(s store.SessionRef) {
	l.mu.Lock()
	delete(l.events, s)
	l.mu.Unlock()
	l.signal(store.Signal{Session: s, State: true})
}

// readsSince returns the reads after the first n.
func (l *logs) readsSince(n int) []store.Page {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.reads[n:])
}

func (l *logs) set(change func(*logs)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// start is the tests' time.
var start = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)

// errInvalid is what the brokers of the tests find wrong with data that contains "invalid".
var errInvalid = errors.New("invalid data")

// open returns a broker with room for two readers of an account.
func open(t *testing.T, l *logs, change ...func(*broker.Options)) *broker.Broker {
	t.Helper()
	opts := broker.Options{
		MaxReaders: 2, Now: func() time.Time { return start }, NewID: func(string) string { return l.newID() },
		Check: func(data []byte) error {
			if strings.Contains(string(data), "invalid") {
				return errInvalid
			}
			return nil
		},
	}
	for _, c := range change {
		c(&opts)
	}
	b := broker.New(l, opts)
	t.Cleanup(b.Close)
	return b
}

// many lets an account have as many readers as a test needs.
func many(o *broker.Options) { o.MaxReaders = 1000 }

// subscribe returns a reader that is closed with the test.
func subscribe(t *testing.T, b *broker.Broker, after string, deltas broker.Deltas) *broker.Reader {
	t.Helper()
	r, err := b.Subscribe(t.Context(), session, after, deltas)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// next returns the reader's next frames, which must be there.
func next(t *testing.T, r *broker.Reader) []broker.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	frames, err := r.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

// read returns the ids of the reader's next n frames or more.
func read(t *testing.T, r *broker.Reader, n int) (ids []string) {
	t.Helper()
	for len(ids) < n {
		for _, f := range next(t, r) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// idle fails the test unless the reader has nothing to read.
func idle(t *testing.T, r *broker.Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if frames, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%d frames, %v; want none yet", len(frames), err)
	}
}

// described returns frames in short: the type, and the text or the id that it is about.
func described(frames []broker.Frame) (all []string) {
	for _, f := range frames {
		var data struct {
			EventID string `json:"event_id"`
			Event   struct{ ID, Type string }
			Delta   struct{ Content struct{ Text string } }
			Content []struct{ Text string }
		}
		if err := json.Unmarshal(f.Data, &data); err != nil {
			panic(err)
		}
		text := f.Type
		switch {
		case f.Type == "event_start":
			text += " " + data.Event.ID + " " + data.Event.Type
		case f.Type == "event_delta":
			text += " " + data.EventID + " " + data.Delta.Content.Text
		case len(data.Content) > 0:
			text += " " + data.Content[0].Text
		}
		if (f.ID == "") != strings.HasPrefix(f.Type, "event_") {
			text += " with the id " + f.ID
		}
		all = append(all, text)
	}
	return all
}
