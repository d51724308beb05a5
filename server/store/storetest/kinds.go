package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// row is what agents, environments, memory stores, vaults and sessions have in common.
type row struct {
	id, name             string
	createdAt, updatedAt time.Time
	archivedAt           *time.Time
	// whole is the resource itself.
	whole any
}

// kind is one of agents, environments, memory stores, vaults and sessions, for what the contract requires of all of them.
type kind struct {
	name string
	// methods are those of the store that create, rename, archive and remove call.
	methods string
	// create also creates a session's agent and environment if they are missing.
	create func(ctx context.Context, s store.Store, account string) (row, error)
	get    func(ctx context.Context, s store.Store, account, id string) (row, error)
	list   func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error)
	// rename updates the row, and calls then at the end of the change.
	rename func(ctx context.Context, s store.Store, account, id, name string, then func() error) (row, error)
	// extend adds to the row's name as the store finds it.
	extend func(ctx context.Context, s store.Store, account, id, suffix string) error
	// archive uses at where the store does not use its clock.
	archive func(ctx context.Context, s store.Store, account, id string, at time.Time) (row, error)
	remove  func(ctx context.Context, s store.Store, account, id string) error
}

func kinds() []kind {
	return []kind{agentKind(), environmentKind(), memoryStoreKind(), vaultKind(), sessionKind()}
}

func agentKind() kind {
	return kind{
		name:    "Agent",
		methods: "CreateAgent UpdateAgent ArchiveAgent DeleteAgent",
		create: func(ctx context.Context, s store.Store, account string) (row, error) {
			return toRow(agentRow)(s.CreateAgent(ctx, account, agentSpec()))
		},
		get: func(ctx context.Context, s store.Store, account, id string) (row, error) {
			return toRow(agentRow)(s.GetAgent(ctx, account, id, 0))
		},
		list: func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error) {
			list, err := s.ListAgents(ctx, account, page)
			return toRows(list, agentRow), err
		},
		rename: func(ctx context.Context, s store.Store, account, id, name string, then func() error) (row, error) {
			latest, err := s.GetAgent(ctx, account, id, 0)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return row{}, err
			}
			return toRow(agentRow)(s.UpdateAgent(ctx, account, id, latest.Version, func(a *store.AgentSpec) error {
				a.Name = name
				return then()
			}))
		},
		extend: func(ctx context.Context, s store.Store, account, id, suffix string) error {
			for { // until nobody was faster
				latest, err := s.GetAgent(ctx, account, id, 0)
				if err != nil {
					return err
				}
				_, err = s.UpdateAgent(ctx, account, id, latest.Version, func(a *store.AgentSpec) error {
					a.Name += suffix
					return nil
				})
				if !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
		},
		archive: func(ctx context.Context, s store.Store, account, id string, _ time.Time) (row, error) {
			return toRow(agentRow)(s.ArchiveAgent(ctx, account, id))
		},
		remove: func(ctx context.Context, s store.Store, account, id string) error {
			return s.DeleteAgent(ctx, account, id)
		},
	}
}

func environmentKind() kind {
	return kind{
		name:    "Environment",
		methods: "CreateEnvironment UpdateEnvironment ArchiveEnvironment DeleteEnvironment",
		create: func(ctx context.Context, s store.Store, account string) (row, error) {
			return toRow(environmentRow)(s.CreateEnvironment(ctx, account, environmentSpec()))
		},
		get: func(ctx context.Context, s store.Store, account, id string) (row, error) {
			return toRow(environmentRow)(s.GetEnvironment(ctx, account, id))
		},
		list: func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error) {
			list, err := s.ListEnvironments(ctx, account, page)
			return toRows(list, environmentRow), err
		},
		rename: func(ctx context.Context, s store.Store, account, id, name string, then func() error) (row, error) {
			return toRow(environmentRow)(s.UpdateEnvironment(ctx, account, id, func(e *store.EnvironmentSpec) error {
				e.Name = name
				return then()
			}))
		},
		extend: func(ctx context.Context, s store.Store, account, id, suffix string) error {
			_, err := s.UpdateEnvironment(ctx, account, id, func(e *store.EnvironmentSpec) error {
				e.Name += suffix
				return nil
			})
			return err
		},
		archive: func(ctx context.Context, s store.Store, account, id string, _ time.Time) (row, error) {
			return toRow(environmentRow)(s.ArchiveEnvironment(ctx, account, id))
		},
		remove: func(ctx context.Context, s store.Store, account, id string) error {
			return s.DeleteEnvironment(ctx, account, id)
		},
	}
}

func vaultKind() kind {
	return kind{
		name:    "Vault",
		methods: "CreateVault UpdateVault ArchiveVault DeleteVault",
		create: func(ctx context.Context, s store.Store, account string) (row, error) {
			return toRow(vaultRow)(s.CreateVault(ctx, account, vaultSpec()))
		},
		get: func(ctx context.Context, s store.Store, account, id string) (row, error) {
			return toRow(vaultRow)(s.GetVault(ctx, account, id))
		},
		list: func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error) {
			list, err := s.ListVaults(ctx, account, store.VaultFilter{}, page)
			return toRows(list, vaultRow), err
		},
		rename: func(ctx context.Context, s store.Store, account, id, name string, then func() error) (row, error) {
			return toRow(vaultRow)(s.UpdateVault(ctx, account, id, func(v *store.VaultSpec) error {
				v.DisplayName = name
				return then()
			}))
		},
		extend: func(ctx context.Context, s store.Store, account, id, suffix string) error {
			_, err := s.UpdateVault(ctx, account, id, func(v *store.VaultSpec) error {
				v.DisplayName += suffix
				return nil
			})
			return err
		},
		archive: func(ctx context.Context, s store.Store, account, id string, _ time.Time) (row, error) {
			return toRow(vaultRow)(s.ArchiveVault(ctx, account, id))
		},
		remove: func(ctx context.Context, s store.Store, account, id string) error {
			return s.DeleteVault(ctx, account, id)
		},
	}
}

func memoryStoreKind() kind {
	return kind{
		name:    "MemoryStore",
		methods: "CreateMemoryStore UpdateMemoryStore ArchiveMemoryStore DeleteMemoryStore",
		create: func(ctx context.Context, s store.Store, account string) (row, error) {
			return toRow(memoryStoreRow)(s.CreateMemoryStore(ctx, account, memoryStoreSpec()))
		},
		get: func(ctx context.Context, s store.Store, account, id string) (row, error) {
			return toRow(memoryStoreRow)(s.GetMemoryStore(ctx, account, id))
		},
		list: func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error) {
			list, err := s.ListMemoryStores(ctx, account, store.MemoryStoreFilter{}, page)
			return toRows(list, memoryStoreRow), err
		},
		rename: func(ctx context.Context, s store.Store, account, id, name string, then func() error) (row, error) {
			return toRow(memoryStoreRow)(s.UpdateMemoryStore(ctx, account, id, func(m *store.MemoryStoreSpec) error {
				m.Name = name
				return then()
			}))
		},
		extend: func(ctx context.Context, s store.Store, account, id, suffix string) error {
			_, err := s.UpdateMemoryStore(ctx, account, id, func(m *store.MemoryStoreSpec) error {
				m.Name += suffix
				return nil
			})
			return err
		},
		archive: func(ctx context.Context, s store.Store, account, id string, _ time.Time) (row, error) {
			return toRow(memoryStoreRow)(s.ArchiveMemoryStore(ctx, account, id))
		},
		remove: func(ctx context.Context, s store.Store, account, id string) error {
			return s.DeleteMemoryStore(ctx, account, id)
		},
	}
}

func sessionKind() kind {
	return kind{
		name:    "Session",
		methods: "CreateSession UpdateSession DeleteSession",
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
			return toRow(sessionRow)(s.GetSession(ctx, account, id))
		},
		list: func(ctx context.Context, s store.Store, account string, page store.Page) (store.List[row], error) {
			list, err := s.ListSessions(ctx, account, store.SessionFilter{}, page)
			return toRows(list, sessionRow), err
		},
		rename: func(ctx context.Context, s store.Store, account, id, name string, then func() error) (row, error) {
			return toRow(sessionRow)(s.UpdateSession(ctx, account, id, func(v *store.Session) error {
				v.Title = name
				return then()
			}))
		},
		extend: func(ctx context.Context, s store.Store, account, id, suffix string) error {
			_, err := s.UpdateSession(ctx, account, id, func(v *store.Session) error {
				v.Title += suffix
				return nil
			})
			return err
		},
		archive: func(ctx context.Context, s store.Store, account, id string, at time.Time) (row, error) {
			return toRow(sessionRow)(s.UpdateSession(ctx, account, id, func(v *store.Session) error {
				v.ArchivedAt = &at
				return nil
			}))
		},
		remove: func(ctx context.Context, s store.Store, account, id string) error {
			return s.DeleteSession(ctx, account, id, allowed)
		},
	}
}

func agentRow(a store.Agent) row {
	return row{a.ID, a.Name, a.CreatedAt, a.UpdatedAt, a.ArchivedAt, a}
}

func environmentRow(e store.Environment) row {
	return row{e.ID, e.Name, e.CreatedAt, e.UpdatedAt, e.ArchivedAt, e}
}

func vaultRow(v store.Vault) row {
	return row{v.ID, v.DisplayName, v.CreatedAt, v.UpdatedAt, v.ArchivedAt, v}
}

func memoryStoreRow(m store.MemoryStore) row {
	return row{m.ID, m.Name, m.CreatedAt, m.UpdatedAt, m.ArchivedAt, m}
}

func sessionRow(v store.Session) row {
	return row{v.ID, v.Title, v.CreatedAt, v.UpdatedAt, v.ArchivedAt, v}
}

// toRow returns convert for a result that comes with an error.
func toRow[T any](convert func(T) row) func(T, error) (row, error) {
	return func(v T, err error) (row, error) { return convert(v), err }
}

// allowed allows a session to be deleted.
func allowed(store.Session) error { return nil }

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
		MCPServers:         json.RawMessage(`[]`),
		Skills:             json.RawMessage(`[ "skill_1" ]`),
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

func vaultSpec() store.VaultSpec {
	return store.VaultSpec{DisplayName: "密钥 \"1\"", Metadata: map[string]string{"team": "docs"}}
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
