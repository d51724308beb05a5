package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/cloud-sessions/sessions/server/store"
)

// call is a call of the store's methods, under the names that the interface gives them.
type call struct {
	methods string // separated by spaces
	do      func(ctx context.Context, s store.Store) error
}

// reads are the methods that write nothing. Every other method of the interface counts as one that writes.
const reads = `Alone Atomically AwaitWork Close CountBusySessions DeletedBlobs EventPosition FileBytes FileDeleted FindCredential
	FindMemory FollowEvents GetAgent GetCredential GetEnvironment GetFile GetMemory GetMemoryStore GetMemoryVersion GetSession GetVault GetWork
	HasBlob KeyBytes LastPosition ListAgentVersions ListAgents ListCredentials ListEnvironments ListEvents ListFiles ListMemories
	ListMemoryStores ListMemoryTree ListMemoryVersions ListMemos ListSealed ListSessionRevisions ListSessions ListTokens ListVaults ListWork NewID
	OverdueTurns Ping Pool Publish PublishWith Queues Revocations SessionEnvironment SessionRevision TokenByHash VaultKey Watch WorkStats WorkTurns`

// Calls tests this suite: a new method of the interface cannot be left out of it.
func (suite) Calls() map[string]test {
	return map[string]test{
		"EveryWrite": func(b *bed) {
			var want []string
			for _, name := range methods() {
				if !slices.Contains(strings.Fields(reads), name) {
					want = append(want, name)
				}
			}
			equal(b.T, "methods that writes() calls: add a method to suite that returns a call of a new one, or add its name to reads", want, called(writes()))
		},
		"EveryCall": func(b *bed) {
			// The methods left out can neither fail nor wait, or are how calls are stopped.
			want := slices.DeleteFunc(methods(), func(name string) bool {
				return slices.Contains([]string{"Alone", "AwaitWork", "Close", "NewID", "Pool", "Revocations", "Watch", "WorkTurns"}, name)
			})
			equal(b.T, "methods that calls() calls: add a call of a new method there, unless it writes", want, called(calls()))
		},
		"EveryMethod": func(b *bed) {
			found := 0
			for range methodsOf[map[string]test]() {
				found++
			}
			for range methodsOf[[]call]() {
				found++
			}
			equal(b.T, "methods of suite that return tests or calls", reflect.TypeFor[suite]().NumMethod(), found)
		},
		"EveryRead": func(b *bed) {
			for _, name := range strings.Fields(reads) {
				if !slices.Contains(methods(), name) {
					b.Errorf("the interface has no %s", name)
				}
			}
		},
	}
}

// methods returns the names of the interface's methods, sorted.
func methods() (names []string) {
	for m := range reflect.TypeFor[store.Store]().Methods() {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}

// called returns the methods that are called, sorted.
func called(calls []call) (names []string) {
	for _, c := range calls {
		names = append(names, strings.Fields(c.methods)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// everyWrite calls every method that writes.
func (b *bed) everyWrite(ctx context.Context) {
	b.Helper()
	for _, write := range writes() {
		check(b.T, write.do(ctx, b))
	}
}

// writes has a call of every method that writes; they succeed in this order, and again. The calls that methods of suite
// return come last, so that they find a seeded agent and a seeded environment.
func writes() []call {
	spec := store.SessionSpec{AgentID: seedAgentID, EnvironmentID: seedEnvironmentID}
	list := []call{
		{"SeedAgent SeedEnvironment", func(ctx context.Context, s store.Store) error { return seedParents(ctx, s, account) }},
		{"CreateAgent", func(ctx context.Context, s store.Store) error {
			_, err := s.CreateAgent(ctx, account, agentSpec())
			return err
		}},
		{"CreateEnvironment", func(ctx context.Context, s store.Store) error {
			_, err := s.CreateEnvironment(ctx, account, environmentSpec())
			return err
		}},
		{"CreateSession", func(ctx context.Context, s store.Store) error {
			_, err := s.CreateSession(ctx, account, spec)
			return err
		}},
		{"AppendEvents QueueTurn", func(ctx context.Context, s store.Store) error {
			v, err := s.CreateSession(ctx, account, spec)
			if err != nil {
				return err
			}
			v, _, err = s.AppendEvents(ctx, account, v.ID, startThen(no))
			if err != nil {
				return err
			}
			return s.Atomically(ctx, func(ctx context.Context) error {
				return s.QueueTurn(ctx, store.TurnRef{Session: store.SessionRef{Account: account, ID: v.ID}, TurnID: v.Turn.ID})
			})
		}},
		{"CreateToken ExtendToken RevokeToken", func(ctx context.Context, s store.Store) error {
			tokens, err := s.ListTokens(ctx, "")
			if err != nil {
				return err
			}
			t, err := s.CreateToken(ctx, store.NewToken{Account: account, Hash: fmt.Sprint(len(tokens))})
			if err != nil {
				return err
			}
			if _, err := s.ExtendToken(ctx, t.ID, seedAt()); err != nil {
				return err
			}
			_, err = s.RevokeToken(ctx, t.ID)
			return err
		}},
		{"Secret", func(ctx context.Context, s store.Store) error { _, err := s.Secret(ctx, "every"); return err }},
		{"ClaimKey RecordResponse", func(ctx context.Context, s store.Store) error {
			recorded, err := s.ClaimKey(ctx, key("every"))
			if err != nil || recorded != nil {
				return err
			}
			return s.RecordResponse(ctx, key("every"), reply())
		}},
		{"SweepEvents", func(ctx context.Context, s store.Store) error { _, err := s.SweepEvents(ctx, 1); return err }},
		{"SweepSpace", func(ctx context.Context, s store.Store) error { _, err := s.SweepSpace(ctx, 1); return err }},
		{"SweepKeys", func(ctx context.Context, s store.Store) error { _, err := s.SweepKeys(ctx, 1); return err }},
		{"ShareStreams", func(ctx context.Context, s store.Store) error {
			_, err := s.ShareStreams(ctx, map[string]int{account: 1})
			return err
		}},
	}
	for _, k := range kinds() {
		list = append(list, call{k.methods, func(ctx context.Context, s store.Store) error {
			r, err := k.create(ctx, s, account)
			if err != nil {
				return err
			}
			if _, err := k.rename(ctx, s, account, r.id, "new", no); err != nil {
				return err
			}
			if _, err := k.archive(ctx, s, account, r.id, seedAt()); err != nil {
				return err
			}
			if r, err = k.create(ctx, s, account); err != nil {
				return err
			}
			return k.remove(ctx, s, account, r.id)
		}})
	}
	for _, more := range methodsOf[[]call]() {
		list = append(list, more...)
	}
	return list
}

// hasNothing fails the test unless nothing of everyWrite is there.
func (b *bed) hasNothing() {
	b.Helper()
	for _, k := range kinds() {
		list, err := k.list(b.ctx, b, account, store.Page{Limit: 1, IncludeArchived: true})
		check(b.T, err)
		equal(b.T, k.name+"s", 0, len(list.Items))
	}
	tokens, err := b.ListTokens(b.ctx, "")
	check(b.T, err)
	equal(b.T, "tokens", 0, len(tokens))
	recorded, err := b.ClaimKey(b.ctx, key("every"))
	check(b.T, err)
	equal(b.T, "reply", nil, recorded)
}

// calls has a call of every method that can fail.
func calls() []call {
	page := store.Page{Limit: 1}
	list := writes()
	for _, k := range kinds() {
		list = append(list,
			call{"Get" + k.name, func(ctx context.Context, s store.Store) error {
				_, err := k.get(ctx, s, account, "x")
				return err
			}},
			call{"List" + k.name + "s", func(ctx context.Context, s store.Store) error {
				_, err := k.list(ctx, s, account, page)
				return err
			}},
			call{"Update" + k.name, func(ctx context.Context, s store.Store) error {
				_, err := k.rename(ctx, s, account, "x", "", no)
				return err
			}},
			call{"", func(ctx context.Context, s store.Store) error {
				_, err := k.archive(ctx, s, account, "x", seedAt())
				return err
			}},
			call{"Delete" + k.name, func(ctx context.Context, s store.Store) error { return k.remove(ctx, s, account, "x") }},
		)
	}
	list = append(list, memoryCalls(account, "x", "x", "x")...)
	return append(list,
		call{"UpdateAgent", func(ctx context.Context, s store.Store) error {
			_, err := s.UpdateAgent(ctx, account, "x", 1, func(*store.AgentSpec) error { return nil })
			return err
		}},
		call{"ListAgentVersions", func(ctx context.Context, s store.Store) error {
			_, err := s.ListAgentVersions(ctx, account, "x", page)
			return err
		}},
		call{"GetCredential", func(ctx context.Context, s store.Store) error {
			_, err := s.GetCredential(ctx, account, "x", "x")
			return err
		}},
		call{"ListCredentials", func(ctx context.Context, s store.Store) error {
			_, err := s.ListCredentials(ctx, account, "x", store.CredentialFilter{}, page)
			return err
		}},
		call{"FindCredential", func(ctx context.Context, s store.Store) error {
			_, err := s.FindCredential(ctx, account, []string{"x"}, "x")
			return err
		}},
		call{"ListSealed", func(ctx context.Context, s store.Store) error { _, err := s.ListSealed(ctx, "", 1); return err }},
		call{"VaultKey", func(ctx context.Context, s store.Store) error { _, err := s.VaultKey(ctx); return err }},
		call{"AppendEvents", func(ctx context.Context, s store.Store) error {
			_, _, err := s.AppendEvents(ctx, account, "x", adding())
			return err
		}},
		call{"EventPosition", func(ctx context.Context, s store.Store) error {
			_, err := s.EventPosition(ctx, account, "x", "")
			return err
		}},
		call{"ListEvents", func(ctx context.Context, s store.Store) error {
			_, err := s.ListEvents(ctx, account, "x", store.EventFilter{}, page)
			return err
		}},
		call{"ListMemos", func(ctx context.Context, s store.Store) error {
			_, err := s.ListMemos(ctx, account, "x", 0)
			return err
		}},
		call{"SweepEvents", func(ctx context.Context, s store.Store) error { _, err := s.SweepEvents(ctx, 1); return err }},
		call{"CountBusySessions", func(ctx context.Context, s store.Store) error {
			_, err := s.CountBusySessions(ctx, account, 1)
			return err
		}},
		call{"QueueTurn", func(ctx context.Context, s store.Store) error { return s.QueueTurn(ctx, store.TurnRef{}) }},
		call{"Publish", func(ctx context.Context, s store.Store) error { return s.Publish(ctx, store.Increment{}) }},
		call{"PublishWith", func(ctx context.Context, s store.Store) error { return s.PublishWith(ctx, store.Increment{}) }},
		call{"SessionRevision", func(ctx context.Context, s store.Store) error {
			_, err := s.SessionRevision(ctx, account, "x")
			return err
		}},
		call{"FollowEvents", func(ctx context.Context, s store.Store) error {
			_, err := s.FollowEvents(ctx, account, "x", 0, page)
			return err
		}},
		call{"LastPosition", func(ctx context.Context, s store.Store) error {
			_, err := s.LastPosition(ctx, account, "x")
			return err
		}},
		call{"ListSessionRevisions", func(ctx context.Context, s store.Store) error {
			_, err := s.ListSessionRevisions(ctx, account, store.SessionFilter{}, store.Page{Limit: 1})
			return err
		}},
		call{"SessionEnvironment", func(ctx context.Context, s store.Store) error {
			_, _, err := s.SessionEnvironment(ctx, account, "x")
			return err
		}},
		call{"GetWork", func(ctx context.Context, s store.Store) error {
			_, err := s.GetWork(ctx, account, "x", "x")
			return err
		}},
		call{"ListWork", func(ctx context.Context, s store.Store) error {
			_, err := s.ListWork(ctx, account, "x", page)
			return err
		}},
		call{"WorkStats", func(ctx context.Context, s store.Store) error {
			_, err := s.WorkStats(ctx, account, "x")
			return err
		}},
		call{"OverdueTurns", func(ctx context.Context, s store.Store) error {
			_, err := s.OverdueTurns(ctx, store.Overdue{}, 1)
			return err
		}},
		call{"Queues", func(ctx context.Context, s store.Store) error {
			_, err := s.Queues(ctx)
			return err
		}},
		call{"Ping", func(ctx context.Context, s store.Store) error { return s.Ping(ctx) }},
		call{"Atomically", func(ctx context.Context, s store.Store) error {
			return s.Atomically(ctx, func(context.Context) error { return nil })
		}},
		call{"TokenByHash", func(ctx context.Context, s store.Store) error { _, err := s.TokenByHash(ctx, "h"); return err }},
		call{"ListTokens", func(ctx context.Context, s store.Store) error { _, err := s.ListTokens(ctx, account); return err }},
		call{"RevokeToken", func(ctx context.Context, s store.Store) error { _, err := s.RevokeToken(ctx, "tok_x"); return err }},
		call{"ExtendToken", func(ctx context.Context, s store.Store) error {
			_, err := s.ExtendToken(ctx, "tok_x", seedAt())
			return err
		}},
		call{"GetFile", func(ctx context.Context, s store.Store) error { _, err := s.GetFile(ctx, account, "x"); return err }},
		call{"FileDeleted", func(ctx context.Context, s store.Store) error { _, err := s.FileDeleted(ctx, account, "x"); return err }},
		call{"FileBytes", func(ctx context.Context, s store.Store) error { _, err := s.FileBytes(ctx, account); return err }},
		call{"ListFiles", func(ctx context.Context, s store.Store) error {
			_, err := s.ListFiles(ctx, account, store.FileFilter{}, page)
			return err
		}},
		call{"DeletedBlobs", func(ctx context.Context, s store.Store) error { _, err := s.DeletedBlobs(ctx, 1); return err }},
		call{"HasBlob", func(ctx context.Context, s store.Store) error { _, err := s.HasBlob(ctx, "x"); return err }},
		call{"KeyBytes", func(ctx context.Context, s store.Store) error { _, err := s.KeyBytes(ctx, account); return err }},
		call{"RecordResponse", func(ctx context.Context, s store.Store) error { return s.RecordResponse(ctx, key("x"), reply()) }},
		call{"SweepKeys", func(ctx context.Context, s store.Store) error { _, err := s.SweepKeys(ctx, 1); return err }},
	)
}
