package broker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/store"
)

// large fills the session's log with two pages, of about 1 MB each.
func large(l *logs) {
	for range 200 {
		l.write(session, "user.message", l.newID(), map[string]any{"content": strings.Repeat("a", 10_000)})
	}
}

// A reader that is behind the window reserves the frames that it has got, until it asks for the next ones or is closed.
func TestFramesAreReserved(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	large(l)
	bytes := budget.New(64 << 20)
	b := open(t, l, func(o *broker.Options) { o.Budget = bytes })
	r := subscribe(t, b, "", broker.Deltas{})
	page := 0
	for _, f := range next(t, r) {
		page += len(f.Text)
	}
	if got := bytes.Used(); got != int64(page) || page < 1_000_000 {
		t.Errorf("%d bytes are reserved for frames of %d", got, page)
	}
	for range 2 { // the second page, then the end
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, _ = r.Next(ctx)
		cancel()
	}
	if got := bytes.Used(); got != 0 {
		t.Errorf("%d bytes are reserved by a reader that has nothing", got)
	}
	other := subscribe(t, b, "", broker.Deltas{})
	next(t, other)
	if bytes.Used() == 0 {
		t.Error("nothing is reserved for the frames of another reader")
	}
	other.Close()
	if got := bytes.Used(); got != 0 {
		t.Errorf("%d bytes are reserved by a closed reader", got)
	}
}

// Readers wait for memory, rather than hold more of it than their account may.
func TestReadersWaitForMemory(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	large(l)
	bytes := budget.New(16 << 20) // 4 MiB for an account: the frames of two readers, and the 2 MiB that a page takes when it is read
	b := open(t, l, many, func(o *broker.Options) { o.Budget = bytes })
	readers := make([]*broker.Reader, 4)
	for i := range readers {
		readers[i] = subscribe(t, b, "", broker.Deltas{})
	}
	for _, r := range readers[:3] {
		next(t, r)
	}
	reads := len(l.readsSince(0))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if frames, err := readers[3].Next(ctx); err == nil {
		t.Errorf("%d frames, with %d bytes reserved", len(frames), bytes.Used())
	}
	if more := l.readsSince(reads); len(more) > 0 {
		t.Errorf("%d pages were read without memory for them", len(more))
	}
	readers[0].Close()
	next(t, readers[3])
}

// A reader that cannot read the store, and waits until it tries again, holds nothing.
func TestAReaderThatFailsHoldsNothing(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	large(l)
	bytes := budget.New(64 << 20)
	r := subscribe(t, open(t, l, func(o *broker.Options) { o.Budget = bytes }), "", broker.Deltas{})
	l.set(func(l *logs) { l.fail = store.ErrUnavailable })
	if _, err := r.Read(t.Context()); !errors.Is(err, store.ErrUnavailable) || bytes.Used() != 0 {
		t.Errorf("%v, with %d bytes reserved", err, bytes.Used())
	}
}

// Each reader that comes late to a long message has a piece of its own. Readers wait for memory for those, and then get all of
// the message in pieces, before the message itself.
func TestLargePiecesAreReserved(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("é", 400_000)
	for name, ended := range map[string]bool{"while the message is written": false, "once it is there": true} {
		t.Run(name, inBubble(func(t *testing.T) {
			l := newLogs(session)
			bytes := budget.New(16 << 20) // 4 MiB for an account
			b := open(t, l, many, func(o *broker.Options) { o.Budget = bytes })
			var w woken
			readers := make([]*broker.Reader, 6)
			id := l.newID()
			l.grow(session, id, 0, "e")
			for i := range readers {
				readers[i] = subscribe(t, b, "", broker.Deltas{Message: true})
				if got := poll(t, readers[i], &w); len(got) != 2 {
					t.Fatal(described(got))
				}
			}
			l.grow(session, id, 1, text)
			want := []string{"event_delta " + id + " " + text}
			if ended {
				l.message(session, id, "e"+text)
				want = append(want, "agent.message e"+text)
			}
			served := 0
			for _, r := range readers {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				if frames, err := r.Read(ctx); err == nil {
					served++
					if got := described(frames); !slices.Equal(got, want) {
						t.Errorf("%d frames", len(got))
					}
				}
				cancel()
			}
			if used := bytes.Used(); served == 0 || served == len(readers) || used < int64(served*len(text)) {
				t.Fatalf("%d readers have pieces, %d bytes are reserved", served, used)
			}
			if _, err := readers[served].Poll(&w); !errors.Is(err, broker.ErrBehind) {
				t.Error(err)
			}
			for _, r := range readers[:served] {
				r.Close()
			}
			for _, r := range readers[served:] {
				frames := next(t, r)
				for len(frames) < len(want) {
					frames = append(frames, next(t, r)...)
				}
				if got := described(frames); !slices.Equal(got, want) {
					t.Errorf("%d frames", len(got))
				}
				r.Close()
			}
		}))
	}
}

// inBubble is a test whose time passes only while all of it waits.
func inBubble(test func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, test) }
}

// A reader that has to wait for memory between two messages misses no piece of the first.
func TestAReaderThatWaitsForMemoryMissesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogs(session)
		bytes := budget.New(16 << 20) // 4 MiB for an account, of which a grant counts up to 2 MiB
		others := []*budget.Grant{bytes.Open("acme"), bytes.Open("acme")}
		first, second, text := l.newID(), l.newID(), strings.Repeat("x", 900_000)
		taken := false // others no longer need the memory
		r := subscribe(t, open(t, l, func(o *broker.Options) {
			o.Budget = bytes
			o.Check = func(data []byte) error {
				if !taken && strings.Contains(string(data), `" morning"`) { // the last piece of the first message
					return errors.Join(others[0].Grow(2<<20), others[1].Grow(1<<20))
				}
				return nil
			}
		}), "", broker.Deltas{Message: true})
		l.grow(session, first, 0, "Good")
		expect(t, r, "event_start "+first+" agent.message", "event_delta "+first+" Good")
		l.grow(session, second, 0, text)
		l.message(session, first, "Good morning")
		l.message(session, second, text)
		idle(t, r)
		for _, g := range others {
			g.Close()
		}
		taken = true
		expect(t, r, "event_delta "+first+"  morning", "agent.message Good morning",
			"event_start "+second+" agent.message", "event_delta "+second+" "+text, "agent.message "+text)
	})
}

// While a piece of a message is made, its session goes on.
func TestAPieceKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	r := subscribe(t, open(t, l, func(o *broker.Options) {
		o.Check = func(data []byte) error {
			if !strings.Contains(string(data), "Hello") {
				return nil
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				l.signal(store.Signal{Session: session})
			}()
			select {
			case <-done:
				return nil
			case <-time.After(5 * time.Second):
				return errInvalid
			}
		}
	}), "", broker.Deltas{Message: true})
	id := l.newID()
	l.grow(session, id, 0, "Hello")
	expect(t, r, "event_start "+id+" agent.message", "event_delta "+id+" Hello")
}
