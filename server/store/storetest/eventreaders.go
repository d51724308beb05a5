package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
)

// EventConcurrency tests one log with many writers and readers.
func (suite) EventConcurrency() map[string]test {
	return map[string]test{
		"Writers": func(b *bed) { crowd(b.T, []*bed{b}, 10, 0) },
		"Readers": func(b *bed) { crowd(b.T, []*bed{b}, 4, 4) },
	}
}

// crowd has writers append to one log, each through one of the stores, while readers page forward through it.
// Every append has to be there, whole and in its writer's order, and every reader has to see each event once, in
// the log's order: none appears before one that was seen.
func crowd(t *testing.T, beds []*bed, writers, readers int) {
	t.Helper()
	const rounds, events = 8, 3
	b := beds[0]
	session := b.create(sessionKind()).id
	var written atomic.Int32
	seen := make([][]store.Event, readers)
	each(t, writers+readers, func(i int) (err error) {
		at := beds[i%len(beds)]
		if i >= writers {
			seen[i-writers], err = follow(at, session, 1+i%7, writers*rounds*events)
			return err
		}
		defer written.Add(1)
		for round := range rounds {
			added := make([]store.NewEvent, events)
			for k := range added {
				added[k] = store.NewEvent{Type: "user.message", TurnID: name(i, round, k), Payload: someEvents()[0].Payload}
			}
			if _, err := appended(at.ctx, at, account, session, added...); err != nil {
				return err
			}
		}
		return nil
	})
	equal(t, "writers", int32(writers), written.Load())
	log := b.log(account, session)
	inOrder(t, log)
	equal(t, "events", writers*rounds*events, len(log))
	for i, e := range log {
		if i%events > 0 && head(e.TurnID) != head(log[i-1].TurnID) {
			t.Errorf("%s comes in the midst of what was appended with %s", e.TurnID, log[i-1].TurnID)
		}
	}
	for writer := range writers {
		var want, got []string
		for round := range rounds {
			for k := range events {
				want = append(want, name(writer, round, k))
			}
		}
		for _, e := range log {
			if strings.HasPrefix(e.TurnID, fmt.Sprintf("%d.", writer)) {
				got = append(got, e.TurnID)
			}
		}
		equal(t, "a writer's events", want, got)
	}
	for _, got := range seen {
		equal(t, "what a reader saw", log, got)
	}
}

func name(writer, round, k int) string { return fmt.Sprintf("%d.%d.%d", writer, round, k) }

// head is a name without what tells apart the events of one append.
func head(name string) string { return name[:strings.LastIndex(name, ".")] }

// follow pages forward through a log, from the beginning, until it has n events.
func follow(b *bed, session string, limit, n int) (log []store.Event, err error) {
	page := store.Page{Limit: limit, Ascending: true}
	for len(log) < n {
		list, err := b.ListEvents(b.ctx, account, session, store.EventFilter{}, page)
		if err != nil {
			return nil, err
		}
		if list.HasMore && len(list.Items) != limit {
			return nil, errors.New("a page is not full, but more follow")
		}
		log = append(log, list.Items...)
		if len(log) > 0 {
			page.Cursor = log[len(log)-1].ID
		}
	}
	return log, nil
}
