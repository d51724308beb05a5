package storetest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Accounts tests that every method that takes an account finds nothing of another one.
func (suite) Accounts() map[string]test {
	return map[string]test{
		"Agents": func(b *bed) {
			a := b.agent()
			for _, version := range []int32{0, 1} {
				_, err := b.GetAgent(b.ctx, other, a.ID, version)
				missing(b.T, store.MissingError{Noun: store.NounAgent, ID: a.ID}, err)
			}
		},
		"Environments": func(b *bed) {
			e := b.environment()
			_, err := b.GetEnvironment(b.ctx, other, e.ID)
			missing(b.T, store.MissingError{Noun: store.NounEnvironment, ID: e.ID}, err)
		},
		"Sessions": func(b *bed) {
			check(b.T, seedParents(b.ctx, b, account))
			spec := store.SessionSpec{AgentID: seedAgentID, EnvironmentID: seedEnvironmentID}
			v, err := b.CreateSession(b.ctx, account, spec)
			check(b.T, err)
			_, err = b.GetSession(b.ctx, other, v.ID)
			missing(b.T, store.MissingError{Noun: store.NounSession, ID: v.ID}, err)
			_, err = b.CreateSession(b.ctx, other, spec)
			missing(b.T, store.MissingError{Noun: store.NounAgent, ID: seedAgentID}, err)
			_, err = b.SeedAgent(b.ctx, other, seedAgent())
			check(b.T, err)
			_, err = b.CreateSession(b.ctx, other, spec)
			missing(b.T, store.MissingError{Noun: store.NounEnvironment, ID: seedEnvironmentID}, err)
		},
		"Lists": func(b *bed) {
			for _, k := range kinds() {
				b.create(k)
				list, err := k.list(b.ctx, b, other, store.Page{Limit: 10, IncludeArchived: true})
				check(b.T, err)
				equal(b.T, k.name+"s of another account", 0, len(list.Items))
			}
		},
		"SameIDs": func(b *bed) {
			for _, acc := range []string{account, other} {
				check(b.T, seedParents(b.ctx, b, acc))
				_, err := b.CreateSession(b.ctx, acc, store.SessionSpec{AgentID: seedAgentID, EnvironmentID: seedEnvironmentID})
				check(b.T, err)
				_, err = b.CreateVault(b.ctx, acc, vaultSpec())
				check(b.T, err)
				_, err = b.SeedMemoryStore(b.ctx, acc, store.MemoryStore{ID: "memstore_seed", CreatedAt: seedAt(), UpdatedAt: seedAt()})
				check(b.T, err)
				for _, k := range kinds() {
					list, err := k.list(b.ctx, b, acc, store.Page{Limit: 10})
					check(b.T, err)
					equal(b.T, k.name+"s", 1, len(list.Items))
				}
			}
		},
	}
}

// Life tests contexts, times and Close.
func (suite) Life() map[string]test {
	return map[string]test{
		"Ping": func(b *bed) { check(b.T, b.Ping(b.ctx)) },
		"Close": func(b *bed) {
			check(b.T, b.Close())
			for i, call := range calls() {
				if err := call.do(b.ctx, b); err == nil {
					b.Errorf("call %d, %s, succeeds after Close", i, call.methods)
				}
			}
		},
		"CloseWaits": func(b *bed) {
			var ended atomic.Bool
			started, closed := make(chan struct{}), make(chan error)
			var result error
			go func() {
				<-started
				err := b.Close()
				if !ended.Load() {
					b.Error("Close did not wait for a call")
				}
				closed <- err
			}()
			result = b.Atomically(b.ctx, func(ctx context.Context) error {
				close(started)
				time.Sleep(20 * time.Millisecond) // for Close to begin
				_, err := b.CreateAgent(ctx, account, agentSpec())
				ended.Store(true)
				return err
			})
			check(b.T, result)
			check(b.T, <-closed)
		},
		"EndedContext": func(b *bed) {
			ctx, cancel := context.WithCancel(b.ctx)
			cancel()
			for i, call := range calls() {
				if err := call.do(ctx, b); err != context.Canceled {
					b.Errorf("call %d, %s: want the context's error, got %v", i, call.methods, err)
				}
			}
			b.hasNothing()
		},
		"Times": func(b *bed) {
			for _, k := range kinds() {
				b.clock.advance(time.Hour + time.Nanosecond)
				r := b.create(k)
				equal(b.T, k.name+" is created", b.clock.stamp(), r.createdAt)
				equal(b.T, k.name+" is updated", r.createdAt, r.updatedAt)
			}
		},
	}
}

// sharedTests are for several stores on one database, at once or one after another.
func sharedTests() map[string]func(t *testing.T, open Opener) {
	return map[string]func(t *testing.T, open Opener){
		"EventClocks":   otherClock,
		"EventSweepers": sweepers,
		"MemoryWriters": func(t *testing.T, open Opener) {
			ids := &sequence{}
			first, second := newBed(t, open, Options{NewID: ids.next}), newBed(t, open, Options{NewID: ids.next})
			twoWriters(first, first.Store, second.Store)
		},
		"EventCrowd": func(t *testing.T, open Opener) {
			ids := &sequence{}
			crowd(t, []*bed{newBed(t, open, Options{NewID: ids.next}), newBed(t, open, Options{NewID: ids.next})}, 4, 4)
		},
		"Durable": func(t *testing.T, open Opener) {
			made := map[string]row{}
			ids := (&sequence{}).next
			for range 2 { // the second store finds what the first left behind
				s := open(t, Options{Now: newClock().Now, NewID: ids})
				for _, k := range kinds() {
					if old, ok := made[k.name]; ok {
						got, err := k.get(t.Context(), s, account, old.id)
						check(t, err)
						equal(t, k.name, old.id, got.id)
						equal(t, k.name+" is created", old.createdAt, got.createdAt)
					}
					r, err := k.create(t.Context(), s, account)
					check(t, err)
					made[k.name] = r
				}
				check(t, s.Close())
			}
		},
		"Counters": func(t *testing.T, open Opener) {
			const stores, writers, rounds = 2, 4, 10
			ids := &sequence{}
			var beds []*bed
			for range stores {
				beds = append(beds, newBed(t, open, Options{NewID: ids.next}))
			}
			each(t, stores*writers, func(i int) error { return count(t.Context(), beds[i%stores], rounds) })
			beds[0].counted(stores * writers * rounds)
		},
		"Twins": func(t *testing.T, open Opener) {
			ids := &sequence{}
			first, second := newBed(t, open, Options{NewID: ids.next}), newBed(t, open, Options{NewID: ids.next})
			twins(first, []store.Store{first, second})
		},
		"OpenedAtOnce": func(t *testing.T, open Opener) {
			ids := &sequence{}
			each(t, 4, func(int) error {
				s := open(t, Options{NewID: ids.next})
				_, err := s.CreateAgent(t.Context(), account, agentSpec())
				if closeErr := s.Close(); err == nil {
					err = closeErr
				}
				return err
			})
			newBed(t, open, Options{NewID: ids.next}).hasAgents(4)
		},
	}
}
