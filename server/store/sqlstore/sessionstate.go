package sqlstore

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// UpdateSession implements store.Sessions.
func (s *Store) UpdateSession(ctx context.Context, account, id string, change func(*store.Session) error) (store.Session, error) {
	return changed(ctx, s, sessionRows(), account, id, func(ctx context.Context, v *store.Session) error {
		moved, err := s.change(ctx, account, v, change, func() ([]engine.Step, error) { return nil, nil })
		if err != nil || !moved {
			return err
		}
		return s.signal(ctx, store.Signal{Session: store.SessionRef{Account: account, ID: id}, State: true})
	})
}

// change stores what change makes of a locked session, together with the steps that also returns then, and reports whether
// its status or turn differs. v becomes the session as it is stored: change may have touched what is not.
func (s *Store) change(ctx context.Context, account string, v *store.Session, change func(*store.Session) error, also func() ([]engine.Step, error)) (moved bool, err error) {
	id, old, now, before := v.ID, stateOf(*v), cut(s.now()), *v
	before.EnvironmentVariables = maps.Clone(v.EnvironmentVariables)
	before.MemoryStoreIDs, before.VaultIDs = slices.Clone(v.MemoryStoreIDs), slices.Clone(v.VaultIDs)
	files := fileIDs(v.Resources)
	v.Agent = ownAgent(v.Agent)
	if err := change(v); err != nil {
		return false, err
	}
	v.Resources = s.withIDs(v.Resources, now)
	state := stateOf(*v)
	if state.resources != old.resources {
		if err := s.refer(ctx, account, id, files, v.Resources); err != nil {
			return false, err
		}
	}
	steps, err := also()
	if err != nil {
		return false, err
	}
	if state != old {
		before.UpdatedAt = now
		steps = append(steps, setSession(account, id, state, now))
	}
	if err := s.writeAll(ctx, steps); err != nil {
		return false, err
	}
	*v = asStored(before, *v)
	switch moved = state.progress != old.progress; {
	case v.SelfHosted && state.archivedAt != old.archivedAt:
		err = s.stopWork(ctx, account, id)
	case moved && needsWork(*v):
		err = s.queueWork(ctx, account, *v, cut(s.now()))
	}
	return moved, err
}

// asStored returns a session after a change: what a change may set, as it is read back from its stored form, and the rest as
// it was before.
func asStored(before, changed store.Session) store.Session {
	v := before
	v.Title, v.Status, v.Usage, v.Turn = changed.Title, changed.Status, changed.Usage, changed.Turn
	v.Metadata, v.ArchivedAt = orEmpty(maps.Clone(changed.Metadata)), cutOrNil(changed.ArchivedAt)
	v.Resources = fromResourcesJSON(toResourcesJSON(changed.Resources))
	v.Turn.Pending = append([]store.PendingAction(nil), changed.Turn.Pending...) // nil for none
	return v
}

// CountBusySessions implements store.Sessions.
func (s *Store) CountBusySessions(ctx context.Context, account string, limit int) (int, error) {
	if err := s.lockAccount(ctx, account); err != nil {
		return 0, err
	}
	return one(ctx, s, func(row engine.Scanner) (n int, err error) { return n, row.Scan(&n) },
		countBusy(limit), account)
}

// lockAccount locks an account until the end of ctx's transaction, if it has one, against others that lock it.
func (s *Store) lockAccount(ctx context.Context, account string) error {
	if _, within := s.scopeOf(ctx); !within || s.db.LockAccount == "" {
		return nil
	}
	return s.soon(ctx, s.db.LockAccount, account)
}

func countBusy(limit int) string {
	return `SELECT count(*) FROM (SELECT 1 FROM sessions WHERE account_id = $1 AND ` + engine.Busy + ` LIMIT ` + strconv.Itoa(limit) + `) AS busy`
}

// DeleteSession implements store.Sessions.
func (s *Store) DeleteSession(ctx context.Context, account, id string, allow func(store.Session) error) error {
	_, err := changed(ctx, s, sessionRows(), account, id, func(ctx context.Context, v *store.Session) error {
		if err := allow(*v); err != nil {
			return err
		}
		_, err := s.exec(ctx, `UPDATE sessions SET deleted_at = $1, title = '', metadata = '{}',
				environment_variables = '{}', delta_flush_interval = 0, memory_store_ids = '[]', vault_ids = '[]',
				resources = '[]', input_tokens = 0, output_tokens = 0, cache_read_input_tokens = 0,
				cache_creation_5m = 0, cache_creation_1h = 0, credit_cents = 0, status = 'idle',
				turn_id = '', turn_lease = 0, turn_pending = '[]', turn_origin = '', revision = revision + 1
			WHERE account_id = $2 AND id = $3`, toMicros(s.now()), account, id)
		if err != nil {
			return err
		}
		ref := store.SessionRef{Account: account, ID: id}
		s.afterCommit(ctx, func() { s.recent.forget(ref) })
		if err := s.signal(ctx, store.Signal{Session: ref, State: true}); err != nil {
			return err
		}
		if v.SelfHosted {
			if err := s.tokensEnded(ctx); err != nil {
				return err
			}
		}
		return s.erase(ctx, account, id)
	})
	return err
}

// sessionState is what may change about a session, in its stored form: it is equal when nothing has changed.
type sessionState struct {
	progress
	title, metadata, resources string
	turnOrigin                 string
	usage                      store.Usage
	archivedAt                 sql.NullInt64
}

// progress is the part of a session's state that signals are about.
type progress struct {
	status, turnID, turnPending string
	turnLease                   int64
}

func stateOf(v store.Session) sessionState {
	state := sessionState{
		progress: progress{string(v.Status), v.Turn.ID, toJSON(v.Turn.Pending), v.Turn.Lease},
		title:    v.Title, metadata: toJSON(orEmpty(v.Metadata)), resources: resourcesText(v.Resources), usage: v.Usage,
		turnOrigin: v.Turn.Origin,
	}
	if v.ArchivedAt != nil {
		state.archivedAt = sql.NullInt64{Int64: toMicros(*v.ArchivedAt), Valid: true}
	}
	return state
}

func setSession(account, id string, state sessionState, updatedAt time.Time) engine.Step {
	return write(`UPDATE sessions SET title = $1, status = $2, metadata = $3, resources = $4,
			input_tokens = $5, output_tokens = $6, cache_read_input_tokens = $7,
			cache_creation_5m = $8, cache_creation_1h = $9, credit_cents = $10, archived_at = $11, updated_at = $12,
			turn_id = $13, turn_lease = $14, turn_pending = $15, turn_origin = $16, revision = revision + 1
		WHERE account_id = $17 AND id = $18`,
		state.title, state.status, state.metadata, state.resources,
		state.usage.InputTokens, state.usage.OutputTokens, state.usage.CacheReadInputTokens,
		state.usage.CacheCreation5m, state.usage.CacheCreation1h, state.usage.CreditCents,
		state.archivedAt, toMicros(updatedAt), state.turnID, state.turnLease, state.turnPending, state.turnOrigin, account, id)
}

// withIDs returns the resources, and completes those that have no id.
func (s *Store) withIDs(resources []store.Resource, now time.Time) []store.Resource {
	resources = slices.Clone(resources)
	for i := range resources {
		r := &resources[i]
		if r.ID != "" {
			continue
		}
		r.ID, r.CreatedAt, r.UpdatedAt = s.newID("sesr"), now, now
		if r.MountPath == "" {
			r.MountPath = store.DefaultMountPath(r.FileID)
		}
	}
	return resources
}

// resourceJSON is a resource in its session's resources column; times are in microseconds since 1970.
type resourceJSON struct {
	ID        string      `json:"id"`
	FileID    string      `json:"file_id"`
	MountPath string      `json:"mount_path"`
	CreatedAt int64       `json:"created_at"`
	UpdatedAt int64       `json:"updated_at"`
	Memory    *memoryJSON `json:"memory,omitempty"`
}

// memoryJSON is a memory store as a resource.
type memoryJSON struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Description  string `json:"description"`
	Instructions string `json:"instructions"`
	ReadOnly     bool   `json:"read_only"`
}

// resourcesText returns the stored form of a session's resources.
func resourcesText(resources []store.Resource) string { return toJSON(toResourcesJSON(resources)) }

func toResourcesJSON(resources []store.Resource) []resourceJSON {
	list := make([]resourceJSON, len(resources))
	for i, r := range resources {
		list[i] = resourceJSON{ID: r.ID, FileID: r.FileID, MountPath: r.MountPath, CreatedAt: toMicros(r.CreatedAt), UpdatedAt: toMicros(r.UpdatedAt)}
		if m := r.Memory; m != nil {
			list[i].Memory = &memoryJSON{m.ID, m.Name, m.Description, m.Instructions, m.ReadOnly}
		}
	}
	return list
}

func fromResourcesJSON(list []resourceJSON) []store.Resource {
	resources := make([]store.Resource, len(list))
	for i, r := range list {
		resources[i] = store.Resource{
			ID: r.ID, FileID: r.FileID, MountPath: r.MountPath,
			CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
		}
		if m := r.Memory; m != nil {
			resources[i].Memory = &store.MemoryMount{
				MemoryStoreUse: store.MemoryStoreUse{ID: m.ID, Instructions: m.Instructions, ReadOnly: m.ReadOnly},
				Name:           m.Name, Description: m.Description,
			}
		}
	}
	return resources
}
