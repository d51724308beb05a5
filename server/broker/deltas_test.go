package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/store"
)

// expect fails the test unless these are the reader's next frames.
func expect(t *testing.T, r *broker.Reader, want ...string) {
	t.Helper()
	var got []string
	for len(got) < len(want) {
		got = append(got, described(next(t, r))...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDeltasAreForReadersThatAskForThem(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	pieces, whole := subscribe(t, b, "", broker.Deltas{Message: true}), subscribe(t, b, "", broker.Deltas{})
	idle(t, pieces)
	id := l.newID()
	l.grow(session, id, 0, "Hel")
	expect(t, pieces, "event_start "+id+" agent.message", "event_delta "+id+" Hel")
	l.grow(session, id, 3, "lo ")
	l.grow(session, id, 6, "you")
	expect(t, pieces, "event_delta "+id+" lo you")
	idle(t, pieces)
	idle(t, whole)
	l.message(session, id, "Hello you!")
	expect(t, pieces, "agent.message Hello you!")
	expect(t, whole, "agent.message Hello you!")
}

// The pieces of a message always add up to it: what a reader has not seen of its text comes just before it.
func TestWhatIsLeftOfAMessageComesBeforeIt(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	r := subscribe(t, b, "", broker.Deltas{Message: true})
	id := l.newID()
	l.grow(session, id, 0, "Hel")
	expect(t, r, "event_start "+id+" agent.message", "event_delta "+id+" Hel")
	l.grow(session, id, 3, "lo")
	l.message(session, id, "Hello")
	expect(t, r, "event_delta "+id+" lo", "agent.message Hello")
	idle(t, r)

	// The same once the text in the making is lost, as after the messages of another turn.
	id, later := l.newID(), l.newID()
	l.grow(session, id, 0, "Good")
	expect(t, r, "event_start "+id+" agent.message", "event_delta "+id+" Good")
	l.grow(session, later, 0, "?")
	l.message(session, id, "Good morning")
	expect(t, r, "event_delta "+id+"  morning", "agent.message Good morning")
}

// A reader that comes in the middle of a message gets all of its text so far; a broker that has not seen its beginning
// leaves it to the event.
func TestAMessageThatHasBegun(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	id := l.newID()
	l.grow(session, id, 0, "Hel")
	l.grow(session, id, 3, "lo")
	r := subscribe(t, b, "", broker.Deltas{Message: true})
	expect(t, r, "event_start "+id+" agent.message", "event_delta "+id+" Hello")
	l.message(session, id, "Hello")
	expect(t, r, "agent.message Hello")

	id = l.newID()
	l.grow(session, id, 7, "unseen beginning")
	idle(t, r)
	l.message(session, id, "Whatever it was")
	expect(t, r, "agent.message Whatever it was")
}

// An increment that is repeated, or that comes after a gap, changes nothing.
func TestIncrementsOutOfOrder(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	r := subscribe(t, open(t, l), "", broker.Deltas{Message: true})
	id := l.newID()
	l.grow(session, id, 0, "one ")
	expect(t, r, "event_start "+id+" agent.message", "event_delta "+id+" one ")
	l.grow(session, id, 0, "one ")
	l.grow(session, id, 8, "three")
	idle(t, r)
	l.grow(session, id, 4, "two ")
	expect(t, r, "event_delta "+id+" two ")
}

// A message whose turn has ended without it is not continued, and no reader that comes later hears of it.
func TestAMessageThatIsAbandoned(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	id := l.newID()
	l.grow(session, id, 0, "Hel")
	r := subscribe(t, b, "", broker.Deltas{Message: true})
	expect(t, r, "event_start "+id+" agent.message", "event_delta "+id+" Hel")
	l.signal(store.Signal{Session: session, State: true})
	l.grow(session, id, 3, "lo")
	idle(t, r)
	idle(t, subscribe(t, b, "", broker.Deltas{Message: true}))
}

// Nothing stays in memory of a session without readers and without a turn.
func TestNothingIsKeptWithoutReaders(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	kept := func(topics, drafts int) {
		t.Helper()
		if gotTopics, gotDrafts := b.Kept(); gotTopics != topics || gotDrafts != drafts {
			t.Errorf("%d topics and %d drafts are kept, want %d and %d", gotTopics, gotDrafts, topics, drafts)
		}
	}
	ended := store.Signal{Session: session, State: true}
	l.grow(session, l.newID(), 0, "nobody reads this")
	kept(0, 1)
	l.signal(ended)
	kept(0, 0)
	r, err := b.Subscribe(t.Context(), session, "", broker.Deltas{Message: true})
	if err != nil {
		t.Fatal(err)
	}
	l.grow(session, l.newID(), 0, "one reader")
	l.signal(ended)
	kept(1, 1)
	r.Close()
	kept(0, 0)
}

func TestThinkingHasAStartOnly(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	asks, other := subscribe(t, b, "", broker.Deltas{Thinking: true}), subscribe(t, b, "", broker.Deltas{Message: true})
	id := l.write(session, "agent.thinking", l.newID(), nil)
	l.signal(store.Signal{Session: session})
	expect(t, asks, "event_start "+id+" agent.thinking", "agent.thinking")
	expect(t, other, "agent.thinking")
}

// What a reader resumes after is not begun again.
func TestResumingAfterAMessage(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	id := l.newID()
	l.grow(session, id, 0, "Hello")
	l.message(session, id, "Hello")
	r := subscribe(t, b, id, broker.Deltas{Message: true})
	idle(t, r)
	ids := l.append(session, 1)
	if got := read(t, r, 1); got[0] != ids[0] {
		t.Errorf("%v, want %v", got, ids)
	}
}

// A message that is interrupted comes after the interrupt, although its id is the earlier one: a reader that resumes in
// between gets all of it, one that resumes after it nothing.
func TestAMessageThatIsInterrupted(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l, many)
	id := l.newID()
	l.grow(session, id, 0, "Hello")
	early := subscribe(t, b, "", broker.Deltas{Message: true})
	expect(t, early, "event_start "+id+" agent.message", "event_delta "+id+" Hello")
	interrupt := l.append(session, 1)[0]
	expect(t, early, "user.interrupt")
	between := subscribe(t, b, interrupt, broker.Deltas{Message: true})
	expect(t, between, "event_start "+id+" agent.message", "event_delta "+id+" Hello")
	l.message(session, id, "Hello")
	for _, r := range []*broker.Reader{early, between} {
		expect(t, r, "agent.message Hello")
		idle(t, r)
	}
	expect(t, subscribe(t, b, interrupt, broker.Deltas{}), "agent.message Hello")
	idle(t, subscribe(t, b, id, broker.Deltas{Message: true}))
	l.append(session, 1)
	late := subscribe(t, b, interrupt, broker.Deltas{})
	expect(t, late, "agent.message Hello", "user.interrupt")
}

// Increments that arrive after their message, as from another process, are not given.
func TestLateIncrements(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	id := l.newID()
	r := subscribe(t, b, "", broker.Deltas{Message: true})
	l.grow(session, id, 0, "Hel")
	l.message(session, id, "Hello")
	expect(t, r, "event_start "+id+" agent.message", "event_delta "+id+" Hel", "agent.message Hello")
	l.grow(session, id, 3, "lo")
	idle(t, r)
	id = l.newID()
	l.message(session, id, "Good morning")
	expect(t, r, "agent.message Good morning")
	l.grow(session, id, 0, "Good morning")
	idle(t, r)
	idle(t, subscribe(t, b, id, broker.Deltas{Message: true}))
}

// Whether a message is in the log already is asked once for the readers at its end, not once for each of them.
func TestReadersShareTheSearchForAMessage(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l, many)
	var readers []*broker.Reader
	for range 20 {
		r := subscribe(t, b, "", broker.Deltas{Message: true})
		idle(t, r)
		readers = append(readers, r)
	}
	before := l.lookups
	id := l.newID()
	l.grow(session, id, 0, "Hel")
	for _, r := range readers {
		expect(t, r, "event_start "+id+" agent.message", "event_delta "+id+" Hel")
	}
	if n := l.lookups - before; n != 1 {
		t.Errorf("%d look-ups", n)
	}
}

// A piece that violates the contract does not reach the reader.
func TestAnInvalidPiece(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	r := subscribe(t, open(t, l), "", broker.Deltas{Message: true})
	l.grow(session, l.newID(), 0, "invalid")
	if frames, err := r.Next(t.Context()); !errors.Is(err, errInvalid) {
		t.Errorf("%s, %v", strings.Join(described(frames), ", "), err)
	}
}
