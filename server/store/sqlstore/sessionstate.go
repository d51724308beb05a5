package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// UpdateSession returns what it reads back: change may have touched what is not stored.
func (s *Store) UpdateSession(ctx context.Context, account, id string, change func(*store.Session) error) (store.Session, error) {
	return changed(ctx, s, sessionRows(), account, id, func(ctx context.Context, v *store.Session) error {
		old, now := stateOf(*v), cut(s.now())
		if err := change(v); err != nil {
			return err
		}
		v.Resources = s.withIDs(v.Resources, now)
		if state := stateOf(*v); state != old {
			if err := s.setSession(ctx, account, id, state, now); err != nil {
				return err
			}
		}
		stored, err := s.GetSession(ctx, account, id)
		*v = stored
		return err
	})
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
				cache_creation_5m = 0, cache_creation_1h = 0, credit_cents = 0
			WHERE account_id = $2 AND id = $3`, toMicros(s.now()), account, id)
		return err
	})
	return err
}

// sessionState is what may change about a session, in the form that is stored: when nothing has changed,
// it is equal.
type sessionState struct {
	title, status, metadata, resources string
	usage                              store.Usage
	archivedAt                         sql.NullInt64
}

func stateOf(v store.Session) sessionState {
	state := sessionState{
		title: v.Title, status: string(v.Status), metadata: toJSON(orEmpty(v.Metadata)),
		resources: resourcesText(v.Resources), usage: v.Usage,
	}
	if v.ArchivedAt != nil {
		state.archivedAt = sql.NullInt64{Int64: toMicros(*v.ArchivedAt), Valid: true}
	}
	return state
}

func (s *Store) setSession(ctx context.Context, account, id string, state sessionState, updatedAt time.Time) error {
	_, err := s.exec(ctx, `UPDATE sessions SET title = $1, status = $2, metadata = $3, resources = $4,
			input_tokens = $5, output_tokens = $6, cache_read_input_tokens = $7,
			cache_creation_5m = $8, cache_creation_1h = $9, credit_cents = $10, archived_at = $11, updated_at = $12
		WHERE account_id = $13 AND id = $14`,
		state.title, state.status, state.metadata, state.resources,
		state.usage.InputTokens, state.usage.OutputTokens, state.usage.CacheReadInputTokens,
		state.usage.CacheCreation5m, state.usage.CacheCreation1h, state.usage.CreditCents,
		state.archivedAt, toMicros(updatedAt), account, id)
	return err
}

// withIDs returns the resources with all that the store gives to those that have no id yet.
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
	ID        string `json:"id"`
	FileID    string `json:"file_id"`
	MountPath string `json:"mount_path"`
	CreatedAt int64  `json:"created_at"`
	UpdatedAt int64  `json:"updated_at"`
}

// resourcesText is how a session's resources are stored.
func resourcesText(resources []store.Resource) string {
	list := make([]resourceJSON, len(resources))
	for i, r := range resources {
		list[i] = resourceJSON{r.ID, r.FileID, r.MountPath, toMicros(r.CreatedAt), toMicros(r.UpdatedAt)}
	}
	return toJSON(list)
}

func fromResourcesJSON(list []resourceJSON) []store.Resource {
	resources := make([]store.Resource, len(list))
	for i, r := range list {
		resources[i] = store.Resource{
			ID: r.ID, FileID: r.FileID, MountPath: r.MountPath,
			CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
		}
	}
	return resources
}
