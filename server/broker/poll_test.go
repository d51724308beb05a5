package broker_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/store"
)

// woken counts how often a reader was woken.
type woken struct{ atomic.Int64 }

// Wake implements broker.Waiter.
func (w *woken) Wake() { w.Add(1) }

// poll returns what the reader has, which it reads where it must, and then waits to be woken.
func poll(t *testing.T, r *broker.Reader, w broker.Waiter) (all []broker.Frame) {
	t.Helper()
	for {
		frames, err := r.Poll(w)
		if errors.Is(err, broker.ErrBehind) {
			frames, err = r.Read(t.Context())
			if err == nil && len(frames) == 0 {
				continue
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(frames) == 0 {
			return all
		}
		all = append(all, frames...)
	}
}

// Readers that poll are woken once for each growth of the log, by one read of it, and read nothing themselves.
func TestReadersThatPollAreWoken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogs(session)
		b := open(t, l, many)
		var readers [20]*broker.Reader
		var waiters [20]woken
		for i := range readers {
			var err error
			if readers[i], err = b.Subscribe(t.Context(), session, "", broker.Deltas{}); err != nil {
				t.Fatal(err)
			}
			poll(t, readers[i], &waiters[i])
		}
		for i, r := range readers { // one that is closed is not woken
			if i%3 == 0 {
				r.Close()
			} else {
				defer r.Close()
			}
		}
		before := len(l.readsSince(0))
		ids := l.append(session, 1)
		synctest.Wait()
		if n := len(l.readsSince(before)); n != 1 {
			t.Errorf("%d reads", n)
		}
		for i, r := range readers {
			want := int64(1)
			if i%3 == 0 {
				want = 0
			}
			if got := waiters[i].Load(); got != want {
				t.Fatalf("reader %d was woken %d times, want %d", i, got, want)
			}
			if want == 0 {
				continue
			}
			if frames, err := r.Poll(&waiters[i]); err != nil || len(frames) != 1 || frames[0].ID != ids[0] {
				t.Fatalf("reader %d: %v, %v", i, frames, err)
			}
		}
	})
}

// A reader that polls is told when it has to read the store itself: at first, when it is further behind than the window, and
// when the store has failed.
func TestAReaderThatPollsIsBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogs(session)
		b := open(t, l)
		var w woken
		r, slow := subscribe(t, b, "", broker.Deltas{}), subscribe(t, b, "", broker.Deltas{})
		behind := func(r *broker.Reader) {
			t.Helper()
			if frames, err := r.Poll(&w); !errors.Is(err, broker.ErrBehind) {
				t.Fatalf("%d frames, %v", len(frames), err)
			}
		}
		behind(r)
		poll(t, r, &w)
		poll(t, slow, &w)
		var ids []string
		for range 70 {
			ids = append(ids, l.append(session, 1)...)
			synctest.Wait()
			poll(t, r, &w)
		}
		behind(slow)
		var got []string
		for _, f := range poll(t, slow, &w) {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, ids) {
			t.Errorf("%d frames, not those of the log", len(got))
		}

		l.set(func(l *logs) { l.fail = store.ErrUnavailable })
		before := w.Load()
		l.append(session, 1)
		synctest.Wait()
		if w.Load() == before {
			t.Error("nobody heard that the store fails")
		}
		behind(r)
		l.set(func(l *logs) { l.fail = nil })
		if got := poll(t, r, &w); len(got) != 1 {
			t.Errorf("%d frames", len(got))
		}
		if got := poll(t, slow, &w); len(got) != 1 {
			t.Errorf("%d frames", len(got))
		}
	})
}

// The end of the broker and of the session reach those that wait to be woken.
func TestReadersThatPollEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := store.SessionRef{Account: "acme", ID: "sess_2"}
		l := newLogs(session, other)
		b := open(t, l)
		var deleted, closed woken
		r := subscribe(t, b, "", broker.Deltas{})
		poll(t, r, &deleted)
		second, err := b.Subscribe(t.Context(), other, "", broker.Deltas{})
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		poll(t, second, &closed)
		l.delete(session)
		synctest.Wait()
		if frames, err := r.Poll(&deleted); deleted.Load() != 1 || err != nil || len(frames) != 1 || frames[0].Type != "session.deleted" {
			t.Errorf("woken %d times: %v, %v", deleted.Load(), frames, err)
		}
		if _, err := r.Poll(&deleted); !errors.Is(err, broker.ErrEnded) {
			t.Error(err)
		}
		b.Close()
		if _, err := second.Poll(&closed); closed.Load() != 1 || !errors.Is(err, broker.ErrClosed) {
			t.Errorf("woken %d times, %v", closed.Load(), err)
		}
	})
}

// settled is poll that waits until the log has been read for the reader.
func settled(t *testing.T, r *broker.Reader, w broker.Waiter) []broker.Frame {
	t.Helper()
	frames := poll(t, r, w)
	synctest.Wait()
	return append(frames, poll(t, r, w)...)
}

// Readers that poll get a message in pieces, whose bytes they share.
func TestReadersThatPollGetPieces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogs(session)
		b := open(t, l, many)
		var w woken
		first, second := subscribe(t, b, "", broker.Deltas{Message: true}), subscribe(t, b, "", broker.Deltas{Message: true})
		whole := subscribe(t, b, "", broker.Deltas{})
		for _, r := range []*broker.Reader{first, second, whole} {
			poll(t, r, &w)
		}
		woken := func(r *broker.Reader) []string { return described(settled(t, r, &w)) }
		id := l.newID()
		start, lookups := "event_start "+id+" agent.message", l.lookups
		l.grow(session, id, 0, "Hello")
		synctest.Wait()
		got, err := first.Poll(&w)
		if diff := cmp.Diff([]string{start, "event_delta " + id + " Hello"}, described(got)); diff != "" || err != nil {
			t.Error(diff, err)
		}
		same, err := second.Poll(&w)
		if err != nil || len(same) != len(got) {
			t.Fatal(same, err)
		}
		for i := range got {
			if &got[i].Text[0] != &same[i].Text[0] {
				t.Errorf("%s was made twice", got[i].Type)
			}
		}
		if n := l.lookups - lookups; n != 1 {
			t.Errorf("%d lookups of the message", n)
		}
		late := subscribe(t, b, "", broker.Deltas{Message: true})
		if diff := cmp.Diff(described(got), woken(late)); diff != "" {
			t.Error(diff)
		}
		l.grow(session, id, 5, " you")
		synctest.Wait()
		if diff := cmp.Diff([]string{"event_delta " + id + "  you"}, woken(first)); diff != "" {
			t.Error(diff)
		}
		l.message(session, id, "Hello you!")
		synctest.Wait()
		for r, want := range map[*broker.Reader][]string{
			first: {"agent.message Hello you!"}, second: {"event_delta " + id + "  you", "agent.message Hello you!"}, whole: {"agent.message Hello you!"},
		} {
			if diff := cmp.Diff(want, woken(r)); diff != "" {
				t.Error(diff)
			}
		}
	})
}
