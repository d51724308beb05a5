package storetest

import (
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

func agentTests() map[string]test {
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
