package sqlstore

import (
	"context"
	"math"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func vaultRows() rows[store.Vault] {
	return rows[store.Vault]{
		noun:      store.NounVault,
		table:     "vaults",
		selection: `SELECT r.id, r.display_name, r.metadata, r.created_at, r.updated_at, r.archived_at FROM vaults r`,
		scan:      scanVault,
		size:      vaultSize,
	}
}

func scanVault(row engine.Scanner) (v store.Vault, err error) {
	err = row.Scan(&v.ID, &v.DisplayName, fromJSON{&v.Metadata}, timeTo{&v.CreatedAt}, timeTo{&v.UpdatedAt}, timeOrNilTo{&v.ArchivedAt})
	return v, err
}

// CreateVault implements store.Vaults.
func (s *Store) CreateVault(ctx context.Context, account string, spec store.VaultSpec) (v store.Vault, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		now := cut(s.now())
		v = store.Vault{VaultSpec: spec, ID: s.newID("vault"), CreatedAt: now, UpdatedAt: now}
		v.Metadata = orEmpty(v.Metadata)
		return s.add(ctx, `INSERT INTO vaults (account_id, id, display_name, metadata, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, id) DO NOTHING`,
			account, v.ID, v.DisplayName, toJSON(v.Metadata), toMicros(v.CreatedAt), toMicros(v.UpdatedAt))
	})
	return orZero(v, err)
}

// GetVault implements store.Vaults.
func (s *Store) GetVault(ctx context.Context, account, id string) (store.Vault, error) {
	return get(ctx, s, vaultRows(), account, id)
}

// ListVaults implements store.Vaults.
func (s *Store) ListVaults(ctx context.Context, account string, only store.VaultFilter, page store.Page) (store.List[store.Vault], error) {
	f := filterFor(account)
	if only.Archived {
		f.and("r.archived_at IS NOT NULL")
	}
	return list(ctx, s, vaultRows(), f, page)
}

// UpdateVault implements store.Vaults.
func (s *Store) UpdateVault(ctx context.Context, account, id string, change func(*store.VaultSpec) error) (store.Vault, error) {
	return changed(ctx, s, vaultRows(), account, id, func(ctx context.Context, v *store.Vault) error {
		if v.ArchivedAt != nil {
			return takesNoChanges(store.NounVault, id)
		}
		if err := change(&v.VaultSpec); err != nil {
			return err
		}
		v.Metadata, v.UpdatedAt = orEmpty(v.Metadata), cut(s.now())
		return s.setVault(ctx, account, *v)
	})
}

// ArchiveVault implements store.Vaults.
func (s *Store) ArchiveVault(ctx context.Context, account, id string) (store.Vault, error) {
	return changed(ctx, s, vaultRows(), account, id, func(ctx context.Context, v *store.Vault) error {
		if v.ArchivedAt != nil {
			return nil
		}
		v.UpdatedAt = cut(s.now())
		v.ArchivedAt = new(v.UpdatedAt)
		if _, err := s.exec(ctx, `UPDATE vault_credentials SET key_id = '', sealed = '' WHERE account_id = $1 AND vault_id = $2 AND deleted_at IS NULL`,
			account, id); err != nil {
			return err
		}
		return s.setVault(ctx, account, *v)
	})
}

// DeleteVault removes the rows of the credentials: nothing can list them any longer.
func (s *Store) DeleteVault(ctx context.Context, account, id string) error {
	_, err := changed(ctx, s, vaultRows(), account, id, func(ctx context.Context, _ *store.Vault) error {
		credentials, err := all(ctx, s, scanID, selectCredentialIDs, account, id)
		if err != nil {
			return err
		}
		for _, credential := range credentials {
			if _, err := s.eraseResponses(ctx, account, credential, math.MaxInt32); err != nil {
				return err
			}
		}
		if _, err := s.exec(ctx, `DELETE FROM vault_credentials WHERE account_id = $1 AND vault_id = $2`, account, id); err != nil {
			return err
		}
		return s.hide(ctx, "vaults", account, id)
	})
	return err
}

// setVault stores what may change about a vault.
func (s *Store) setVault(ctx context.Context, account string, v store.Vault) error {
	_, err := s.exec(ctx, `UPDATE vaults SET display_name = $1, metadata = $2, updated_at = $3, archived_at = $4
		WHERE account_id = $5 AND id = $6`,
		v.DisplayName, toJSON(v.Metadata), toMicros(v.UpdatedAt), toMicrosOrNull(v.ArchivedAt), account, v.ID)
	return err
}
