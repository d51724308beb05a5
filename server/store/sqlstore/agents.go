package sqlstore

import (
	"context"
	"errors"
	"strconv"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// agentContent are the columns of an agent in version v.
const agentContent = `v.version, v.name, v.description, v.model, v.system, v.tools, v.mcp_servers, v.skills,
	v.default_environment, v.metadata`

// selectAgents selects agents in all their versions.
const selectAgents = `SELECT r.id, r.created_at, r.archived_at,
		CASE v.version WHEN r.version THEN r.updated_at ELSE v.created_at END, ` + agentContent + `
	FROM agents r JOIN agent_versions v
	ON v.account_id = r.account_id AND v.agent_id = r.id`

// contentOf returns where to scan agentContent to.
func contentOf(a *store.Agent) []any {
	return []any{&a.Version, &a.Name, &a.Description, &a.Model, &a.System,
		fromJSON{&a.Tools}, fromJSON{&a.MCPServers}, fromJSON{&a.Skills}, &a.DefaultEnvironment, fromJSON{&a.Metadata}}
}

func scanAgent(row engine.Scanner) (a store.Agent, err error) {
	err = row.Scan(append([]any{&a.ID, timeTo{&a.CreatedAt}, timeOrNilTo{&a.ArchivedAt}, timeTo{&a.UpdatedAt}},
		contentOf(&a)...)...)
	return a, err
}

// agentRows reads agents in their latest version.
func agentRows() rows[store.Agent] {
	return rows[store.Agent]{
		noun: store.NounAgent, table: "agents", selection: selectAgents + " AND v.version = r.version", scan: scanAgent,
		size: agentSize,
	}
}

// agentVersionRows reads all versions of agents.
func agentVersionRows() rows[store.Agent] {
	return rows[store.Agent]{noun: store.NounAgent, table: "agents", selection: selectAgents, scan: scanAgent, size: agentSize}
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
		return latest, err
	}
	f := versionsOf(account, id)
	f.and("v.version = " + f.bind(version))
	pinned, err := one(ctx, s, scanAgent, selectAgents+f.where(), f.args...)
	return pinned, missing(err, store.MissingError{Noun: store.NounAgent, ID: id, Version: version})
}

// ListAgents implements store.Agents.
func (s *Store) ListAgents(ctx context.Context, account string, page store.Page) (store.List[store.Agent], error) {
	return list(ctx, s, agentRows(), filterFor(account), page)
}

// UpdateAgent implements store.Agents.
func (s *Store) UpdateAgent(ctx context.Context, account, id string, version int32, change func(*store.AgentSpec) error) (store.Agent, error) {
	return changed(ctx, s, agentRows(), account, id, func(ctx context.Context, a *store.Agent) error {
		if a.ArchivedAt != nil {
			return takesNoChanges(store.NounAgent, id)
		}
		if a.Version != version {
			return &store.VersionError{Latest: a.Version, Got: version}
		}
		if err := change(&a.AgentSpec); err != nil {
			return err
		}
		a.Metadata, a.UpdatedAt = orEmpty(a.Metadata), cut(s.now())
		a.Version++
		if err := s.addAgentVersion(ctx, account, *a); err != nil {
			return err
		}
		return s.setAgent(ctx, account, *a)
	})
}

// ArchiveAgent implements store.Agents.
func (s *Store) ArchiveAgent(ctx context.Context, account, id string) (store.Agent, error) {
	return changed(ctx, s, agentRows(), account, id, func(ctx context.Context, a *store.Agent) error {
		if a.ArchivedAt != nil {
			return nil
		}
		a.UpdatedAt = cut(s.now())
		a.ArchivedAt = new(a.UpdatedAt)
		return s.setAgent(ctx, account, *a)
	})
}

// DeleteAgent implements store.Agents.
func (s *Store) DeleteAgent(ctx context.Context, account, id string) error {
	_, err := changed(ctx, s, agentRows(), account, id, func(ctx context.Context, _ *store.Agent) error {
		return s.hide(ctx, "agents", account, id)
	})
	return err
}

// ListAgentVersions relies on an agent's versions being those from 1 to its latest.
func (s *Store) ListAgentVersions(ctx context.Context, account, id string, page store.Page) (store.List[store.Agent], error) {
	latest, err := s.GetAgent(ctx, account, id, 0)
	if err != nil {
		return store.List[store.Agent]{Items: []store.Agent{}}, err
	}
	cursor, err := versionPlace(page.Cursor, latest.Version)
	if err != nil {
		return store.List[store.Agent]{Items: []store.Agent{}}, err
	}
	return listFrom(ctx, s, agentVersionRows(), versionsOf(account, id), byVersion, cursor, page)
}

// byVersion is the order of an agent's versions.
var byVersion = []string{"v.version"}

// versionPlace returns the place of a version in decimal, and nil for "".
func versionPlace(cursor string, latest int32) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	version, err := strconv.ParseInt(cursor, 10, 32)
	if err != nil || version < 1 || version > int64(latest) || strconv.FormatInt(version, 10) != cursor {
		return nil, store.ErrUnknownCursor
	}
	return &place{version}, nil
}

// versionsOf returns a filter that matches the versions of one agent. Callers have seen the agent; if it was deleted
// since, they still get what it was.
func versionsOf(account, id string) *filter {
	f := &filter{account: account}
	f.and("r.account_id = " + f.bind(account))
	f.and("r.id = " + f.bind(id))
	return f
}

// SeedAgent treats the id of a deleted agent as one that the account has.
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
	return s.add(ctx, `INSERT INTO agents (account_id, id, version, created_at, updated_at, archived_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, id) DO NOTHING`,
		account, a.ID, a.Version, toMicros(a.CreatedAt), toMicros(a.UpdatedAt), toMicrosOrNull(a.ArchivedAt))
}

// setAgent stores what changes about an existing agent.
func (s *Store) setAgent(ctx context.Context, account string, a store.Agent) error {
	_, err := s.exec(ctx, `UPDATE agents SET version = $1, updated_at = $2, archived_at = $3
		WHERE account_id = $4 AND id = $5`,
		a.Version, toMicros(a.UpdatedAt), toMicrosOrNull(a.ArchivedAt), account, a.ID)
	return err
}

// addAgentVersion stores the content of an agent's version.
func (s *Store) addAgentVersion(ctx context.Context, account string, a store.Agent) error {
	return s.add(ctx, `INSERT INTO agent_versions (account_id, agent_id, version, name, description, model, system,
			tools, mcp_servers, skills, default_environment, metadata, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		account, a.ID, a.Version, a.Name, a.Description, a.Model, a.System,
		string(a.Tools), string(a.MCPServers), string(a.Skills), a.DefaultEnvironment,
		toJSON(orEmpty(a.Metadata)), toMicros(a.UpdatedAt))
}
