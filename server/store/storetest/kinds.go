package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// row is what agents, environments and sessions have in common.
type row struct {
	id                   string
	createdAt, updatedAt time.Time
}

// kind is one of agents, environments and sessions, for what the contract says of all three.
type kind struct {
	name string
	// create makes a session's agent and environment, too, if need be.
	create func(ctx context.Context, s store.Store, account string) (row, error)
	get    func(ctx context.Context, s store.Store, account, id string) (row, error)
	list   func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error)
}

func kinds() []kind {
	return []kind{
		{
			name: "Agent",
			create: func(ctx context.Context, s store.Store, account string) (row, error) {
				a, err := s.CreateAgent(ctx, account, agentSpec())
				return agentRow(a), err
			},
			get: func(ctx context.Context, s store.Store, account, id string) (row, error) {
				a, err := s.GetAgent(ctx, account, id, 0)
				return agentRow(a), err
			},
			list: func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error) {
				list, err := s.ListAgents(ctx, account, page)
				return toRows(list, agentRow), err
			},
		},
		{
			name: "Environment",
			create: func(ctx context.Context, s store.Store, account string) (row, error) {
				e, err := s.CreateEnvironment(ctx, account, environmentSpec())
				return environmentRow(e), err
			},
			get: func(ctx context.Context, s store.Store, account, id string) (row, error) {
				e, err := s.GetEnvironment(ctx, account, id)
				return environmentRow(e), err
			},
			list: func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error) {
				list, err := s.ListEnvironments(ctx, account, page)
				return toRows(list, environmentRow), err
			},
		},
		{
			name: "Session",
			create: func(ctx context.Context, s store.Store, account string) (row, error) {
				spec := store.SessionSpec{AgentID: seedAgentID, EnvironmentID: seedEnvironmentID}
				v, err := s.CreateSession(ctx, account, spec)
				if errors.Is(err, store.ErrNotFound) {
					if err := seedParents(ctx, s, account); err != nil {
						return row{}, err
					}
					v, err = s.CreateSession(ctx, account, spec)
				}
				return sessionRow(v), err
			},
			get: func(ctx context.Context, s store.Store, account, id string) (row, error) {
				v, err := s.GetSession(ctx, account, id)
				return sessionRow(v), err
			},
			list: func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error) {
				list, err := s.ListSessions(ctx, account, page)
				return toRows(list, sessionRow), err
			},
		},
	}
}

func agentRow(a store.Agent) row             { return row{a.ID, a.CreatedAt, a.UpdatedAt} }
func environmentRow(e store.Environment) row { return row{e.ID, e.CreatedAt, e.UpdatedAt} }
func sessionRow(v store.Session) row         { return row{v.ID, v.CreatedAt, v.UpdatedAt} }

// toRows keeps Items nil when it is nil, so that tests see it.
func toRows[T any](list store.List[T], toRow func(T) row) store.List[row] {
	rows := store.List[row]{HasMore: list.HasMore}
	if list.Items != nil {
		rows.Items = []row{}
	}
	for _, item := range list.Items {
		rows.Items = append(rows.Items, toRow(item))
	}
	return rows
}

func agentSpec() store.AgentSpec {
	return store.AgentSpec{
		Name: "测试 agent", Description: "says \"hi\"", Model: "ultimate", System: "Line 1\nLine 2\t'quoted' \\ 🙂",
		Tools:              json.RawMessage(`[ {"type": "custom", "n": 1.50} ]`),
		McpServers:         json.RawMessage(`[]`),
		DefaultEnvironment: "env_x",
		Metadata:           map[string]string{"team": "docs", "<&>": "\u2028é"},
	}
}

func environmentSpec() store.EnvironmentSpec {
	return store.EnvironmentSpec{
		Name: "default", Description: "环境",
		Config:   json.RawMessage(`{"type":  "cloud", "packages": {"apt": ["git"]}}`),
		Metadata: map[string]string{"a": ""},
	}
}

// The ids of what seedParents stores.
const (
	seedAgentID       = "agent_seed"
	seedEnvironmentID = "env_seed"
)

// seedAt is when the seeds were made, before any test's clock.
func seedAt() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC) }

// seedAgent is an agent at version 3.
func seedAgent() store.Agent {
	return store.Agent{
		AgentSpec: agentSpec(), ID: seedAgentID, Version: 3,
		CreatedAt: seedAt(), UpdatedAt: seedAt().Add(time.Hour),
	}
}

func seedEnvironment() store.Environment {
	return store.Environment{
		EnvironmentSpec: environmentSpec(), ID: seedEnvironmentID,
		CreatedAt: seedAt(), UpdatedAt: seedAt().Add(time.Hour),
	}
}

// seedParents stores, unless they are there, an agent and an environment for sessions.
func seedParents(ctx context.Context, s store.Store, account string) error {
	if _, err := s.SeedAgent(ctx, account, seedAgent()); err != nil {
		return err
	}
	_, err := s.SeedEnvironment(ctx, account, seedEnvironment())
	return err
}
