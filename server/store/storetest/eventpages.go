package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// EventPages tests ListEvents.
func (suite) EventPages() map[string]test {
	return map[string]test{
		"Empty": func(b *bed) {
			v := b.session()
			for _, page := range []store.Page{{Limit: 1}, {Limit: 1, Ascending: true}, {Limit: 1, Backward: true}} {
				got, err := b.ListEvents(b.ctx, account, v.ID, store.EventFilter{}, page)
				check(b.T, err)
				equal(b.T, "list", store.List[store.Event]{Items: []store.Event{}}, got)
			}
		},
		"Windows": func(b *bed) { // every page there is of a log that is short enough
			id, log := b.story()
			windows(b, eventIDs(log), []int{1, 2, 5, len(log) - 1, len(log), 100}, func(page store.Page) (store.List[string], error) {
				page.IncludeArchived = page.Limit%2 == 0 // which has no meaning
				got, err := b.ListEvents(b.ctx, account, id, store.EventFilter{}, page)
				return store.List[string]{Items: eventIDs(got.Items), HasMore: got.HasMore}, err
			})
		},
		"UnknownCursor": func(b *bed) {
			mine, second := b.session(), b.session()
			b.append(mine.ID, someEvents()...)
			foreign, err := sessionKind().create(b.ctx, b, other)
			check(b.T, err)
			others, err := appended(b.ctx, b, other, foreign.id, someEvents()...)
			check(b.T, err)
			for _, cursor := range []string{"evt_unknown", mine.ID, b.append(second.ID, someEvents()...)[0].ID, others[0].ID} {
				for _, backward := range []bool{true, false} {
					got, err := b.ListEvents(b.ctx, account, mine.ID, store.EventFilter{}, store.Page{Limit: 1, Cursor: cursor, Backward: backward})
					fails(b.T, "cursor "+cursor, store.ErrUnknownCursor, err)
					equal(b.T, "events", 0, len(got.Items))
				}
			}
		},
		"Types": func(b *bed) {
			id, log := b.story()
			b.eventFilters(id, log, []store.EventFilter{
				{}, {Types: []string{}}, {Types: []string{"user.message"}}, {Types: []string{"user.message", "agent.message"}},
				{Types: []string{"user.message", "user.message"}}, {Types: []string{"unknown"}}, {Types: []string{"unknown", "agent.message"}},
				{Types: []string{"x') OR ('' = '"}}, {Types: []string{""}},
			})
		},
		"Created": func(b *bed) {
			id, log := b.story()
			var filters []store.EventFilter
			for _, f := range bounds(log[len(log)/2].CreatedAt, store.SessionFilter{}) {
				filters = append(filters, store.EventFilter{
					CreatedAfter: f.CreatedAfter, CreatedFrom: f.CreatedFrom, CreatedBefore: f.CreatedBefore, CreatedTo: f.CreatedTo,
				})
			}
			b.eventFilters(id, log, filters)
		},
		"AfterPosition": func(b *bed) {
			id, log := b.story()
			var filters []store.EventFilter
			for _, position := range []int64{-1, 0, 1, int64(len(log)) / 2, int64(len(log)) - 1, int64(len(log)), 1 << 40} {
				filters = append(filters, store.EventFilter{AfterPosition: position}, store.EventFilter{AfterPosition: position, Types: []string{"user.message"}})
			}
			b.eventFilters(id, log, filters)
		},
		"Combined": func(b *bed) {
			id, log := b.story()
			from, to := &log[3].CreatedAt, &log[len(log)-3].CreatedAt
			kinds := []string{"user.message", "agent.message"}
			b.eventFilters(id, log, []store.EventFilter{
				{CreatedFrom: from, CreatedTo: to}, {CreatedAfter: from, CreatedBefore: to}, {CreatedAfter: to, CreatedBefore: from},
				{CreatedAfter: from, CreatedFrom: from, CreatedTo: to, CreatedBefore: to}, {CreatedFrom: from, Types: kinds}, {CreatedBefore: to, Types: kinds[:1]},
				{CreatedAfter: from, CreatedBefore: to, Types: kinds},
			})
		},
	}
}

// story creates a session with a log of many types and times, some events at the same time, and another session with
// a log of its own. It returns the first one's id and log.
func (b *bed) story() (id string, log []store.Event) {
	b.Helper()
	first, second := b.session(), b.session()
	types := []string{"session.status_running", "user.message", "agent.message", "session.status_idle"}
	for i := range 14 {
		n := someEvents()[i%3]
		n.Type = types[i%len(types)]
		log = append(log, b.append(first.ID, n)...)
		b.append(second.ID, n)
		if i%3 > 0 {
			b.clock.advance(time.Microsecond)
		}
	}
	b.hasLog(account, first.ID, log)
	return first.ID, log
}

// eventFilters compares the pages of every filter to parts of the log; a cursor need not match the filter.
func (b *bed) eventFilters(id string, log []store.Event, filters []store.EventFilter) {
	b.Helper()
	for _, ascending := range []bool{true, false} {
		whole := log
		if !ascending {
			whole = reversed(log)
		}
		for _, filter := range filters {
			filtered := func(page store.Page) {
				b.Helper()
				page.Ascending = ascending
				got, err := b.ListEvents(b.ctx, account, id, filter, page)
				check(b.T, err)
				want := pageOf(whole, page, func(e store.Event) string { return e.ID }, func(e store.Event) bool { return passesEvents(filter, e) })
				equal(b.T, fmt.Sprintf("%+v of %+v", page, filter), want, got)
			}
			filtered(store.Page{Limit: 100})
			filtered(store.Page{Limit: 2})
			for i := 1; i < len(whole); i += 4 {
				filtered(store.Page{Limit: 2, Cursor: whole[i].ID})
				filtered(store.Page{Limit: 2, Cursor: whole[i].ID, Backward: true})
			}
		}
	}
}

// passesEvents reports whether an event matches a filter.
func passesEvents(filter store.EventFilter, e store.Event) bool {
	return e.Position > filter.AfterPosition && (len(filter.Types) == 0 || slices.Contains(filter.Types, e.Type)) && passes(store.SessionFilter{
		CreatedAfter: filter.CreatedAfter, CreatedFrom: filter.CreatedFrom, CreatedBefore: filter.CreatedBefore, CreatedTo: filter.CreatedTo,
	}, store.Session{CreatedAt: e.CreatedAt})
}
