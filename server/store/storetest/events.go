package storetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Append tests AppendEvents and NewID.
func (suite) Append() map[string]test {
	return map[string]test{
		"OneStep": func(b *bed) {
			before := b.session()
			b.clock.advance(time.Hour + time.Nanosecond)
			begin := func(s *store.Session) {
				s.Title, s.Status, s.Usage.InputTokens = "new", store.StatusProcessing, 7
				s.Turn = store.Turn{ID: "turn_1", Lease: 1, Pending: []store.PendingAction{{EventID: "evt_1", Type: "agent.tool_use"}}}
			}
			got, added, err := b.AppendEvents(b.ctx, account, before.ID, func(s *store.Session) ([]store.NewEvent, error) {
				equal(b.T, "session to change", before, *s)
				begin(s)
				return someEvents(), nil
			})
			check(b.T, err)
			want := before
			begin(&want)
			want.UpdatedAt = b.clock.stamp()
			equal(b.T, "session", want, got)
			b.reads(sessionKind(), account, sessionRow(want))
			equal(b.T, "events", len(someEvents()), len(added))
			for i, n := range someEvents() {
				hasPrefix(b.T, "evt_", added[i].ID)
				equal(b.T, "event", store.Event{
					Position: int64(i) + 1, ID: added[i].ID, SessionID: before.ID, TurnID: n.TurnID, Type: n.Type, Payload: n.Payload, CreatedAt: b.clock.stamp(),
				}, added[i])
			}
			b.hasLog(account, before.ID, added)
		},
		"LaterOnesFollow": func(b *bed) {
			v := b.session()
			var want []store.Event
			for i := range 4 {
				b.clock.advance(time.Hour)
				want = append(want, b.append(v.ID, someEvents()[:i]...)...)
			}
			b.hasLog(account, v.ID, want)
		},
		"EventsAlone": func(b *bed) { // are no change of the session
			want := b.session()
			b.clock.advance(time.Hour)
			got, _, err := b.AppendEvents(b.ctx, account, want.ID, adding(someEvents()...))
			check(b.T, err)
			equal(b.T, "session", want, got)
			b.reads(sessionKind(), account, sessionRow(want))
		},
		"NothingAtAll": func(b *bed) {
			want := b.session()
			b.clock.advance(time.Hour)
			got, events, err := b.AppendEvents(b.ctx, account, want.ID, adding())
			check(b.T, err)
			equal(b.T, "events", 0, len(events))
			equal(b.T, "session", want, got)
			b.hasLog(account, want.ID, []store.Event{})
		},
		"Archived": func(b *bed) {
			v := b.session()
			_, err := sessionKind().archive(b.ctx, b, account, v.ID, b.clock.Now())
			check(b.T, err)
			b.hasLog(account, v.ID, b.append(v.ID, someEvents()...))
		},
		"Unknown": func(b *bed) {
			mine := b.session()
			want := b.append(mine.ID, someEvents()...)
			for acc, id := range map[string]string{account: "sess_unknown", other: mine.ID} {
				b.noLog(acc, id)
			}
			b.hasLog(account, mine.ID, want)
		},
		"SameID": func(b *bed) { // of a session that another account has
			foreign, err := sessionKind().create(b.ctx, b, other)
			check(b.T, err)
			b.ids.restart()
			mine := b.create(sessionKind())
			equal(b.T, "id", foreign.id, mine.id)
			want := b.append(mine.id, someEvents()...)
			b.hasLog(other, foreign.id, []store.Event{})
			check(b.T, b.DeleteSession(b.ctx, other, foreign.id, allowed))
			b.hasLog(account, mine.id, want)
		},
		"Deleted": func(b *bed) {
			first, second := b.session(), b.session()
			b.append(first.ID, someEvents()...)
			want := b.append(second.ID, someEvents()...)
			check(b.T, b.DeleteSession(b.ctx, account, first.ID, allowed))
			b.noLog(account, first.ID)
			b.hasLog(account, second.ID, want)
		},
		"DeletionUndone": func(b *bed) {
			v := b.session()
			want := b.append(v.ID, someEvents()...)
			err := b.Atomically(b.ctx, func(ctx context.Context) error {
				check(b.T, b.DeleteSession(ctx, account, v.ID, allowed))
				return errStop
			})
			fails(b.T, "transaction", errStop, err)
			fails(b.T, "deletion", errStop, b.DeleteSession(b.ctx, account, v.ID, func(store.Session) error { return errStop }))
			b.hasLog(account, v.ID, want)
		},
		"NewID": func(b *bed) {
			for _, prefix := range []string{"evt", "turn"} {
				first, second := b.NewID(prefix), b.NewID(prefix)
				hasPrefix(b.T, prefix+"_", first)
				hasPrefix(b.T, prefix+"_", second)
				if first >= second {
					b.Errorf("%s is followed by %s", first, second)
				}
			}
		},
	}
}

// someEvents are events to append, with what JSON can hold.
func someEvents() []store.NewEvent {
	return []store.NewEvent{
		{Type: "session.status_running", TurnID: "turn_1", Payload: json.RawMessage(`{}`)},
		{Type: "user.message", TurnID: "turn_1", Payload: json.RawMessage(`{"content": [ {"type":"text", "text":"你好 \u0000 \"x\" 🙂"} ]}`)},
		{Type: "user.interrupt", Payload: json.RawMessage(`{"n":  1.50, "<&>": "\u2028 '"}`)},
	}
}

// adding returns a change that adds events and leaves the session alone.
func adding(events ...store.NewEvent) func(*store.Session) ([]store.NewEvent, error) {
	return func(*store.Session) ([]store.NewEvent, error) { return events, nil }
}

// append appends events to a session of account, and returns them.
func (b *bed) append(id string, events ...store.NewEvent) []store.Event {
	b.Helper()
	added, err := appended(b.ctx, b, account, id, events...)
	check(b.T, err)
	return added
}

// appended appends events and returns them.
func appended(ctx context.Context, s store.Store, account, id string, events ...store.NewEvent) ([]store.Event, error) {
	_, added, err := s.AppendEvents(ctx, account, id, adding(events...))
	return added, err
}

// hasLog fails the test unless the session's log has these events.
func (b *bed) hasLog(account, id string, want []store.Event) {
	b.Helper()
	got := b.log(account, id)
	equal(b.T, "log", want, got)
	inOrder(b.T, got)
}

// log returns a session's log.
func (b *bed) log(account, id string) []store.Event {
	b.Helper()
	list, err := b.ListEvents(b.ctx, account, id, store.EventFilter{}, wholeLog())
	check(b.T, err)
	equal(b.T, "more events", false, list.HasMore)
	return list.Items
}

func wholeLog() store.Page { return store.Page{Limit: 1 << 20, Ascending: true} }

// inOrder fails the test unless positions count from 1, no id appears twice, times do not fall and are in UTC.
func inOrder(t *testing.T, log []store.Event) {
	t.Helper()
	ids := map[string]bool{}
	for i, e := range log {
		utc(t, e.CreatedAt)
		if e.Position != int64(i)+1 || ids[e.ID] {
			t.Errorf("event %d of the log is %s at position %d", i+1, e.ID, e.Position)
		}
		if i > 0 && e.CreatedAt.Before(log[i-1].CreatedAt) {
			t.Errorf("%s of %v follows %s of %v", e.ID, e.CreatedAt, log[i-1].ID, log[i-1].CreatedAt)
		}
		ids[e.ID] = true
	}
}

// noLog fails the test unless the session is one that does not exist.
func (b *bed) noLog(account, id string) {
	b.Helper()
	want := store.MissingError{Noun: store.NounSession, ID: id}
	got, events, err := b.AppendEvents(b.ctx, account, id, func(*store.Session) ([]store.NewEvent, error) {
		b.Error("a change is called for a session that does not exist")
		return nil, nil
	})
	missing(b.T, want, err)
	equal(b.T, "session", store.Session{}, got)
	equal(b.T, "events", 0, len(events))
	for _, cursor := range []string{"", "evt_unknown"} {
		_, err := b.EventPosition(b.ctx, account, id, cursor)
		missing(b.T, want, err)
	}
	for _, page := range []store.Page{wholeLog(), {Limit: 1, Cursor: "evt_unknown"}, {Limit: 1, Backward: true}} {
		list, err := b.ListEvents(b.ctx, account, id, store.EventFilter{}, page)
		missing(b.T, want, err)
		equal(b.T, "events", 0, len(list.Items))
	}
}

// appending is a store whose UpdateSession is AppendEvents with an event.
type appending struct{ store.Store }

// UpdateSession implements store.Sessions.
func (s appending) UpdateSession(ctx context.Context, account, id string, change func(*store.Session) error) (store.Session, error) {
	v, _, err := s.AppendEvents(ctx, account, id, func(v *store.Session) ([]store.NewEvent, error) {
		return someEvents()[:1], change(v)
	})
	return v, err
}

// AppendChanges tests AppendEvents as SessionChanges tests UpdateSession.
func (suite) AppendChanges() map[string]test { return byAppending(suite{}.SessionChanges()) }

// AppendRows tests AppendEvents as Rows tests UpdateSession.
func (suite) AppendRows() map[string]test { return byAppending(rowTests(sessionKind())) }

// byAppending turns tests of UpdateSession into tests of AppendEvents.
func byAppending(tests map[string]test) map[string]test {
	appended := map[string]test{}
	for name, run := range tests {
		appended[name] = func(b *bed) {
			b.Store = appending{b.Store}
			run(b)
		}
	}
	return appended
}

// eventIDs returns the ids of events.
func eventIDs(events []store.Event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = e.ID
	}
	return list
}
