package sqlstore

import (
	"context"
	"maps"

	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// agentVersion names a version of an agent.
type agentVersion struct {
	account, id string
	version     int32
}

// agentVersions caches agents in their versions. These never change, and stay when the agent is archived or deleted,
// so a cached version stays valid whatever other processes write.
type agentVersions = cache.Cache[agentVersion, store.Agent]

// agentVersionsSize bounds the cache, in bytes.
const agentVersionsSize = 8 << 20

// agentAt returns an agent as sessions hold it, in a version that exists or existed; otherwise a store.MissingError.
// Callers share what it refers to.
func (s *Store) agentAt(ctx context.Context, account, id string, version int32) (store.Agent, error) {
	key := agentVersion{account, id, version}
	if a, ok := s.agents.Get(key); ok {
		return a, nil
	}
	scan := func(row engine.Scanner) (a store.Agent, err error) {
		err = row.Scan(append([]any{&a.ID, timeTo{&a.CreatedAt}, timeTo{&a.UpdatedAt}}, contentOf(&a)...)...)
		return a, err
	}
	a, err := one(ctx, s, scan, `SELECT r.id, r.created_at, v.created_at, `+agentContent+`
		FROM agents r JOIN agent_versions v ON v.account_id = r.account_id AND v.agent_id = r.id
		WHERE r.account_id = $1 AND r.id = $2 AND v.version = $3`, account, id, version)
	if err != nil {
		return a, missing(err, store.MissingError{Noun: store.NounAgent, ID: id, Version: version})
	}
	remember := func() { s.remember(account, a) }
	if _, ok := s.scopeOf(ctx); ok {
		s.afterCommit(ctx, remember) // so that what is undone is not cached
	} else {
		remember()
	}
	return a, nil
}

// remember caches an agent as sessions hold it; the version must be committed.
func (s *Store) remember(account string, a store.Agent) {
	const overhead = 512
	s.agents.Add(agentVersion{account, a.ID, a.Version}, a, agentSize(&a)+overhead)
}

// ownAgent returns a copy of an agent that may be changed.
func ownAgent(a store.Agent) store.Agent {
	a.Metadata = maps.Clone(a.Metadata)
	return a
}
