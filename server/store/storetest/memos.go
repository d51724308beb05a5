package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cloud-sessions/sessions/server/store"
)

// Memos tests ListMemos, and what runners keep with events.
func (suite) Memos() map[string]test {
	return map[string]test{
		"Kept": func(b *bed) {
			v, second := b.session(), b.session()
			long := json.RawMessage(`"` + strings.Repeat("\u00fc", 100_000) + `"`)
			events := someEvents()
			events[0].Memo, events[2].Memo = json.RawMessage(`{"a":[1]}`), long
			added := b.append(v.ID, events...)
			b.append(second.ID, someEvents()...)
			b.hasMemos(v.ID, 0, map[string]json.RawMessage{added[0].ID: events[0].Memo, added[2].ID: long})
			b.hasMemos(v.ID, 1, map[string]json.RawMessage{added[2].ID: long})
			b.hasMemos(v.ID, 3, map[string]json.RawMessage{})
			b.hasMemos(second.ID, 0, map[string]json.RawMessage{})
		},
		"NotPartOfEvents": func(b *bed) {
			v := b.session()
			events := someEvents()
			for i := range events {
				events[i].Memo = json.RawMessage(`"hidden"`)
			}
			for _, e := range b.append(v.ID, events...) {
				if strings.Contains(fmt.Sprintf("%s %+v", e.Payload, e), "hidden") {
					b.Errorf("the event has its memo: %+v", e)
				}
			}
		},
		"Undone": func(b *bed) {
			v := b.session()
			fails(b.T, "transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
				_, err := appended(ctx, b, account, v.ID, store.NewEvent{Type: "agent.message", Payload: json.RawMessage(`{}`), Memo: json.RawMessage(`1`)})
				check(b.T, err)
				return errStop
			}))
			b.hasMemos(v.ID, 0, map[string]json.RawMessage{})
		},
		"Newest": func(b *bed) {
			v := b.session()
			want := map[string]json.RawMessage{}
			events := make([]store.NewEvent, store.MaxMemos+2)
			for i := range events {
				events[i] = store.NewEvent{Type: "agent.message", Payload: json.RawMessage(`{}`), Memo: json.RawMessage(fmt.Sprint(i))}
			}
			for i, e := range b.append(v.ID, events...) {
				if i >= 2 {
					want[e.ID] = events[i].Memo
				}
			}
			b.hasMemos(v.ID, 0, want)
		},
		"Unknown": func(b *bed) {
			v := b.session()
			for acc, id := range map[string]string{account: "sess_unknown", other: v.ID} {
				_, err := b.ListMemos(b.ctx, acc, id, 0)
				fails(b.T, "memos", store.ErrNotFound, err)
			}
			check(b.T, b.DeleteSession(b.ctx, account, v.ID, allowed))
			_, err := b.ListMemos(b.ctx, account, v.ID, 0)
			fails(b.T, "memos of a deleted session", store.ErrNotFound, err)
		},
	}
}

func (b *bed) hasMemos(session string, after int64, want map[string]json.RawMessage) {
	b.Helper()
	got, err := b.ListMemos(b.ctx, account, session, after)
	check(b.T, err)
	equal(b.T, "memos", want, got)
}
