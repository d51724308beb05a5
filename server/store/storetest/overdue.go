package storetest

import (
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// OverdueTurns tests which turns have waited for a worker for too long.
func (suite) OverdueTurns() map[string]test {
	return map[string]test{"Selection": func(b *bed) {
		environment := b.selfHosted()
		allowed := store.PendingAction{EventID: "evt_1", Type: "agent.tool_use", Worker: true, Allowed: true}
		waits := func(pending ...store.PendingAction) string {
			v := b.sessionIn(environment)
			_, err := b.UpdateSession(b.ctx, account, v.ID, func(v *store.Session) error {
				v.Turn.ID, v.Turn.Pending = b.NewID("turn"), pending
				return nil
			})
			check(b.T, err)
			return v.ID
		}
		overdue := func(patience, longest time.Duration, want ...string) {
			b.Helper()
			now := b.clock.stamp()
			refs, err := b.OverdueTurns(b.ctx, store.Overdue{UnchangedSince: now.Add(-patience), AnywaySince: now.Add(-longest)}, 10)
			check(b.T, err)
			ids := []string{}
			for _, ref := range refs {
				equal(b.T, "account", account, ref.Account)
				ids = append(ids, ref.ID)
			}
			equal(b.T, "sessions with an overdue turn", append([]string{}, want...), ids)
		}
		first := waits(store.PendingAction{EventID: "evt_0", Type: "agent.tool_use"}, allowed)
		waits(store.PendingAction{EventID: "evt_1", Type: "agent.tool_use", Worker: true}) // it waits for a confirmation
		waits(store.PendingAction{EventID: "evt_1", Type: "agent.custom_tool_use"})
		running := waits(allowed)
		_, err := b.UpdateSession(b.ctx, account, running, func(v *store.Session) error { v.Status = store.StatusProcessing; return nil })
		check(b.T, err)
		overdue(time.Minute, time.Hour)
		b.clock.advance(time.Minute)
		second := waits(allowed)
		overdue(time.Minute, time.Hour, first)
		// A worker has the first one's work for a minute: the turn is overdue a minute after that.
		b.workIs(environment, b.polls(environment, "t"), b.leased(store.WorkActive))
		b.clock.advance(time.Minute)
		overdue(time.Minute, time.Hour, second)
		overdue(time.Minute, 2*time.Minute, first, second)
		b.clock.advance(time.Minute)
		overdue(time.Minute, time.Hour, first, second)
		check(b.T, b.DeleteSession(b.ctx, account, first, func(store.Session) error { return nil }))
		overdue(time.Minute, time.Hour, second)
	}}
}
