package sqlstore

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
)

func environmentRows() rows[store.Environment] {
	return rows[store.Environment]{
		table: "environments",
		selection: `SELECT r.id, r.name, r.description, r.config, r.metadata, r.created_at, r.updated_at, r.archived_at
			FROM environments r`,
		scan: scanEnvironment,
	}
}

func scanEnvironment(row scanner) (e store.Environment, err error) {
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
	e, err := get(ctx, s, environmentRows(), account, id)
	return e, missing(err, store.MissingError{Noun: store.NounEnvironment, ID: id})
}

// ListEnvironments implements store.Environments.
func (s *Store) ListEnvironments(ctx context.Context, account string, page store.Page) (store.List[store.Environment], error) {
	return list(ctx, s, environmentRows(), filterFor(account), page)
}

// SeedEnvironment takes the id of a deleted environment for one that the account has.
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
		account, e.ID, e.Name, e.Description, string(e.Config), asJSON{orEmpty(e.Metadata)},
		toMicros(e.CreatedAt), toMicros(e.UpdatedAt), toMicrosOrNull(e.ArchivedAt))
}
