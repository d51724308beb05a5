package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// EventOrder tests the positions, ids and times of events, whatever the clocks and sources of ids say.
func (suite) EventOrder() map[string]test {
	return map[string]test{
		"ClockGoesBack": func(b *bed) { // then each append is a microsecond later than the one before
			v := b.session()
			want := b.append(v.ID, someEvents()...)
			b.clock.advance(-time.Hour)
			want = append(want, b.append(v.ID, someEvents()...)...)
			b.clock.advance(30 * time.Minute)
			want = append(want, b.append(v.ID, someEvents()...)...)
			b.hasLog(account, v.ID, want)
			equal(b.T, "time of the last event", want[0].CreatedAt.Add(2*time.Microsecond), want[len(want)-1].CreatedAt)
			b.clock.advance(time.Hour)
			equal(b.T, "time of the next event", b.clock.stamp(), b.append(v.ID, someEvents()[0])[0].CreatedAt)
		},
		"IDsInAnyOrder": func(b *bed) { // stay as they are: the order is that of the appends
			v := b.session()
			ids := []string{"evt_zzzzzz", "evt_0", "evt_" + uuid7, "", "evt_9", "evt_ffffff", "", "evt_1"}
			var want []store.Event
			for i, id := range ids {
				events := someEvents()[:1+i%3]
				events[i%len(events)].ID = id
				added := b.append(v.ID, events...)
				if id != "" {
					equal(b.T, "id", id, added[i%len(events)].ID)
				}
				for _, e := range added {
					hasPrefix(b.T, "evt_", e.ID)
				}
				want = append(want, added...)
			}
			b.hasLog(account, v.ID, want)
			b.resumes(account, v.ID, want)
		},
		"ReservedID": func(b *bed) { // is given although other events came in between
			v := b.session()
			first, late := someEvents()[0], someEvents()[1]
			first.ID, late.ID = b.NewID("evt"), b.NewID("evt")
			want := b.append(v.ID, late)
			want = append(want, b.append(v.ID, someEvents()[0], first)...)
			equal(b.T, "ids", []string{late.ID, first.ID}, []string{want[0].ID, want[2].ID})
			b.hasLog(account, v.ID, want)
			b.resumes(account, v.ID, want)
		},
		"SameIDAgain": func(b *bed) { // in one session is an error, and nothing of the append stays
			v, second := b.session(), b.session()
			taken := someEvents()[0]
			taken.ID = b.NewID("evt")
			want := b.append(v.ID, taken)
			fresh := someEvents()[1]
			fresh.ID = b.NewID("evt")
			for _, events := range [][]store.NewEvent{{taken}, {fresh, taken}, {taken, fresh}, {fresh, fresh}} {
				got, added, err := b.AppendEvents(b.ctx, account, v.ID, func(s *store.Session) ([]store.NewEvent, error) {
					s.Title = "changed"
					return events, nil
				})
				fails(b.T, "append", store.ErrExists, err)
				equal(b.T, "session", store.Session{}, got)
				equal(b.T, "events", 0, len(added))
			}
			b.reads(sessionKind(), account, sessionRow(v))
			b.hasLog(account, v.ID, want)
			b.hasLog(account, second.ID, b.append(second.ID, taken))
			b.hasLog(account, v.ID, append(want, b.append(v.ID, fresh)...))
		},
		"ReservedAndUndone": func(b *bed) {
			v := b.session()
			n := someEvents()[0]
			n.ID = b.NewID("evt")
			fails(b.T, "transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
				added, err := appended(ctx, b, account, v.ID, n)
				check(b.T, err)
				equal(b.T, "id", n.ID, added[0].ID)
				return errStop
			}))
			want := b.append(v.ID, n)
			equal(b.T, "id", n.ID, want[0].ID)
			b.hasLog(account, v.ID, want)
		},
		"EventPosition": func(b *bed) {
			v, second := b.session(), b.session()
			events := someEvents()
			events[0].ID, events[2].ID = "evt_9", "evt_1"
			for i, e := range b.append(v.ID, events...) {
				got, err := b.EventPosition(b.ctx, account, v.ID, e.ID)
				check(b.T, err)
				equal(b.T, "position", int64(i)+1, got)
				_, err = b.EventPosition(b.ctx, account, second.ID, e.ID)
				fails(b.T, "position in another log", store.ErrUnknownCursor, err)
			}
			start, err := b.EventPosition(b.ctx, account, v.ID, "")
			check(b.T, err)
			equal(b.T, "position of the beginning", 0, start)
		},
		"LastPosition": func(b *bed) {
			v, second := b.session(), b.session()
			last := func(owner, session string, want int) {
				b.Helper()
				got, err := b.LastPosition(b.ctx, owner, session)
				check(b.T, err)
				equal(b.T, "last position", int64(want), got)
			}
			gone := func(owner, session string) {
				b.Helper()
				_, err := b.LastPosition(b.ctx, owner, session)
				missing(b.T, store.MissingError{Noun: store.NounSession, ID: session}, err)
			}
			last(account, v.ID, 0)
			n := len(b.append(v.ID, someEvents()...))
			last(account, v.ID, n)
			last(account, second.ID, 0)
			b.append(v.ID, someEvents()[0])
			last(account, v.ID, n+1)
			gone(other, v.ID)
			check(b.T, b.DeleteSession(b.ctx, account, v.ID, allowed))
			gone(account, v.ID)
			gone(account, "sess_none")
		},
		"Followers": func(b *bed) {
			v := b.session()
			follow := func(after int64, limit int) ([]store.Event, error) {
				list, err := b.FollowEvents(b.ctx, account, v.ID, after, store.Page{Limit: limit})
				return list.Items, err
			}
			var log []store.Event
			for range 3 {
				for after := range int64(len(log) + 2) {
					for _, limit := range []int{1, 2, 100} {
						got, err := follow(after, limit)
						check(b.T, err)
						rest := log[min(int(after), len(log)):]
						equal(b.T, "events", eventIDs(rest[:min(limit, len(rest))]), eventIDs(got))
					}
				}
				log = append(log, b.append(v.ID, someEvents()...)...)
			}
			check(b.T, b.DeleteSession(b.ctx, account, v.ID, allowed))
			_, err := follow(int64(len(log)), 1)
			missing(b.T, store.MissingError{Noun: store.NounSession, ID: v.ID}, err)
			_, err = b.FollowEvents(b.ctx, other, v.ID, 0, store.Page{Limit: 1})
			missing(b.T, store.MissingError{Noun: store.NounSession, ID: v.ID}, err)
		},
		"EachSessionAlone": func(b *bed) { // is not held up by what another's log has
			first, second := b.session(), b.session()
			b.append(first.ID, someEvents()...)
			b.clock.advance(-time.Hour)
			want := b.append(second.ID, someEvents()...)
			equal(b.T, "time", b.clock.stamp(), want[0].CreatedAt)
			b.hasLog(account, second.ID, want)
		},
	}
}

// uuid7 is the last of its millisecond.
const uuid7 = "019e3bb1e8c17fffbfffffffffffffff"

// resumes fails the test unless a reader can continue from every event of the log, by its id and by its position, in
// both directions.
func (b *bed) resumes(account, session string, log []store.Event) {
	b.Helper()
	for i, e := range log {
		for what, page := range map[string]store.Page{
			"after":  {Limit: len(log), Ascending: true, Cursor: e.ID},
			"before": {Limit: len(log), Ascending: true, Cursor: e.ID, Backward: true},
		} {
			want := log[i+1:]
			if page.Backward {
				want = log[:i]
			}
			list, err := b.ListEvents(b.ctx, account, session, store.EventFilter{}, page)
			check(b.T, err)
			equal(b.T, what+" "+e.ID, eventIDs(want), eventIDs(list.Items))
		}
		list, err := b.ListEvents(b.ctx, account, session, store.EventFilter{AfterPosition: e.Position}, wholeLog())
		check(b.T, err)
		equal(b.T, "after the position of "+e.ID, eventIDs(log[i+1:]), eventIDs(list.Items))
	}
}

// otherClock appends in turn through stores whose clocks and ids are apart.
func otherClock(t *testing.T, open Opener) {
	behind, ahead := newBed(t, open, Options{}), newBed(t, open, Options{})
	ahead.clock.advance(time.Hour)
	for range 1000 {
		ahead.NewID("evt")
	}
	v := behind.session()
	var want []store.Event
	for i := range 12 {
		at := []*bed{behind, ahead}[i%2]
		want = append(want, at.append(v.ID, someEvents()[:1+i%3]...)...)
		at.clock.advance(time.Minute)
	}
	for _, at := range []*bed{behind, ahead} {
		at.hasLog(account, v.ID, want)
	}
}
