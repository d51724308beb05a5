package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
)

// Erasures tests SweepEvents, SweepSpace and the events of deleted sessions.
func (suite) Erasures() map[string]test {
	return map[string]test{
		"Sweep": func(b *bed) {
			first, second, live := b.create(sessionKind()).id, b.create(sessionKind()).id, b.create(sessionKind()).id
			b.chapters(first, 420)
			b.chapters(second, 250)
			want := b.chapters(live, 250)
			equal(b.T, "swept before a deletion", 0, b.sweepsEvents(1000))
			for _, id := range []string{first, second} {
				check(b.T, b.DeleteSession(b.ctx, account, id, allowed))
				b.noLog(account, id)
			}
			swept := 0
			for _, limit := range []int{0, -1, 1, 30, 200} {
				swept += b.sweepsEvents(limit)
				b.noLog(account, first)
				b.noLog(account, second)
			}
			undone := 0
			fails(b.T, "transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) (err error) {
				undone, err = b.SweepEvents(ctx, 10)
				check(b.T, err)
				return errStop
			}))
			rest := b.sweepsEvents(1000)
			if rest < undone || swept+rest > 670 {
				b.Errorf("%d of 670 events are swept, and then %d, of them %d anew", swept, rest, undone)
			}
			equal(b.T, "swept when none is left", 0, b.sweepsEvents(1000))
			b.hasLog(account, live, want)
		},
		"OtherAccount": func(b *bed) { // whose session has the same id
			var id string
			logs := map[string][]store.Event{}
			for _, acc := range []string{account, other} {
				b.ids.restart()
				check(b.T, seedParents(b.ctx, b, acc))
				v, err := b.CreateSession(b.ctx, acc, store.SessionSpec{AgentID: seedAgentID, EnvironmentID: seedEnvironmentID})
				check(b.T, err)
				id = v.ID
				logs[acc], err = appended(b.ctx, b, acc, id, someEvents()...)
				check(b.T, err)
			}
			b.hasLog(account, id, logs[account])
			check(b.T, b.DeleteSession(b.ctx, account, id, allowed))
			b.noLog(account, id)
			b.hasLog(other, id, logs[other])
		},
		"Space": func(b *bed) {
			gone, live := b.create(sessionKind()).id, b.create(sessionKind()).id
			b.chapters(gone, 420)
			want := b.chapters(live, 250)
			check(b.T, b.DeleteSession(b.ctx, account, gone, allowed))
			b.sweepsEvents(1000)
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				n, err := b.SweepSpace(ctx, 10)
				equal(b.T, "space given back within a transaction", 0, n)
				return err
			}))
			for _, limit := range []int{0, -1, 1, 30, 200} {
				n, err := b.SweepSpace(b.ctx, limit)
				check(b.T, err)
				if n < 0 || n > max(0, limit) {
					b.Errorf("at most %d units are to be given back, %d were", limit, n)
				}
			}
			for n := 50; n == 50; {
				var err error
				n, err = b.SweepSpace(b.ctx, 50)
				check(b.T, err)
			}
			b.hasLog(account, live, want)
		},
		"DeletionUndone": func(b *bed) {
			id := b.create(sessionKind()).id
			want := b.chapters(id, 250)
			fails(b.T, "transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
				check(b.T, b.DeleteSession(ctx, account, id, allowed))
				return errStop
			}))
			equal(b.T, "swept", 0, b.sweepsEvents(1000))
			b.hasLog(account, id, want)
		},
		"WhileReading": func(b *bed) { // a page is as it was, or the session is not there: none has gaps
			var sessions, wanted [3]string
			for i := range sessions {
				sessions[i] = b.create(sessionKind()).id
				wanted[i] = fmt.Sprint(eventIDs(b.chapters(sessions[i], 250)))
			}
			each(b.T, len(sessions)+1, func(i int) error {
				if i < len(sessions) {
					for {
						list, err := b.ListEvents(b.ctx, account, sessions[i], store.EventFilter{}, wholeLog())
						if errors.Is(err, store.ErrNotFound) {
							return nil
						}
						if got := fmt.Sprint(eventIDs(list.Items)); err != nil || got != wanted[i] {
							return fmt.Errorf("want the whole log, got %s, %v", got, err)
						}
					}
				}
				for _, id := range sessions {
					if err := b.DeleteSession(b.ctx, account, id, allowed); err != nil {
						return err
					}
					for n := 7; n == 7; {
						var err error
						if n, err = b.SweepEvents(b.ctx, 7); err != nil {
							return err
						}
					}
				}
				return nil
			})
		},
	}
}

// sweepers sweep the same logs from two stores at once.
func sweepers(t *testing.T, open Opener) {
	ids := &sequence{}
	beds := []*bed{newBed(t, open, Options{NewID: ids.next}), newBed(t, open, Options{NewID: ids.next})}
	for range 2 {
		id := beds[0].create(sessionKind()).id
		beds[0].chapters(id, 350)
		check(t, beds[0].DeleteSession(t.Context(), account, id, allowed))
	}
	var swept atomic.Int32
	each(t, len(beds), func(i int) error {
		for n := 40; n == 40; {
			var err error
			if n, err = beds[i].SweepEvents(t.Context(), n); err != nil {
				return err
			}
			swept.Add(int32(n))
		}
		return nil
	})
	equal(t, "swept when none is left", 0, beds[0].sweepsEvents(1000))
	if n := swept.Load(); n > 700 {
		t.Errorf("%d of 700 events are swept", n)
	}
}

// chapters appends n events to a session.
func (b *bed) chapters(session string, n int) []store.Event {
	b.Helper()
	events := make([]store.NewEvent, n)
	for i := range events {
		events[i] = someEvents()[i%3]
	}
	return b.append(session, events...)
}

// sweepsEvents sweeps, and fails the test when that is more than it may.
func (b *bed) sweepsEvents(limit int) int {
	b.Helper()
	n, err := b.SweepEvents(b.ctx, limit)
	check(b.T, err)
	if n < 0 || n > max(0, limit) {
		b.Errorf("at most %d are to be swept, %d were", limit, n)
	}
	return n
}
