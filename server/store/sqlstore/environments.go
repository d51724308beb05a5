package sqlstore

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func environmentRows() rows[store.Environment] {
	return rows[store.Environment]{
		noun:  store.NounEnvironment,
		table: "environments",
		selection: `SELECT r.id, r.name, r.description, r.config, r.metadata, r.created_at, r.updated_at, r.archived_at
			FROM environments r`,
		scan: scanEnvironment,
		size: environmentSize,
	}
}

func scanEnvironment(row engine.Scanner) (e store.Environment, err error) {
	err = row.Scan(&e.ID, &e.Name, &e.Description, fromJSON{&e.Config}, fromJSON{&e.Metadata},
		timeTo{&e.CreatedAt}, timeTo{&e.UpdatedAt}, timeOrNilTo{&e.ArchivedAt})
	return e, err
}

// CreateEnvironment implements store.Environments.
func (s *Store) CreateEnvironment(ctx context.Context, account string, spec store.EnvironmentSpec) (e store.Environment, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		now := cut(s.now())
		e = store.Environment{EnvironmentSpec: spec, ID: s.newID("env"), CreatedAt: now, UpdatedAt: now}
		e.Metadata = orEmpty(e.Metadata)
		return s.addEnvironment(ctx, account, e)
	})
	return orZero(e, err)
}

// GetEnvironment implements store.Environments.
func (s *Store) GetEnvironment(ctx context.Context, account, id string) (store.Environment, error) {
	return get(ctx, s, environmentRows(), account, id)
}

// ListEnvironments implements store.Environments.
func (s *Store) ListEnvironments(ctx context.Context, account string, page store.Page) (store.List[store.Environment], error) {
	return list(ctx, s, environmentRows(), filterFor(account), page)
}

// UpdateEnvironment implements store.Environments.
func (s *Store) UpdateEnvironment(ctx context.Context, account, id string, change func(*store.EnvironmentSpec) error) (store.Environment, error) {
	return changed(ctx, s, environmentRows(), account, id, func(ctx context.Context, e *store.Environment) error {
		if e.ArchivedAt != nil {
			return takesNoChanges(store.NounEnvironment, id)
		}
		if err := change(&e.EnvironmentSpec); err != nil {
			return err
		}
		e.Metadata, e.UpdatedAt = orEmpty(e.Metadata), cut(s.now())
		return s.setEnvironment(ctx, account, *e)
	})
}

// ArchiveEnvironment implements store.Environments.
func (s *Store) ArchiveEnvironment(ctx context.Context, account, id string) (store.Environment, error) {
	return changed(ctx, s, environmentRows(), account, id, func(ctx context.Context, e *store.Environment) error {
		if e.ArchivedAt != nil {
			return &store.StateError{Noun: store.NounEnvironment, ID: id, Reason: "is archived already."}
		}
		e.UpdatedAt = cut(s.now())
		e.ArchivedAt = new(e.UpdatedAt)
		return s.setEnvironment(ctx, account, *e)
	})
}

// selectUses finds a session that refers to an environment.
const selectUses = `SELECT id FROM sessions
	WHERE account_id = $1 AND environment_id = $2 AND deleted_at IS NULL LIMIT 1`

// DeleteEnvironment implements store.Environments.
func (s *Store) DeleteEnvironment(ctx context.Context, account, id string) error {
	_, err := changed(ctx, s, environmentRows(), account, id, func(ctx context.Context, _ *store.Environment) error {
		uses, err := all(ctx, s, scanID, selectUses, account, id)
		if err != nil {
			return err
		}
		if len(uses) > 0 {
			return &store.StateError{Noun: store.NounEnvironment, ID: id, Reason: "is used by sessions; archive it instead."}
		}
		if err := s.soon(ctx, `UPDATE tokens SET revoked_at = $1 WHERE account_id = $2 AND environment_id = $3 AND revoked_at IS NULL`,
			toMicros(s.now()), account, id); err != nil {
			return err
		}
		return s.hide(ctx, "environments", account, id)
	})
	return err
}

// SeedEnvironment treats the id of a deleted environment as one that the account has.
func (s *Store) SeedEnvironment(ctx context.Context, account string, e store.Environment) (bool, error) {
	return seeded(s.Atomically(ctx, func(ctx context.Context) error {
		return s.addEnvironment(ctx, account, e)
	}))
}

// addEnvironment stores an environment, or returns store.ErrExists.
func (s *Store) addEnvironment(ctx context.Context, account string, e store.Environment) error {
	return s.add(ctx, `INSERT INTO environments
			(account_id, id, name, description, config, metadata, created_at, updated_at, archived_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account_id, id) DO NOTHING`,
		account, e.ID, e.Name, e.Description, string(e.Config), toJSON(orEmpty(e.Metadata)),
		toMicros(e.CreatedAt), toMicros(e.UpdatedAt), toMicrosOrNull(e.ArchivedAt))
}

// setEnvironment stores what may change about an environment.
func (s *Store) setEnvironment(ctx context.Context, account string, e store.Environment) error {
	_, err := s.exec(ctx, `UPDATE environments
		SET name = $1, description = $2, config = $3, metadata = $4, updated_at = $5, archived_at = $6
		WHERE account_id = $7 AND id = $8`,
		e.Name, e.Description, string(e.Config), toJSON(e.Metadata),
		toMicros(e.UpdatedAt), toMicrosOrNull(e.ArchivedAt), account, e.ID)
	return err
}
