package sqlstore

import (
	"context"
	"errors"

	"github.com/cloud-sessions/sessions/server/store"
)

// agentContent is what an agent is in version v.
const agentContent = `v.version, v.name, v.description, v.model, v.system, v.tools, v.mcp_servers,
	v.default_environment, v.metadata, v.created_at`

// selectAgents lacks the version to select.
const selectAgents = `SELECT r.id, r.created_at, r.archived_at, ` + agentContent + `
	FROM agents r JOIN agent_versions v
	ON v.account_id = r.account_id AND v.agent_id = r.id AND v.version = `

// contentOf returns where to scan agentContent to.
func contentOf(a *store.Agent) []any {
	return []any{&a.Version, &a.Name, &a.Description, &a.Model, &a.System, fromJSON{&a.Tools}, fromJSON{&a.McpServers},
		&a.DefaultEnvironment, fromJSON{&a.Metadata}, timeTo{&a.UpdatedAt}}
}

func scanAgent(row scanner) (a store.Agent, err error) {
	err = row.Scan(append([]any{&a.ID, timeTo{&a.CreatedAt}, timeOrNilTo{&a.ArchivedAt}}, contentOf(&a)...)...)
	return a, err
}

func agentRows() rows[store.Agent] {
	return rows[store.Agent]{table: "agents", selection: selectAgents + "r.version", scan: scanAgent}
}

// CreateAgent implements store.Agents.
func (s *Store) CreateAgent(ctx context.Context, account string, spec store.AgentSpec) (a store.Agent, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		now := cut(s.now())
		a = store.Agent{AgentSpec: spec, ID: s.newID("agent"), Version: 1, CreatedAt: now, UpdatedAt: now}
		a.Metadata = orEmpty(a.Metadata)
		if err := s.addAgent(ctx, account, a); err != nil {
			return err
		}
		return s.addAgentVersion(ctx, account, a)
	})
	return orZero(a, err)
}

// GetAgent names the version in its error when the agent exists without it.
func (s *Store) GetAgent(ctx context.Context, account, id string, version int32) (store.Agent, error) {
	latest, err := get(ctx, s, agentRows(), account, id)
	if err != nil || version == 0 || version == latest.Version {
		return latest, missing(err, store.MissingError{Noun: store.NounAgent, ID: id})
	}
	pinned, err := one(ctx, s, scanAgent,
		selectAgents+`$1 WHERE r.account_id = $2 AND r.id = $3 AND r.deleted_at IS NULL`, version, account, id)
	return pinned, missing(err, store.MissingError{Noun: store.NounAgent, ID: id, Version: version})
}

// ListAgents implements store.Agents.
func (s *Store) ListAgents(ctx context.Context, account string, page store.Page) (store.List[store.Agent], error) {
	return list(ctx, s, agentRows(), filterFor(account), page)
}

// SeedAgent takes the id of a deleted agent for one that the account has.
func (s *Store) SeedAgent(ctx context.Context, account string, a store.Agent) (bool, error) {
	err := s.Atomically(ctx, func(ctx context.Context) error {
		if err := s.addAgent(ctx, account, a); err != nil {
			return err
		}
		for ; a.Version >= 1; a.Version-- {
			if err := s.addAgentVersion(ctx, account, a); err != nil {
				return err
			}
		}
		return nil
	})
	return seeded(err)
}

// seeded reports whether a seed was stored, given the error of storing it.
func seeded(err error) (bool, error) {
	if errors.Is(err, store.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// addAgent stores what changes about an agent, or returns store.ErrExists.
func (s *Store) addAgent(ctx context.Context, account string, a store.Agent) error {
	return s.add(ctx, `INSERT INTO agents (account_id, id, version, created_at, archived_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account_id, id) DO NOTHING`,
		account, a.ID, a.Version, toMicros(a.CreatedAt), toMicrosOrNull(a.ArchivedAt))
}

// addAgentVersion stores what the agent is in its version.
func (s *Store) addAgentVersion(ctx context.Context, account string, a store.Agent) error {
	return s.add(ctx, `INSERT INTO agent_versions (account_id, agent_id, version, name, description, model, system,
			tools, mcp_servers, default_environment, metadata, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		account, a.ID, a.Version, a.Name, a.Description, a.Model, a.System,
		string(a.Tools), string(a.McpServers), a.DefaultEnvironment, asJSON{orEmpty(a.Metadata)}, toMicros(a.UpdatedAt))
}
