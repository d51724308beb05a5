package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Filters tests lists of sessions with filters.
func (suite) Filters() map[string]test {
	return map[string]test{
		"Agent": func(b *bed) {
			b.variety()
			check(b.T, seedParents(b.ctx, b, other))
			b.filters([]store.SessionFilter{
				{}, {AgentID: seedAgentID}, {AgentID: "agent_second"}, {AgentID: "agent_unused"}, {AgentID: "agent_unknown"},
			})
			check(b.T, b.DeleteAgent(b.ctx, account, "agent_second"))
			b.filters([]store.SessionFilter{{}, {AgentID: "agent_second"}})
			list, err := b.ListSessions(b.ctx, other, store.SessionFilter{AgentID: seedAgentID}, store.Page{Limit: 100})
			check(b.T, err)
			equal(b.T, "sessions of another account", []store.Session{}, list.Items)
		},
		"Statuses": func(b *bed) {
			b.variety()
			b.filters([]store.SessionFilter{
				{Statuses: []store.Status{}},
				{Statuses: []store.Status{store.StatusIdle}},
				{Statuses: []store.Status{store.StatusProcessing, store.StatusCancelled}},
				{Statuses: []store.Status{store.StatusIdle, store.StatusIdle}},
				{Statuses: []store.Status{"unknown"}},
				{Statuses: []store.Status{"unknown", store.StatusCancelled}},
				{Statuses: []store.Status{"x') OR ('' = '"}},
			})
		},
		"Created": func(b *bed) { b.filters(bounds(b.variety()[1], store.SessionFilter{})) },
		"Combined": func(b *bed) {
			times := b.variety()
			b.filters(append(bounds(times[2], store.SessionFilter{AgentID: seedAgentID}),
				store.SessionFilter{CreatedFrom: &times[0], CreatedTo: &times[2]},
				store.SessionFilter{CreatedAfter: &times[0], CreatedBefore: &times[2]},
				store.SessionFilter{CreatedAfter: &times[2], CreatedBefore: &times[0]},
				store.SessionFilter{CreatedAfter: &times[1], CreatedFrom: &times[1], CreatedTo: &times[3], CreatedBefore: &times[3]},
				store.SessionFilter{CreatedAfter: &times[0], CreatedFrom: &times[1], CreatedTo: &times[2], CreatedBefore: &times[3]},
				store.SessionFilter{CreatedAfter: &times[1], CreatedFrom: &times[0], CreatedTo: &times[3], CreatedBefore: &times[2]},
				store.SessionFilter{
					AgentID: "agent_second", Statuses: []store.Status{store.StatusProcessing}, CreatedFrom: &times[1], CreatedTo: &times[3],
				}))
		},
	}
}

// bounds returns the filter with each bound: at the time exactly, and within the microsecond on each side.
func bounds(at time.Time, filter store.SessionFilter) (filters []store.SessionFilter) {
	for _, beside := range []time.Duration{-1, 0, 1} {
		bound := at.Add(beside).In(time.FixedZone("", 8*60*60))
		after, from, before, to := filter, filter, filter, filter
		after.CreatedAfter, from.CreatedFrom, before.CreatedBefore, to.CreatedTo = &bound, &bound, &bound, &bound
		filters = append(filters, after, from, before, to)
	}
	return filters
}

// variety makes sessions of two agents, in all states, some archived, some deleted, three at each of the
// times that it returns.
func (b *bed) variety() []time.Time {
	b.Helper()
	check(b.T, seedParents(b.ctx, b, account))
	for _, id := range []string{"agent_second", "agent_unused"} {
		seed := seedAgent()
		seed.ID = id
		_, err := b.SeedAgent(b.ctx, account, seed)
		check(b.T, err)
	}
	var times []time.Time
	for i := range 12 {
		if i%3 == 0 {
			b.clock.advance(time.Microsecond)
			times = append(times, b.clock.stamp())
		}
		agent := []string{seedAgentID, "agent_second"}[i/2%2]
		v, err := b.CreateSession(b.ctx, account, store.SessionSpec{AgentID: agent, EnvironmentID: seedEnvironmentID})
		check(b.T, err)
		_, err = b.UpdateSession(b.ctx, account, v.ID, func(v *store.Session) error {
			v.Status = []store.Status{store.StatusIdle, store.StatusProcessing, store.StatusCancelled}[i%5%3]
			if i%7 == 5 {
				v.ArchivedAt = &v.CreatedAt
			}
			return nil
		})
		check(b.T, err)
		if i == 4 {
			check(b.T, b.DeleteSession(b.ctx, account, v.ID, allowed))
		}
	}
	return times
}

// filters compares pages of every filter to parts of the unfiltered list; cursors need not pass the filter.
func (b *bed) filters(filters []store.SessionFilter) {
	b.Helper()
	for bits := range 4 {
		page := store.Page{Limit: 100, Ascending: bits&1 != 0, IncludeArchived: bits&2 != 0}
		whole, err := b.ListSessions(b.ctx, account, store.SessionFilter{}, page)
		check(b.T, err)
		for _, filter := range filters {
			b.filtered(whole.Items, filter, page)
			page := page
			page.Limit = 2
			b.filtered(whole.Items, filter, page)
			for _, backward := range []bool{false, true} {
				for i := 4; i < len(whole.Items); i += 8 {
					page.Cursor, page.Backward = whole.Items[i].ID, backward
					b.filtered(whole.Items, filter, page)
				}
			}
		}
	}
}

func (b *bed) filtered(whole []store.Session, filter store.SessionFilter, page store.Page) {
	b.Helper()
	got, err := b.ListSessions(b.ctx, account, filter, page)
	check(b.T, err)
	want := pageOf(whole, page, func(v store.Session) string { return v.ID }, func(v store.Session) bool { return passes(filter, v) })
	equal(b.T, fmt.Sprintf("%+v of %+v", page, filter), want, got)
	b.revisions(account, filter, page, got)
}

// revisions compares a page of revisions to the same page of sessions.
func (b *bed) revisions(account string, filter store.SessionFilter, page store.Page, of store.List[store.Session]) {
	b.Helper()
	want := store.List[store.SessionRevision]{Items: []store.SessionRevision{}, HasMore: of.HasMore}
	for _, v := range of.Items {
		revision, err := b.SessionRevision(b.ctx, account, v.ID)
		check(b.T, err)
		want.Items = append(want.Items, store.SessionRevision{ID: v.ID, Revision: revision})
	}
	got, err := b.ListSessionRevisions(b.ctx, account, filter, page)
	check(b.T, err)
	equal(b.T, fmt.Sprintf("revisions: %+v of %+v", page, filter), want, got)
}

// pageOf returns a page of the items of whole, a list in the page's order, that are shown.
func pageOf[T any](whole []T, page store.Page, id func(T) string, shown func(T) bool) store.List[T] {
	part := whole
	if page.Cursor != "" {
		i := slices.IndexFunc(whole, func(item T) bool { return id(item) == page.Cursor })
		part = whole[i+1:]
		if page.Backward {
			part = whole[:i]
		}
	} else if page.Backward {
		part = nil
	}
	items := []T{}
	for _, item := range part {
		if shown(item) {
			items = append(items, item)
		}
	}
	n := min(page.Limit, len(items))
	list := store.List[T]{Items: items[:n], HasMore: n < len(items)}
	if page.Backward {
		list.Items = items[len(items)-n:]
	}
	return list
}

// passes reports whether a session matches a filter.
func passes(filter store.SessionFilter, v store.Session) bool {
	at := v.CreatedAt
	return (filter.AgentID == "" || filter.AgentID == v.Agent.ID) &&
		(len(filter.Statuses) == 0 || slices.Contains(filter.Statuses, v.Status)) &&
		(filter.CreatedAfter == nil || at.After(*filter.CreatedAfter)) &&
		(filter.CreatedFrom == nil || !at.Before(*filter.CreatedFrom)) &&
		(filter.CreatedBefore == nil || at.Before(*filter.CreatedBefore)) &&
		(filter.CreatedTo == nil || !at.After(*filter.CreatedTo))
}
