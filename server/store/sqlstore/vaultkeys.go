package sqlstore

import (
	"context"
	"errors"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

const selectSealed = `SELECT account_id, vault_id, id FROM vault_credentials WHERE sealed <> '' AND key_id <> $1 LIMIT $2`

// ListSealed implements store.Vaults.
func (s *Store) ListSealed(ctx context.Context, key string, limit int) ([]store.CredentialRef, error) {
	scan := func(row engine.Scanner) (of store.CredentialRef, err error) {
		return of, row.Scan(&of.Account, &of.Vault, &of.ID)
	}
	return all(ctx, s, scan, selectSealed, key, limit)
}

// Reseal implements store.Vaults.
func (s *Store) Reseal(ctx context.Context, of store.CredentialRef, change func(store.Sealed) (store.Sealed, error)) error {
	err := s.inVault(ctx, of.Account, of.Vault, func(ctx context.Context, _ store.Vault) error {
		c, err := s.credentialOf(ctx, of.Account, of.Vault, of.ID)
		if err != nil || c.Secret == (store.Sealed{}) {
			return err
		}
		resealed, err := change(c.Secret)
		if err != nil {
			return err
		}
		_, err = s.exec(ctx, `UPDATE vault_credentials SET key_id = $1, sealed = $2 WHERE account_id = $3 AND id = $4`,
			resealed.Key, resealed.Text, of.Account, of.ID)
		return err
	})
	var gone *store.MissingError
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

func scanSealed(row engine.Scanner) (sealed store.Sealed, err error) {
	return sealed, row.Scan(&sealed.Key, &sealed.Text)
}

// The row of vault_keys is the one with this name.
const (
	addVaultKey    = `INSERT INTO vault_keys (name, key_id, sealed) VALUES ('vaults', '', '') ON CONFLICT (name) DO NOTHING`
	lockVaultKey   = `SELECT 1 FROM vault_keys WHERE name = 'vaults'`
	selectVaultKey = `SELECT key_id, sealed FROM vault_keys WHERE name = 'vaults'`
	updateVaultKey = `UPDATE vault_keys SET key_id = $1, sealed = $2 WHERE name = 'vaults'`
)

// VaultKey implements store.Vaults.
func (s *Store) VaultKey(ctx context.Context) (store.Sealed, error) {
	if _, within := s.scopeOf(ctx); within && s.db.ForShare != "" {
		if err := s.soon(ctx, lockVaultKey+s.db.ForShare); err != nil {
			return store.Sealed{}, err
		}
	}
	sealed, err := one(ctx, s, scanSealed, selectVaultKey)
	if errors.Is(err, store.ErrNotFound) {
		return store.Sealed{}, nil
	}
	return sealed, err
}

// SetVaultKey implements store.Vaults.
func (s *Store) SetVaultKey(ctx context.Context, change func(store.Sealed) (store.Sealed, error)) error {
	return s.Atomically(ctx, func(ctx context.Context) error {
		if _, err := s.exec(ctx, addVaultKey); err != nil {
			return err
		}
		if s.db.ForUpdate != "" {
			if err := s.soon(ctx, lockVaultKey+s.db.ForUpdate); err != nil {
				return err
			}
		}
		current, err := one(ctx, s, scanSealed, selectVaultKey)
		if err != nil {
			return err
		}
		next, err := change(current)
		if err != nil {
			return err
		}
		_, err = s.exec(ctx, updateVaultKey, next.Key, next.Text)
		return err
	})
}
