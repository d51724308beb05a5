package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Work tests the queue of work items.
func (suite) Work() map[string]test {
	return map[string]test{
		"OfASession":    workOfASession,
		"OfTheCloud":    workOfTheCloud,
		"Order":         workOrder,
		"Reclaim":       workReclaim,
		"Tokens":        workTokens,
		"Lapse":         workLapse,
		"StoppingLapse": workStoppingLapse,
		"Requeue":       workRequeue,
		"OneAtATime":    workOneAtATime,
		"Archive":       workArchive,
		"Erase":         workErase,
		"List":          workList,
		"Stats":         workStats,
		"Await":         workAwait,
		"Undone":        workUndone,
		"Race":          func(b *bed) { workRace([]*bed{b, b}, 30) },
	}
}

// WorkWrites calls the methods that write work items.
func (suite) WorkWrites() []call {
	return []call{{"PollWork UpdateWork", func(ctx context.Context, s store.Store) error {
		environment, err := s.CreateEnvironment(ctx, account, selfHostedSpec())
		if err != nil {
			return err
		}
		if _, err := s.CreateSession(ctx, account, store.SessionSpec{AgentID: seedAgentID, EnvironmentID: environment.ID}); err != nil {
			return err
		}
		item, err := s.PollWork(ctx, account, environment.ID, store.Poll{Worker: "w"})
		if err != nil {
			return err
		}
		_, err = s.UpdateWork(ctx, account, environment.ID, item.ID, stops)
		return err
	}}}
}

func selfHostedSpec() store.EnvironmentSpec {
	return store.EnvironmentSpec{Name: "own", Config: json.RawMessage(`{"type": "self_hosted"}`)}
}

// selfHosted creates a self-hosted environment and returns its id.
func (b *bed) selfHosted() string {
	b.Helper()
	e, err := b.CreateEnvironment(b.ctx, account, selfHostedSpec())
	check(b.T, err)
	return e.ID
}

// sessionIn creates a session in an environment.
func (b *bed) sessionIn(environment string) store.Session {
	b.Helper()
	check(b.T, seedParents(b.ctx, b, account))
	v, err := b.CreateSession(b.ctx, account, store.SessionSpec{AgentID: seedAgentID, EnvironmentID: environment, Metadata: map[string]string{"k": "v"}})
	check(b.T, err)
	return v
}

// polls polls with a token and returns the id of the item that is delivered; "" for none.
func (b *bed) polls(environment, token string) string {
	b.Helper()
	item, err := b.PollWork(b.ctx, account, environment, store.Poll{Worker: "worker-" + token, Token: token, DeliveredBefore: b.clock.Now().Add(-store.DefaultReclaim)})
	check(b.T, err)
	if item == nil {
		return ""
	}
	equal(b.T, "token of the delivery", token, item.Lease.Token)
	return item.ID
}

// works changes an item.
func (b *bed) workIs(environment, id string, change func(*store.WorkItem) error) store.WorkItem {
	b.Helper()
	item, err := b.UpdateWork(b.ctx, account, environment, id, change)
	check(b.T, err)
	read, err := b.GetWork(b.ctx, account, environment, id)
	check(b.T, err)
	equal(b.T, "item read", item, read)
	return item
}

// leased returns a change that gives an item to its worker for a minute.
func (b *bed) leased(state store.WorkState) func(*store.WorkItem) error {
	now := b.clock.stamp()
	return func(w *store.WorkItem) error {
		w.State, w.AcknowledgedAt, w.Lease.TTL, w.Lease.FreeAt, w.Lease.ByToken = state, &now, time.Minute, new(now.Add(time.Minute)), true
		return nil
	}
}

func stops(w *store.WorkItem) error {
	w.State = store.WorkStopped
	return nil
}

// items returns the states of the environment's items.
func (b *bed) items(environment string) (states []store.WorkState) {
	b.Helper()
	list, err := b.ListWork(b.ctx, account, environment, store.Page{Limit: 100, Ascending: true})
	check(b.T, err)
	for _, item := range list.Items {
		states = append(states, item.State)
	}
	return states
}

// waits makes a session wait for a tool.
func (b *bed) waits(session string, pending ...store.PendingAction) {
	b.Helper()
	_, _, err := b.AppendEvents(b.ctx, account, session, func(s *store.Session) ([]store.NewEvent, error) {
		s.Turn.ID, s.Turn.Pending = "turn_1", pending
		return nil, nil
	})
	check(b.T, err)
}

func workOfASession(b *bed) {
	environment := b.selfHosted()
	v := b.sessionIn(environment)
	equal(b.T, "self-hosted", true, v.SelfHosted)
	list, err := b.ListWork(b.ctx, account, environment, store.Page{Limit: 10})
	check(b.T, err)
	want := store.WorkItem{
		ID: list.Items[0].ID, EnvironmentID: environment, SessionID: v.ID, State: store.WorkQueued, Metadata: map[string]string{"k": "v"}, CreatedAt: b.clock.stamp(),
	}
	equal(b.T, "items", []store.WorkItem{want}, list.Items)
	for _, id := range []string{"work_unknown", want.ID} {
		_, err = b.GetWork(b.ctx, account, "env_other", id)
		missing(b.T, store.MissingError{Noun: store.NounWork, ID: id}, err)
		_, err = b.UpdateWork(b.ctx, other, environment, id, stops)
		missing(b.T, store.MissingError{Noun: store.NounWork, ID: id}, err)
	}
	b.starts(b.ctx, v.ID) // a live item is enough
	equal(b.T, "items", []store.WorkState{store.WorkQueued}, b.items(environment))
	got := b.workIs(environment, want.ID, func(w *store.WorkItem) error {
		w.Metadata, w.SessionID, w.CreatedAt = map[string]string{"a": "b"}, "sess_other", b.clock.stamp().Add(time.Hour)
		return nil
	})
	equal(b.T, "metadata", map[string]string{"a": "b"}, got.Metadata)
}

func workOfTheCloud(b *bed) {
	v := b.session()
	b.starts(b.ctx, v.ID)
	equal(b.T, "self-hosted", false, v.SelfHosted)
	equal(b.T, "items", nil, b.items(v.EnvironmentID))
	environment, byToken, err := b.SessionEnvironment(b.ctx, account, v.ID)
	check(b.T, err)
	equal(b.T, "environment", v.EnvironmentID, environment)
	equal(b.T, "by token", false, byToken)
	_, _, err = b.SessionEnvironment(b.ctx, other, v.ID)
	missing(b.T, store.MissingError{Noun: store.NounSession, ID: v.ID}, err)
}

func workOrder(b *bed) {
	environment, elsewhere := b.selfHosted(), b.selfHosted()
	b.sessionIn(elsewhere)
	var sessions, delivered []string
	for range 3 {
		sessions = append(sessions, b.sessionIn(environment).ID)
		b.clock.advance(time.Second)
	}
	for i := range 3 {
		item, err := b.PollWork(b.ctx, account, environment, store.Poll{Token: fmt.Sprint("t", i), DeliveredBefore: b.clock.Now().Add(-time.Hour)})
		check(b.T, err)
		delivered = append(delivered, item.SessionID)
	}
	equal(b.T, "sessions in order", sessions, delivered)
	equal(b.T, "more", "", b.polls(environment, "t4"))
}

func workReclaim(b *bed) {
	environment := b.selfHosted()
	b.sessionIn(environment)
	first := b.polls(environment, "a")
	equal(b.T, "delivered again at once", "", b.polls(environment, "b"))
	b.clock.advance(store.DefaultReclaim)
	equal(b.T, "delivered again", first, b.polls(environment, "c"))
	b.workIs(environment, first, b.leased(store.WorkStarting))
	b.clock.advance(store.DefaultReclaim)
	equal(b.T, "delivered although a worker has it", "", b.polls(environment, "d"))
}

// scopeOf returns the scope of a token.
func (b *bed) scopeOf(hash string) store.TokenScope {
	b.Helper()
	token, err := b.TokenByHash(b.ctx, hash)
	check(b.T, err)
	equal(b.T, "account", account, token.Account)
	return token.Scope
}

func workTokens(b *bed) {
	environment := b.selfHosted()
	v := b.sessionIn(environment)
	id := b.polls(environment, "a")
	scope := store.TokenScope{EnvironmentID: environment, SessionID: v.ID, WorkID: id}
	ended := scope
	ended.Ended = true
	equal(b.T, "scope", scope, b.scopeOf("a"))
	b.clock.advance(store.DefaultReclaim)
	before := b.Revocations()
	b.polls(environment, "b")
	if b.Revocations() == before {
		b.Error("Revocations is the same after the token of a delivery has ended")
	}
	equal(b.T, "scope of the token before", ended, b.scopeOf("a"))
	equal(b.T, "scope", scope, b.scopeOf("b"))
	b.workIs(environment, id, b.leased(store.WorkActive))
	_, byToken, err := b.SessionEnvironment(b.ctx, account, v.ID)
	check(b.T, err)
	equal(b.T, "by token", true, byToken)
	before = b.Revocations()
	b.workIs(environment, id, stops)
	if b.Revocations() == before {
		b.Error("Revocations is the same after an item was stopped")
	}
	equal(b.T, "scope after the item", ended, b.scopeOf("b"))
	_, err = b.TokenByHash(b.ctx, "a")
	fails(b.T, "token of long ago", store.ErrNotFound, err)
	_, err = b.TokenByHash(b.ctx, "")
	fails(b.T, "no token", store.ErrNotFound, err)
	key, err := b.CreateToken(b.ctx, store.NewToken{Account: account, Hash: "key", EnvironmentID: environment})
	check(b.T, err)
	equal(b.T, "scope of a key", store.TokenScope{EnvironmentID: environment}, key.Scope)
	equal(b.T, "scope of a key read", key.Scope, b.scopeOf("key"))
}

func workLapse(b *bed) {
	environment := b.selfHosted()
	b.sessionIn(environment)
	id := b.polls(environment, "a")
	b.workIs(environment, id, b.leased(store.WorkActive))
	b.clock.advance(time.Minute - time.Microsecond)
	equal(b.T, "items", []store.WorkState{store.WorkActive}, b.items(environment))
	equal(b.T, "delivered", "", b.polls(environment, "b"))
	b.clock.advance(time.Microsecond)
	equal(b.T, "items", []store.WorkState{store.WorkQueued}, b.items(environment))
	equal(b.T, "ended", true, b.scopeOf("a").Ended)
	b.workIs(environment, id, func(w *store.WorkItem) error {
		equal(b.T, "state that a change finds", store.WorkQueued, w.State)
		equal(b.T, "lease that a change finds", store.WorkLease{}, w.Lease)
		return nil
	})
	equal(b.T, "delivered again", id, b.polls(environment, "c"))
	equal(b.T, "ended", true, b.scopeOf("a").Ended)
	equal(b.T, "ended", false, b.scopeOf("c").Ended)
}

func workStoppingLapse(b *bed) {
	environment := b.selfHosted()
	v := b.sessionIn(environment)
	b.waits(v.ID, store.PendingAction{EventID: "evt_1", Type: "agent.tool_use"})
	b.workIs(environment, b.polls(environment, "a"), b.leased(store.WorkStopping))
	b.clock.advance(time.Minute)
	equal(b.T, "delivered at once", "", b.polls(environment, "b"))
	equal(b.T, "items", []store.WorkState{store.WorkStopped, store.WorkQueued}, b.items(environment))
}

func workRequeue(b *bed) {
	environment := b.selfHosted()
	v := b.sessionIn(environment)
	stop := func() { b.workIs(environment, b.polls(environment, "a"), stops) }
	stop()
	equal(b.T, "items of an idle session", []store.WorkState{store.WorkStopped}, b.items(environment))
	b.waits(v.ID, store.PendingAction{EventID: "evt_1", Type: "agent.tool_use"})
	equal(b.T, "items of one that waits", []store.WorkState{store.WorkStopped, store.WorkQueued}, b.items(environment))
	stop()
	equal(b.T, "items of one that still waits", []store.WorkState{store.WorkStopped, store.WorkStopped, store.WorkQueued}, b.items(environment))
	equal(b.T, "delivered at once", "", b.polls(environment, "b"))
	b.clock.advance(store.RequeueDelay)
	b.waits(v.ID)
	stop()
	b.starts(b.ctx, v.ID)
	equal(b.T, "items of one that runs", 4, len(b.items(environment)))
}

// A session's next item waits for the worker that is about to stop.
func workOneAtATime(b *bed) {
	environment := b.selfHosted()
	v := b.sessionIn(environment)
	first := b.polls(environment, "a")
	b.workIs(environment, first, b.leased(store.WorkStopping))
	b.starts(b.ctx, v.ID)
	equal(b.T, "items", []store.WorkState{store.WorkStopping, store.WorkQueued}, b.items(environment))
	equal(b.T, "delivered", "", b.polls(environment, "b"))
	b.workIs(environment, first, stops)
	if b.polls(environment, "c") == "" {
		b.Error("nothing is delivered after the worker has stopped")
	}
}

func workArchive(b *bed) {
	environment := b.selfHosted()
	for state, want := range map[store.WorkState]store.WorkState{
		store.WorkQueued: store.WorkStopped, store.WorkStarting: store.WorkStopping, store.WorkActive: store.WorkStopping,
		store.WorkStopping: store.WorkStopping,
	} {
		v := b.sessionIn(environment)
		id := b.polls(environment, string(state))
		if state != store.WorkQueued {
			b.workIs(environment, id, b.leased(state))
		}
		_, err := sessionKind().archive(b.ctx, b, account, v.ID, b.clock.Now())
		check(b.T, err)
		item, err := b.GetWork(b.ctx, account, environment, id)
		check(b.T, err)
		equal(b.T, "state after "+string(state), want, item.State)
		equal(b.T, "ended", want == store.WorkStopped, b.scopeOf(string(state)).Ended)
		b.workIs(environment, id, stops)
	}
	equal(b.T, "items", 4, len(b.items(environment)))
}

func workErase(b *bed) {
	environment := b.selfHosted()
	v := b.sessionIn(environment)
	id := b.polls(environment, "a")
	check(b.T, b.DeleteSession(b.ctx, account, v.ID, allowed))
	_, err := b.GetWork(b.ctx, account, environment, id)
	missing(b.T, store.MissingError{Noun: store.NounWork, ID: id}, err)
	_, err = b.TokenByHash(b.ctx, "a")
	fails(b.T, "token", store.ErrNotFound, err)
	_, err = b.CreateToken(b.ctx, store.NewToken{Account: account, Hash: "key", EnvironmentID: environment})
	check(b.T, err)
	check(b.T, b.DeleteEnvironment(b.ctx, account, environment))
	key, err := b.TokenByHash(b.ctx, "key")
	check(b.T, err)
	equal(b.T, "a key of the deleted environment is revoked", true, key.RevokedAt != nil)
}

func workList(b *bed) {
	environment := b.selfHosted()
	for range 3 {
		b.sessionIn(environment)
	}
	b.sessionIn(b.selfHosted())
	var ids []string
	page := store.Page{Limit: 2, Ascending: true}
	for {
		list, err := b.ListWork(b.ctx, account, environment, page)
		check(b.T, err)
		for _, item := range list.Items {
			ids = append(ids, item.ID)
		}
		if !list.HasMore {
			break
		}
		page.Cursor = ids[len(ids)-1]
	}
	equal(b.T, "items", 3, len(ids))
	_, err := b.ListWork(b.ctx, account, environment, store.Page{Limit: 1, Cursor: "work_unknown"})
	fails(b.T, "cursor", store.ErrUnknownCursor, err)
	list, err := b.ListWork(b.ctx, other, environment, page)
	fails(b.T, "cursor of another account", store.ErrUnknownCursor, err)
	equal(b.T, "items of another account", 0, len(list.Items))
}

func workStats(b *bed) {
	environment := b.selfHosted()
	has := func(want store.WorkStats) {
		b.Helper()
		got, err := b.WorkStats(b.ctx, account, environment)
		check(b.T, err)
		equal(b.T, "stats", want, got)
	}
	has(store.WorkStats{})
	b.sessionIn(environment)
	queued := b.clock.stamp()
	b.clock.advance(time.Second)
	b.sessionIn(environment)
	has(store.WorkStats{Depth: 2, OldestQueuedAt: &queued})
	id := b.polls(environment, "a")
	has(store.WorkStats{Depth: 1, Pending: 1, OldestQueuedAt: &queued, Pollers: 1})
	b.workIs(environment, id, b.leased(store.WorkActive))
	b.clock.advance(time.Minute)
	if got, err := b.WorkStats(b.ctx, account, environment); err != nil || got.Depth != 2 || got.Pollers != 0 {
		b.Errorf("after the lease: %+v %v", got, err)
	}
	b.polls(environment, "a")
	b.polls(environment, "b")
	b.polls(environment, "b")
	if got, err := b.WorkStats(b.ctx, account, environment); err != nil || got.Pollers != 2 {
		b.Errorf("%+v %v, want two workers", got, err)
	}
}

func workAwait(b *bed) { awaitsWork(b, b) }

// awaitsWork creates a session at one store while another one waits.
func awaitsWork(at, from *bed) {
	environment, elsewhere := from.selfHosted(), from.selfHosted()
	queued, release := at.AwaitWork(account, environment)
	defer release()
	others, releaseOthers := at.AwaitWork(account, elsewhere)
	defer releaseOthers()
	from.sessionIn(environment)
	<-queued
	select {
	case <-others:
		at.Error("another environment's work woke a poll")
	default:
	}
}

func workUndone(b *bed) {
	environment := b.selfHosted()
	check(b.T, seedParents(b.ctx, b, account))
	fails(b.T, "transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
		_, err := b.CreateSession(ctx, account, store.SessionSpec{AgentID: seedAgentID, EnvironmentID: environment})
		return errors.Join(err, errStop)
	}))
	equal(b.T, "items", nil, b.items(environment))
	b.sessionIn(environment)
	id := b.polls(environment, "a")
	_, err := b.UpdateWork(b.ctx, account, environment, id, func(w *store.WorkItem) error {
		w.State = store.WorkStopped
		return errStop
	})
	fails(b.T, "change", errStop, err)
	equal(b.T, "items", []store.WorkState{store.WorkQueued}, b.items(environment))
}

// workRace lets workers race for one item, each at a store of its own: both a poll's delivery and the first heartbeat have
// one winner.
func workRace(beds []*bed, rounds int) {
	b := beds[0]
	environment := b.selfHosted()
	b.sessionIn(environment)
	errTaken := errors.New("taken")
	for round := range rounds {
		delivered, owners := make([]*store.WorkItem, len(beds)), make([]bool, len(beds))
		var all sync.WaitGroup
		for i, at := range beds {
			all.Go(func() {
				var err error
				delivered[i], err = at.PollWork(b.ctx, account, environment, store.Poll{Token: fmt.Sprint(round, i), DeliveredBefore: b.clock.Now().Add(-time.Hour)})
				check(b.T, err)
			})
		}
		all.Wait()
		item := delivered[0]
		for i, d := range delivered {
			if d != nil && item != nil && i > 0 {
				b.Fatalf("round %d: two polls got %s", round, d.ID)
			}
			if item == nil {
				item = d
			}
		}
		if item == nil {
			b.Fatalf("round %d: no poll got the item", round)
		}
		for i, at := range beds {
			all.Go(func() {
				_, err := at.UpdateWork(b.ctx, account, environment, item.ID, func(w *store.WorkItem) error {
					if w.State != store.WorkQueued {
						return errTaken
					}
					return b.leased(store.WorkActive)(w)
				})
				if owners[i] = err == nil; err != nil && !errors.Is(err, errTaken) {
					b.Error(err)
				}
			})
		}
		all.Wait()
		won := 0
		for _, owner := range owners {
			if owner {
				won++
			}
		}
		if won != 1 {
			b.Fatalf("round %d: %d workers have the item", round, won)
		}
		b.workIs(environment, item.ID, func(w *store.WorkItem) error {
			w.State, w.Lease, w.AcknowledgedAt = store.WorkQueued, store.WorkLease{}, nil
			return nil
		})
	}
}
