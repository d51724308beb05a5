package sqlstore

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"testing"
	"weak"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

var followedSession = store.SessionRef{Account: "acc", ID: "sess_1"}

// eventsAt returns events at positions.
func eventsAt(first, last int64) (events []store.Event) {
	for position := first; position <= last; position++ {
		events = append(events, store.Event{Position: position, Payload: []byte("{}")})
	}
	return events
}

// append appends events to what is known.
func (r *recent) append(first, last int64) {
	r.begin(followedSession)
	r.appended(followedSession, eventsAt(first, last))
}

func (r *recent) wants(t *testing.T, what string, after int64, want []store.Event) {
	t.Helper()
	got, ok := r.following(followedSession, after, store.Page{Limit: 100})
	if ok != (want != nil) || len(got) != len(want) {
		t.Errorf("%s: after %d: %d events, %v; want %d", what, after, len(got), ok, len(want))
	}
}

// TestRecentEvents remembers the ends of logs, as far as nothing is missing in them.
func TestRecentEvents(t *testing.T) {
	t.Parallel()
	r := newRecent()
	r.wants(t, "nothing is known", 0, nil)
	r.append(3, 4)
	r.wants(t, "the beginning is not known", 1, nil)
	r.wants(t, "the end is known", 2, eventsAt(3, 4))
	r.wants(t, "nothing follows", 4, []store.Event{})
	r.wants(t, "a reader is ahead", 5, nil)
	r.append(5, 5)
	r.wants(t, "the next append", 3, eventsAt(4, 5))
	r.append(7, 8)
	r.wants(t, "one append is missing", 5, nil)
	r.append(6, 6)
	r.wants(t, "an append that comes late", 6, eventsAt(7, 8))
	if _, ok := r.following(followedSession, 6, store.Page{Limit: 1}); ok {
		t.Error("a page has more than its limit")
	}
	r.append(9, 200)
	r.wants(t, "many events", 200-recentPerLog-1, nil)
	r.wants(t, "so many are kept", 200-recentPerLog, eventsAt(201-recentPerLog, 200))
	r.append(201, 201)
	large := eventsAt(202, 202)
	large[0].Payload = make([]byte, recentBytes)
	r.begin(followedSession)
	r.appended(followedSession, large)
	r.wants(t, "a large event", 201, nil)
	r.wants(t, "after a large event", 202, []store.Event{})
}

// TestRecentEventsOfOthers forgets what it knows when another store has done something with the session, also while an append
// is under way.
func TestRecentEventsOfOthers(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(r *recent){
		"the session": func(r *recent) { r.forget(followedSession) },
		"all":         func(r *recent) { r.forget(store.SessionRef{}) },
	} {
		r := newRecent()
		r.append(1, 2)
		forget(r)
		r.wants(t, name, 0, nil)
		r.begin(followedSession)
		r.begin(followedSession)
		forget(r)
		r.appended(followedSession, eventsAt(3, 3))
		r.wants(t, name+", while it is appended to", 2, nil)
		r.undone(followedSession)
		r.append(4, 4)
		r.wants(t, name+", later", 3, eventsAt(4, 4))
		r.begin(followedSession)
		forget(r)
		r.created(followedSession)
		r.wants(t, name+", while it is created", 0, nil)
		if len(r.writing) > 0 {
			t.Errorf("%d transactions have not ended", len(r.writing))
		}
	}
}

// TestFollowEvents follows a log that this store writes, then one that another store has written to, then one that is deleted.
func TestFollowEvents(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	ctx := t.Context()
	agent, err := s.CreateAgent(ctx, "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	check(t, err)
	environment, err := s.addEnvironmentNamed(ctx, "x")
	check(t, err)
	v, err := s.CreateSession(ctx, "acc", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
	check(t, err)
	ref := store.SessionRef{Account: "acc", ID: v.ID}
	known := func(after int64) bool {
		_, ok := s.recent.following(ref, after, store.Page{Limit: 10})
		return ok
	}
	add := func() {
		_, _, err := s.AppendEvents(ctx, "acc", v.ID, func(*store.Session) ([]store.NewEvent, error) {
			return []store.NewEvent{{Type: "a", TurnID: "turn_1", Payload: []byte(`{"b":1}`)}, {Type: "c", Payload: []byte("{}")}}, nil
		})
		check(t, err)
	}
	same := func(what string, after int64) {
		t.Helper()
		got, err := s.FollowEvents(ctx, "acc", v.ID, after, store.Page{Limit: 10})
		check(t, err)
		want, err := s.ListEvents(ctx, "acc", v.ID, store.EventFilter{AfterPosition: after}, store.Page{Limit: 10, Ascending: true})
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, after %d: %s", what, after, diff)
		}
	}
	if !known(0) {
		t.Error("a new session's log is not known to be empty")
	}
	same("empty", 0)
	add()
	if !known(0) {
		t.Error("what was just appended is not known")
	}
	for after := range int64(3) {
		same("appended", after)
	}
	s.notified(`{"from":"another","account":"acc","session":"` + v.ID + `"}`)
	if known(2) {
		t.Error("a log is taken for known although another store wrote to it")
	}
	same("after a signal", 0)
	add()
	s.missed()
	if known(4) {
		t.Error("a log is taken for known although signals may have been missed")
	}
	add()
	check(t, s.DeleteSession(ctx, "acc", v.ID, func(store.Session) error { return nil }))
	if _, err := s.FollowEvents(ctx, "acc", v.ID, 4, store.Page{Limit: 10}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the log of a deleted session: %v", err)
	}
}

// TestRecentEventsOfTheirSize keeps no more of a log than it counts: neither what a slice has beside the events that are kept,
// nor the sessions whose logs it has forgotten.
func TestRecentEventsOfTheirSize(t *testing.T) {
	t.Parallel()
	r := newRecent()
	for name, kept := range map[string]int64{"the last event": 1, "none": 0} {
		events := eventsAt(1, 1+kept)
		events[0].Payload = make([]byte, recentBytes)
		dropped := weak.Make(&events[0].Payload[0])
		r.begin(followedSession)
		r.appended(followedSession, events)
		clear(events)
		runtime.GC()
		if r.wants(t, name, 1, append([]store.Event{}, eventsAt(2, 1+kept)...)); dropped.Value() != nil {
			t.Errorf("of two events, %s is kept, and the memory of the others", name)
		}
		r.forget(followedSession)
	}
	for n := range recentSize / recentOverhead {
		session := store.SessionRef{Account: "acc", ID: strconv.Itoa(n)}
		r.begin(session)
		r.created(session)
		r.forget(session)
	}
	if _, ok := r.logs.Get(store.SessionRef{Account: "acc", ID: "0"}); ok {
		t.Error("any number of logs is kept that are forgotten")
	}
}

// unsure is a database whose commits fail although they take effect.
type unsure struct{ engine.Engine }

func (u unsure) Transact(ctx context.Context, fn func(tx engine.Tx) error) error {
	if err := u.Engine.Transact(ctx, fn); err != nil {
		return err
	}
	return errNoOutcome
}

var errNoOutcome = errors.New("the connection was lost")

// TestACommitWithoutOutcome has transactions whose commit fails but takes effect: those who follow the session learn of it, at
// once or when the database notifies of it later.
func TestACommitWithoutOutcome(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	ctx := t.Context()
	agent, err := s.CreateAgent(ctx, "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	check(t, err)
	environment, err := s.addEnvironmentNamed(ctx, "x")
	check(t, err)
	v, err := s.CreateSession(ctx, "acc", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
	check(t, err)
	signals := 0
	defer s.Watch(func(store.Signal) { signals++ })()
	signalled := func(what string, want int) {
		t.Helper()
		if signals != want {
			t.Errorf("%s: %d signals, want %d", what, signals, want)
		}
		signals = 0
	}
	own := `{"from":"` + s.id + `","account":"acc","session":"` + v.ID + `"}`
	add := func(end error) error {
		return s.Atomically(ctx, func(ctx context.Context) error {
			_, _, err := s.AppendEvents(ctx, "acc", v.ID, func(*store.Session) ([]store.NewEvent, error) {
				return []store.NewEvent{{Type: "a", Payload: []byte("{}")}}, nil
			})
			return errors.Join(err, end)
		})
	}
	check(t, add(nil))
	signalled("an append", 1)
	if err := add(errNoOutcome); !errors.Is(err, errNoOutcome) {
		t.Error(err)
	}
	signalled("an append that was undone", 0)
	s.notified(own)
	signalled("a notification of what is known", 0)

	sure := s.db.Engine
	s.db.Engine = unsure{sure}
	if err := add(nil); !errors.Is(err, errNoOutcome) {
		t.Error(err)
	}
	signalled("an append without outcome", 1)
	if list, err := s.FollowEvents(ctx, "acc", v.ID, 1, store.Page{Limit: 10}); err != nil || len(list.Items) != 1 {
		t.Errorf("%d events after an append without outcome, %v", len(list.Items), err)
	}
	s.notified(own)
	signalled("a notification of what was not known", 1)
	if err := s.DeleteSession(ctx, "acc", v.ID, func(store.Session) error { return nil }); !errors.Is(err, errNoOutcome) {
		t.Error(err)
	}
	signalled("a deletion without outcome", 1)
	if _, err := s.FollowEvents(ctx, "acc", v.ID, 2, store.Page{Limit: 10}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the log of a deleted session: %v", err)
	}
	s.db.Engine = sure
}
