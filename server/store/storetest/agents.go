package storetest

import (
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Agents tests the methods of agents that other rows do not have.
func (suite) Agents() map[string]test {
	return map[string]test{
		"Create": func(b *bed) {
			got, err := b.CreateAgent(b.ctx, account, agentSpec())
			check(b.T, err)
			equal(b.T, "agent", store.Agent{
				AgentSpec: agentSpec(), ID: "agent_000001", Version: 1,
				CreatedAt: b.clock.stamp(), UpdatedAt: b.clock.stamp(),
			}, got)
			utc(b.T, got.CreatedAt, got.UpdatedAt)
			for _, version := range []int32{0, 1} {
				read, err := b.GetAgent(b.ctx, account, got.ID, version)
				check(b.T, err)
				equal(b.T, "agent read", got, read)
				utc(b.T, read.CreatedAt, read.UpdatedAt)
			}
		},
		"NoMetadata": func(b *bed) {
			spec := agentSpec()
			spec.Metadata = nil
			made, err := b.CreateAgent(b.ctx, account, spec)
			check(b.T, err)
			equal(b.T, "metadata", map[string]string{}, made.Metadata)
			read, err := b.GetAgent(b.ctx, account, made.ID, 0)
			check(b.T, err)
			equal(b.T, "agent read", made, read)
		},
		"NotFound": func(b *bed) {
			made := b.agent()
			for _, want := range []store.MissingError{
				{Noun: store.NounAgent, ID: "agent_unknown"},
				{Noun: store.NounAgent, ID: made.ID, Version: 2},
			} {
				_, err := b.GetAgent(b.ctx, account, want.ID, want.Version)
				missing(b.T, want, err)
			}
			_, err := b.GetAgent(b.ctx, account, "agent_unknown", 2)
			missing(b.T, store.MissingError{Noun: store.NounAgent, ID: "agent_unknown"}, err)
		},
		"Versions": func(b *bed) {
			seed := seedAgent()
			_, err := b.SeedAgent(b.ctx, account, seed)
			check(b.T, err)
			for version := int32(1); version <= seed.Version; version++ {
				want := seed
				want.Version = version
				got, err := b.GetAgent(b.ctx, account, seed.ID, version)
				check(b.T, err)
				equal(b.T, "version", want, got)
			}
			list, err := b.ListAgents(b.ctx, account, store.Page{Limit: 10})
			check(b.T, err)
			equal(b.T, "list", store.List[store.Agent]{Items: []store.Agent{seed}}, list)
			_, err = b.GetAgent(b.ctx, account, seed.ID, seed.Version+1)
			fails(b.T, "a later version", store.ErrNotFound, err)
		},
		"Update": func(b *bed) {
			first := b.agent()
			b.clock.advance(time.Hour)
			changed := store.AgentSpec{
				Name: "2", Description: "2", Model: "2", System: "2", Tools: json.RawMessage(`[ 2 ]`),
				MCPServers: json.RawMessage(`[ 3 ]`), Skills: json.RawMessage(`[ 4 ]`), DefaultEnvironment: "env_2",
			}
			second, err := b.UpdateAgent(b.ctx, account, first.ID, 1, func(spec *store.AgentSpec) error {
				equal(b.T, "what the latest says", agentSpec(), *spec)
				*spec = changed
				return nil
			})
			check(b.T, err)
			changed.Metadata = map[string]string{}
			equal(b.T, "second version", store.Agent{
				AgentSpec: changed, ID: first.ID, Version: 2, CreatedAt: first.CreatedAt, UpdatedAt: b.clock.stamp(),
			}, second)
			b.clock.advance(time.Hour)
			third, err := b.UpdateAgent(b.ctx, account, first.ID, 2, func(spec *store.AgentSpec) error {
				equal(b.T, "what the latest says", changed, *spec)
				return nil
			})
			check(b.T, err)
			want := second
			want.Version, want.UpdatedAt = 3, b.clock.stamp()
			equal(b.T, "third version, in which nothing is new", want, third)
			b.versions(first, second, third)
			list, err := b.ListAgents(b.ctx, account, store.Page{Limit: 10})
			check(b.T, err)
			equal(b.T, "list", []store.Agent{third}, list.Items)
		},
		"UpdateInPlace": func(b *bed) {
			first := b.agent()
			_, err := b.UpdateAgent(b.ctx, account, first.ID, 1, func(spec *store.AgentSpec) error {
				spec.Metadata["new"] = "x"
				delete(spec.Metadata, "team")
				return nil
			})
			check(b.T, err)
			got, err := b.GetAgent(b.ctx, account, first.ID, 0)
			check(b.T, err)
			equal(b.T, "metadata", map[string]string{"new": "x", "<&>": "\u2028é"}, got.Metadata)
			got, err = b.GetAgent(b.ctx, account, first.ID, 1)
			check(b.T, err)
			equal(b.T, "first version", first, got)
		},
		"StaleVersion": func(b *bed) {
			check(b.T, seedParents(b.ctx, b, account))
			for _, version := range []int32{-1, 0, 1, 2, 4} {
				_, err := b.UpdateAgent(b.ctx, account, seedAgentID, version, func(*store.AgentSpec) error {
					b.Error("a change is called for a stale version")
					return nil
				})
				fails(b.T, "stale version", store.ErrConflict, err)
				var got *store.VersionError
				if !errors.As(err, &got) {
					b.Fatalf("want a VersionError, got %v", err)
				}
				equal(b.T, "error", store.VersionError{Latest: 3, Got: version}, *got)
			}
			got, err := b.GetAgent(b.ctx, account, seedAgentID, 0)
			check(b.T, err)
			equal(b.T, "agent", seedAgent(), got)
		},
		"OneOfConcurrentUpdates": func(b *bed) {
			made := b.agent()
			const writers = 8
			var won atomic.Int32
			each(b.T, writers, func(i int) error {
				_, err := b.UpdateAgent(b.ctx, account, made.ID, 1, func(spec *store.AgentSpec) error {
					spec.Name = "winner"
					return nil
				})
				var stale *store.VersionError
				switch {
				case err == nil:
					won.Add(1)
				case !errors.As(err, &stale) || *stale != (store.VersionError{Latest: 2, Got: 1}):
					return err
				}
				return nil
			})
			equal(b.T, "winners", 1, won.Load())
			got, err := b.GetAgent(b.ctx, account, made.ID, 0)
			check(b.T, err)
			equal(b.T, "name", "winner", got.Name)
			equal(b.T, "version", 2, got.Version)
		},
		"ArchivedIsFixed": func(b *bed) {
			made := b.agent()
			b.clock.advance(time.Hour)
			archived, err := b.ArchiveAgent(b.ctx, account, made.ID)
			check(b.T, err)
			equal(b.T, "version", 1, archived.Version)
			b.clock.advance(time.Hour)
			again, err := b.ArchiveAgent(b.ctx, account, made.ID)
			check(b.T, err)
			equal(b.T, "archived again", archived, again)
			for _, version := range []int32{1, 7} { // that it is archived counts more than that it is stale
				_, err = b.UpdateAgent(b.ctx, account, made.ID, version, func(*store.AgentSpec) error {
					b.Error("a change is called for an archived agent")
					return nil
				})
				conflict(b.T, store.StateError{Noun: store.NounAgent, ID: made.ID, Reason: "is archived and takes no changes."}, err)
			}
			b.versions(archived)
		},
		"ArchiveKeepsVersionTimes": func(b *bed) {
			first := b.agent()
			b.clock.advance(time.Hour)
			second, err := b.UpdateAgent(b.ctx, account, first.ID, 1, func(*store.AgentSpec) error { return nil })
			check(b.T, err)
			b.clock.advance(time.Hour)
			archived, err := b.ArchiveAgent(b.ctx, account, first.ID)
			check(b.T, err)
			at := b.clock.stamp()
			first.ArchivedAt, second.ArchivedAt, second.UpdatedAt = &at, &at, at
			equal(b.T, "archived", second, archived)
			b.versions(first, archived)
		},
		"DeletedIDIsTaken": func(b *bed) {
			check(b.T, seedParents(b.ctx, b, account))
			check(b.T, b.DeleteAgent(b.ctx, account, seedAgentID))
			stored, err := b.SeedAgent(b.ctx, account, seedAgent())
			check(b.T, err)
			equal(b.T, "stored", false, stored)
			b.gone(agentKind(), account, seedAgentID)
			for _, version := range []int32{1, 3} {
				_, err := b.GetAgent(b.ctx, account, seedAgentID, version)
				missing(b.T, store.MissingError{Noun: store.NounAgent, ID: seedAgentID}, err)
			}
		},
		"Seed": func(b *bed) {
			first := seedAgent()
			archived := first.CreatedAt.Add(2 * time.Hour)
			first.ArchivedAt = &archived
			second := seedAgent()
			second.Name, second.Version, second.CreatedAt = "changed", 5, second.CreatedAt.Add(time.Hour)
			for i, seed := range []store.Agent{first, second} {
				stored, err := b.SeedAgent(b.ctx, account, seed)
				check(b.T, err)
				equal(b.T, "stored", i == 0, stored)
				got, err := b.GetAgent(b.ctx, account, seed.ID, 0)
				check(b.T, err)
				equal(b.T, "agent", first, got)
			}
			stored, err := b.SeedAgent(b.ctx, other, second)
			check(b.T, err)
			equal(b.T, "stored for another account", true, stored)
		},
	}
}

func (b *bed) agent() store.Agent {
	b.Helper()
	a, err := b.CreateAgent(b.ctx, account, agentSpec())
	check(b.T, err)
	return a
}
