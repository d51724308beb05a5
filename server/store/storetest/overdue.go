package storetest

import (
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// OverdueTurns tests which turns have waited for a worker for too long.
func (suite) OverdueTurns() map[string]test {
	return map[string]test{"Workers": overdueWithWorkers, "Selection": func(b *bed) {
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
			turns, err := b.OverdueTurns(b.ctx, store.Overdue{UnchangedSince: now.Add(-patience), AnywaySince: now.Add(-longest)}, 10)
			check(b.T, err)
			ids := []string{}
			for _, turn := range turns {
				equal(b.T, "account", account, turn.Session.Account)
				ids = append(ids, turn.Session.ID)
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
		b.clock.advance(time.Minute)
		overdue(time.Minute, time.Hour, first, second)
		check(b.T, b.DeleteSession(b.ctx, account, first, func(store.Session) error { return nil }))
		overdue(time.Minute, time.Hour, second)
	}}
}

// overdueWithWorkers tests that turns wait for longer while their environment has workers.
func overdueWithWorkers(b *bed) {
	waits := func(environment string) string {
		v := b.sessionIn(environment)
		b.waits(v.ID, store.PendingAction{EventID: "evt_1", Type: "agent.tool_use", Worker: true, Allowed: true})
		return v.ID
	}
	overdue := func(longest time.Duration, want ...store.OverdueTurn) {
		b.Helper()
		now := b.clock.stamp()
		turns, err := b.OverdueTurns(b.ctx, store.Overdue{UnchangedSince: now.Add(-time.Minute), AnywaySince: now.Add(-longest)}, 10)
		check(b.T, err)
		equal(b.T, "overdue turns", append([]store.OverdueTurn{}, want...), append([]store.OverdueTurn{}, turns...))
	}
	turn := func(session string, workers bool) store.OverdueTurn {
		return store.OverdueTurn{Session: store.SessionRef{Account: account, ID: session}, Workers: workers}
	}
	// The only worker has one session's item for a minute. The other session waits until a minute after that.
	environment, other := b.selfHosted(), b.selfHosted()
	held, queued := waits(environment), waits(environment)
	item := b.polls(environment, "t")
	b.clock.advance(time.Minute + 10*time.Second) // a poll counts a little longer than a minute
	elsewhere := waits(other)
	b.workIs(environment, item, b.leased(store.WorkActive))
	overdue(time.Hour)
	overdue(time.Minute, turn(held, true), turn(queued, true))
	b.clock.advance(time.Minute)
	overdue(time.Hour, turn(elsewhere, false)) // the worker is one of another environment
	b.clock.advance(time.Minute)
	overdue(time.Hour, turn(held, false), turn(queued, false), turn(elsewhere, false))
	// A worker that polls is there, although it has no item.
	_, err := b.PollWork(b.ctx, account, other, store.Poll{Worker: "w", Token: "u", DeliveredBefore: b.clock.Now().Add(-time.Hour)})
	check(b.T, err)
	overdue(time.Hour, turn(held, false), turn(queued, false))
	b.clock.advance(time.Minute + 10*time.Second)
	overdue(time.Hour, turn(held, false), turn(queued, false), turn(elsewhere, false))
}
