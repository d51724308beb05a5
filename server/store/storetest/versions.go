package storetest

import (
	"fmt"
	"strconv"

	"github.com/cloud-sessions/sessions/server/store"
)

// AgentVersions tests lists of an agent's versions.
func (suite) AgentVersions() map[string]test {
	return map[string]test{
		"Windows": func(b *bed) {
			seed := seedAgent()
			seed.Version = 11 // so that the order is not that of texts
			_, err := b.SeedAgent(b.ctx, account, seed)
			check(b.T, err)
			var ascending []string
			for version := range seed.Version {
				ascending = append(ascending, fmt.Sprint(version+1))
			}
			windows(b, ascending, []int{1, 3, 11, 12}, func(page store.Page) (store.List[string], error) {
				page.IncludeArchived = page.Limit%2 == 0 // has no meaning
				list, err := b.ListAgentVersions(b.ctx, account, seed.ID, page)
				got := store.List[string]{Items: []string{}, HasMore: list.HasMore}
				for _, a := range list.Items {
					want := seed
					want.Version = a.Version
					equal(b.T, "version", want, a)
					got.Items = append(got.Items, fmt.Sprint(a.Version))
				}
				return got, err
			})
		},
		"Cursors": func(b *bed) {
			check(b.T, seedParents(b.ctx, b, account))
			for _, cursor := range []string{"0", "4", "-1", "+1", "01", " 1", "1.0", "x", seedAgentID, "4294967297", "18446744073709551617"} {
				for _, backward := range []bool{true, false} {
					_, err := b.ListAgentVersions(b.ctx, account, seedAgentID, store.Page{Limit: 1, Cursor: cursor, Backward: backward})
					fails(b.T, "cursor "+strconv.Quote(cursor), store.ErrUnknownCursor, err)
				}
			}
		},
		"NotFound": func(b *bed) {
			check(b.T, seedParents(b.ctx, b, account))
			deleted := b.agent()
			check(b.T, b.DeleteAgent(b.ctx, account, deleted.ID))
			for _, c := range []struct{ account, id string }{
				{account, "agent_unknown"}, {other, seedAgentID}, {account, deleted.ID},
			} {
				for _, page := range []store.Page{{Limit: 1}, {Limit: 1, Backward: true}, {Limit: 1, Cursor: "1"}, {Limit: 1, Cursor: "x"}} {
					list, err := b.ListAgentVersions(b.ctx, c.account, c.id, page)
					missing(b.T, store.MissingError{Noun: store.NounAgent, ID: c.id}, err)
					equal(b.T, "versions", 0, len(list.Items))
				}
			}
		},
	}
}

// versions fails the test unless these are the agent's versions, alone and in the list.
func (b *bed) versions(want ...store.Agent) {
	b.Helper()
	for _, a := range want {
		got, err := b.GetAgent(b.ctx, account, a.ID, a.Version)
		check(b.T, err)
		equal(b.T, fmt.Sprintf("version %d", a.Version), a, got)
	}
	latest, err := b.GetAgent(b.ctx, account, want[0].ID, 0)
	check(b.T, err)
	equal(b.T, "latest version", want[len(want)-1], latest)
	for _, ascending := range []bool{true, false} {
		list, err := b.ListAgentVersions(b.ctx, account, want[0].ID, store.Page{Limit: 100, Ascending: ascending})
		check(b.T, err)
		if !ascending {
			want = reversed(want)
		}
		equal(b.T, "versions", store.List[store.Agent]{Items: want}, list)
		for _, a := range list.Items {
			utc(b.T, a.CreatedAt, a.UpdatedAt)
		}
	}
}
