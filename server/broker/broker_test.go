package broker_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/store"
)

func TestAReaderStartsAfterItsCursor(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	ids := l.append(session, 5)
	b := open(t, l, many)
	for after, want := range map[string][]string{"": ids, ids[0]: ids[1:], ids[3]: ids[4:], ids[4]: {}} {
		r := subscribe(t, b, after, broker.Deltas{})
		if got := read(t, r, len(want)); !slices.Equal(got, want) {
			t.Errorf("after %q: %v, want %v", after, got, want)
		}
		idle(t, r)
	}
}

func TestSubscribeRefusesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	l.append(session, 1)
	b := open(t, l)
	for name, tc := range map[string]struct {
		session store.SessionRef
		after   string
		want    error
	}{
		"another account's session": {store.SessionRef{Account: "bob", ID: session.ID}, "", store.ErrNotFound},
		"an unknown session":        {store.SessionRef{Account: "acme", ID: "sess_2"}, "", store.ErrNotFound},
		"an unknown cursor":         {session, "evt_999999", store.ErrUnknownCursor},
	} {
		if _, err := b.Subscribe(t.Context(), tc.session, tc.after, broker.Deltas{}); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	if n := b.Readers(); n != 0 {
		t.Errorf("%d readers count that were refused", n)
	}
}

// A reader blocks until there is something to read, and is woken by the session's signals and by the zero Signal, which
// stands for signals that were missed.
func TestAReaderWaitsForASignal(t *testing.T) {
	t.Parallel()
	other := store.SessionRef{Account: "acme", ID: "sess_2"}
	for name, signal := range map[string]store.Signal{"the session's": {Session: session}, "the zero Signal": {}} {
		synctest.Test(t, func(t *testing.T) {
			l := newLogs(session, other)
			b := open(t, l)
			r := subscribe(t, b, "", broker.Deltas{})
			var got []broker.Frame
			go func() { got, _ = r.Next(t.Context()) }()
			synctest.Wait()
			id := l.write(session, "user.interrupt", l.newID(), nil)
			l.signal(store.Signal{Session: other})
			synctest.Wait()
			if got != nil {
				t.Errorf("%s: woken by another session's signal", name)
			}
			l.signal(signal)
			synctest.Wait()
			if len(got) != 1 || got[0].ID != id || got[0].Type != "user.interrupt" {
				t.Errorf("%s: %+v", name, got)
			}
		})
	}
}

// A log that is longer than a page is read page by page.
func TestALongLogIsReadInPages(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	ids := l.append(session, 1050)
	r := subscribe(t, open(t, l), "", broker.Deltas{})
	var got []string
	for len(got) < len(ids) {
		frames := next(t, r)
		if len(frames) > 100 {
			t.Fatalf("%d frames at once", len(frames))
		}
		for _, f := range frames {
			got = append(got, f.ID)
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("%d frames, not those of the log", len(got))
	}
	for _, page := range l.readsSince(0) {
		if page.Limit > 100 || !page.Ascending {
			t.Fatalf("a read of %+v", page)
		}
	}
	idle(t, r)
}

// What the readers at the end of a log have in common is read once.
func TestReadersShareTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l, many)
	var readers []*broker.Reader
	for range 50 {
		r := subscribe(t, b, "", broker.Deltas{})
		idle(t, r)
		readers = append(readers, r)
	}
	before := len(l.readsSince(0))
	ids := l.append(session, 3)
	for _, r := range readers {
		if got := read(t, r, 3); !slices.Equal(got, ids) {
			t.Fatalf("%v, want %v", got, ids)
		}
	}
	if n := len(l.readsSince(before)); n != 1 {
		t.Errorf("%d reads of the log for 50 readers", n)
	}
}

// A slow reader gets everything, and costs reads of its own only once it is further behind than the window: 64 events.
func TestASlowReaderMissesNothing(t *testing.T) {
	t.Parallel()
	for _, behind := range []int{1, 63, 64, 65, 200, 1000} {
		l := newLogs(session)
		b := open(t, l)
		first := l.append(session, 1)
		fast, slow := subscribe(t, b, "", broker.Deltas{}), subscribe(t, b, "", broker.Deltas{})
		read(t, fast, 1)
		read(t, slow, 1)
		var ids []string
		for range behind {
			ids = append(ids, l.append(session, 1)...)
			if got := read(t, fast, 1); got[0] != ids[len(ids)-1] {
				t.Fatalf("the fast reader got %v, want %s", got, ids[len(ids)-1])
			}
		}
		before := len(l.readsSince(0))
		if got := read(t, slow, behind); !slices.Equal(got, ids) {
			t.Errorf("%d behind: %d frames after %v, not those of the log", behind, len(got), first)
		}
		if reads := l.readsSince(before); (len(reads) > 0) != (behind > 64) {
			t.Errorf("%d behind: %d reads of the log", behind, len(reads))
		}
		idle(t, slow)
		idle(t, fast)
	}
}

// The window is bounded in bytes as well: a reader that is a few large events behind reads them from the store.
func TestLargeEventsAreNotKept(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	fast, slow := subscribe(t, b, "", broker.Deltas{}), subscribe(t, b, "", broker.Deltas{})
	idle(t, fast)
	idle(t, slow)
	var ids []string
	for range 4 {
		id := l.newID()
		l.message(session, id, strings.Repeat("x", 100<<10))
		read(t, fast, 1)
		ids = append(ids, id)
	}
	before := len(l.readsSince(0))
	if got := read(t, slow, 4); !slices.Equal(got, ids) {
		t.Errorf("%v, want %v", got, ids)
	}
	if len(l.readsSince(before)) == 0 {
		t.Error("400 KiB were kept for a slow reader")
	}
}

// Readers that start anywhere, read at any speed and come while events are appended see each event once, in order.
func TestEveryReaderSeesEveryEventOnce(t *testing.T) {
	t.Parallel()
	const events = 500
	l := newLogs(session)
	b := open(t, l, many)
	var all sync.WaitGroup
	var got [8][]string
	for n := range got {
		all.Go(func() {
			r, err := b.Subscribe(t.Context(), session, "", broker.Deltas{})
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			var seen []string
			for len(seen) < events {
				frames, err := r.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				for _, f := range frames {
					seen = append(seen, f.ID)
				}
				if n%2 == 0 {
					time.Sleep(time.Duration(n) * 100 * time.Microsecond)
				}
			}
			got[n] = seen
		})
	}
	ids := l.append(session, events)
	all.Wait()
	for n := range got {
		if !slices.Equal(got[n], ids) {
			t.Errorf("reader %d got %d events, not those of the log", n, len(got[n]))
		}
	}
	if n := b.Readers(); n != 0 {
		t.Errorf("%d readers are left", n)
	}
}

func TestADeletedSessionEndsItsReaders(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	ids := l.append(session, 2)
	b := open(t, l)
	done, behind := subscribe(t, b, "", broker.Deltas{}), subscribe(t, b, "", broker.Deltas{})
	read(t, done, 2)
	l.delete(session)
	for name, r := range map[string]*broker.Reader{"a reader of the whole log": done, "a reader that is behind": behind} {
		var last broker.Frame
		for last.Type != "session.deleted" {
			frames := next(t, r)
			last = frames[len(frames)-1]
		}
		if slices.Contains(ids, last.ID) || !strings.Contains(string(last.Data), session.ID) {
			t.Errorf("%s: %s %s", name, last.ID, last.Data)
		}
		for range 2 {
			if _, err := r.Next(t.Context()); !errors.Is(err, broker.ErrEnded) {
				t.Errorf("%s: %v after the end", name, err)
			}
		}
	}
}

func TestCloseEndsReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogs(session)
		b := open(t, l)
		waiting, later := subscribe(t, b, "", broker.Deltas{}), subscribe(t, b, "", broker.Deltas{})
		var err error
		go func() { _, err = waiting.Next(t.Context()) }()
		synctest.Wait()
		b.Close()
		b.Close()
		synctest.Wait()
		if !errors.Is(err, broker.ErrClosed) {
			t.Errorf("the waiting reader got %v", err)
		}
		l.append(session, 1)
		if frames, err := later.Next(t.Context()); !errors.Is(err, broker.ErrClosed) {
			t.Errorf("%v, %v after Close", frames, err)
		}
		if len(l.watch) > 0 {
			t.Error("the broker still watches the store")
		}
	})
}

func TestReadersAreBoundedByAccount(t *testing.T) {
	t.Parallel()
	bobs := store.SessionRef{Account: "bob", ID: "sess_2"}
	l := newLogs(session, bobs)
	b := open(t, l)
	for range 2 {
		subscribe(t, b, "", broker.Deltas{})
	}
	refused := func(s store.SessionRef) {
		t.Helper()
		_, err := b.Subscribe(t.Context(), s, "", broker.Deltas{})
		var many *broker.TooManyError
		p, _ := problem.Of(err)
		if !errors.As(err, &many) || many.Most != 2 || p.HTTPStatus() != 429 || p.RetryAfter != time.Second {
			t.Errorf("%v, %+v", err, p)
		}
	}
	counts := func(want map[string]int) {
		t.Helper()
		total := 0
		for _, n := range want {
			total += n
		}
		if got := b.ByAccount(); !maps.Equal(got, want) || b.Readers() != total {
			t.Errorf("%v and %d readers, want %v", got, b.Readers(), want)
		}
	}
	refused(session)
	counts(map[string]int{"acme": 2})

	b.Elsewhere(map[string]int{"bob": 1})
	r, err := b.Subscribe(t.Context(), bobs, "", broker.Deltas{})
	if err != nil {
		t.Fatal(err)
	}
	refused(bobs) // one here, one elsewhere
	counts(map[string]int{"acme": 2, "bob": 1})
	b.Elsewhere(nil)
	again, err := b.Subscribe(t.Context(), bobs, "", broker.Deltas{})
	if err != nil {
		t.Fatalf("%v, once there are none elsewhere", err)
	}
	counts(map[string]int{"acme": 2, "bob": 2})
	again.Close()
	r.Close()
	counts(map[string]int{"acme": 2})
}

func TestAContextThatEndsEndsNextOnly(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	r := subscribe(t, open(t, l), "", broker.Deltas{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	ids := l.append(session, 1)
	if got := read(t, r, 1); !slices.Equal(got, ids) {
		t.Errorf("%v, want %v", got, ids)
	}
}

// After an error of the store a reader continues where it was.
func TestAReaderSurvivesFailuresOfTheStore(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	r := subscribe(t, open(t, l), "", broker.Deltas{})
	ids := l.append(session, 3)
	l.set(func(l *logs) { l.fail = store.ErrUnavailable })
	for range 2 {
		if _, err := r.Next(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	l.set(func(l *logs) { l.fail = nil })
	if got := read(t, r, 3); !slices.Equal(got, ids) {
		t.Errorf("%v, want %v", got, ids)
	}
}

// A reader that waits for another one's slow read can leave, and readers of other sessions are not held up.
func TestASlowReadHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := store.SessionRef{Account: "acme", ID: "sess_2"}
		l := newLogs(session, other)
		b := open(t, l, many)
		first, second := subscribe(t, b, "", broker.Deltas{}), subscribe(t, b, "", broker.Deltas{})
		free, err := b.Subscribe(t.Context(), other, "", broker.Deltas{})
		if err != nil {
			t.Fatal(err)
		}
		defer free.Close()
		hold := make(chan struct{})
		l.set(func(l *logs) { l.hold = hold })
		l.append(session, 1)
		go func() { _, _ = first.Next(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := second.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		l.set(func(l *logs) { l.hold = nil })
		ids := l.append(other, 1)
		if got := read(t, free, 1); !slices.Equal(got, ids) {
			t.Errorf("%v, want %v", got, ids)
		}
		close(hold)
		synctest.Wait()
	})
}

// Data that violates the contract reaches no reader, however often it asks, and what came before it does.
func TestInvalidDataReachesNobody(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	b := open(t, l)
	follows := subscribe(t, b, "", broker.Deltas{})
	ids := l.append(session, 1)
	read(t, follows, 1)
	l.message(session, l.newID(), "invalid")
	for range 2 {
		if frames, err := follows.Next(t.Context()); !errors.Is(err, errInvalid) {
			t.Errorf("%v, %v after %v", frames, err, ids)
		}
	}
}
