package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func credentialRows() rows[store.Credential] {
	return rows[store.Credential]{
		noun:  store.NounCredential,
		table: "vault_credentials",
		selection: `SELECT r.id, r.vault_id, r.target, r.auth, r.protocol, r.metadata, r.key_id, r.sealed, r.refreshing_until,
				r.created_at, r.updated_at, r.archived_at
			FROM vault_credentials r`,
		scan: scanCredential,
		size: credentialSize,
	}
}

func scanCredential(row engine.Scanner) (c store.Credential, err error) {
	var refreshing int64
	err = row.Scan(&c.ID, &c.VaultID, &c.Target, fromJSON{&c.Auth}, &c.Protocol, fromJSON{&c.Metadata}, &c.Secret.Key, &c.Secret.Text,
		&refreshing, timeTo{&c.CreatedAt}, timeTo{&c.UpdatedAt}, timeOrNilTo{&c.ArchivedAt})
	if refreshing != 0 {
		c.RefreshingUntil = fromMicros(refreshing)
	}
	return c, err
}

const selectCredentialIDs = `SELECT id FROM vault_credentials WHERE account_id = $1 AND vault_id = $2 AND deleted_at IS NULL`

// CreateCredential implements store.Vaults.
func (s *Store) CreateCredential(ctx context.Context, account, vault, id string, spec store.CredentialSpec, most int) (c store.Credential, err error) {
	err = s.inVault(ctx, account, vault, func(ctx context.Context, v store.Vault) error {
		if v.ArchivedAt != nil {
			return takesNoChanges(store.NounVault, vault)
		}
		if err := s.fits(ctx, account, vault, spec.Target, most); err != nil {
			return err
		}
		now := cut(s.now())
		c = store.Credential{CredentialSpec: spec, ID: cmp.Or(id, s.newID("vcred")), VaultID: vault, CreatedAt: now, UpdatedAt: now}
		c.Metadata = orEmpty(c.Metadata)
		return s.add(ctx, `INSERT INTO vault_credentials
				(account_id, id, vault_id, target, auth, protocol, metadata, key_id, sealed, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (account_id, id) DO NOTHING`,
			account, c.ID, vault, c.Target, string(c.Auth), c.Protocol, toJSON(c.Metadata), c.Secret.Key, c.Secret.Text,
			toMicros(c.CreatedAt), toMicros(c.UpdatedAt))
	})
	return orZero(c, err)
}

// fits returns an error when a vault, which is locked, cannot hold another credential with that target.
func (s *Store) fits(ctx context.Context, account, vault, target string, most int) error {
	count, twin := 0, ""
	err := s.query(ctx, engine.Query{Args: []any{account, vault}, Text: `SELECT id, target, archived_at FROM vault_credentials
		WHERE account_id = $1 AND vault_id = $2 AND deleted_at IS NULL`}, func(row engine.Scanner) error {
		var id, other string
		var archivedAt *time.Time
		err := row.Scan(&id, &other, timeOrNilTo{&archivedAt})
		if count++; archivedAt == nil && other == target {
			twin = id
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case twin != "":
		return &store.StateError{Noun: store.NounVault, ID: vault, Reason: "has an active credential for that already, '" + twin + "'; update or archive it."}
	case count >= most:
		return &store.FullError{Noun: store.NounVault, ID: vault, Most: most, Things: "credentials"}
	}
	return nil
}

// GetCredential implements store.Vaults.
func (s *Store) GetCredential(ctx context.Context, account, vault, id string) (store.Credential, error) {
	if _, err := s.GetVault(ctx, account, vault); err != nil {
		return store.Credential{}, err
	}
	return s.credentialOf(ctx, account, vault, id)
}

// credentialOf returns a credential of a vault that exists.
func (s *Store) credentialOf(ctx context.Context, account, vault, id string) (store.Credential, error) {
	c, err := get(ctx, s, credentialRows(), account, id)
	if err == nil && c.VaultID != vault {
		err = &store.MissingError{Noun: store.NounCredential, ID: id}
	}
	return orZero(c, err)
}

// ListCredentials implements store.Vaults.
func (s *Store) ListCredentials(ctx context.Context, account, vault string, only store.CredentialFilter, page store.Page) (store.List[store.Credential], error) {
	none := store.List[store.Credential]{Items: []store.Credential{}}
	if _, err := s.GetVault(ctx, account, vault); err != nil {
		return none, err
	}
	if page.Cursor != "" { // which may be a deleted credential, but not one of another vault
		_, err := one(ctx, s, scanID, `SELECT id FROM vault_credentials WHERE account_id = $1 AND id = $2 AND vault_id = $3`, account, page.Cursor, vault)
		if errors.Is(err, store.ErrNotFound) {
			err = store.ErrUnknownCursor
		}
		if err != nil {
			return none, err
		}
	}
	f := credentialsOf(account, vault)
	if len(only.Targets) > 0 {
		targets := make([]any, len(only.Targets))
		for i, target := range only.Targets {
			targets[i] = target
		}
		f.and("r.target IN (" + f.bind(targets...) + ")")
	}
	f.within(nil, only.CreatedFrom, nil, only.CreatedTo)
	return list(ctx, s, credentialRows(), f, page)
}

// credentialsOf returns a filter that matches a vault's credentials.
func credentialsOf(account, vault string) *filter {
	f := filterFor(account)
	f.and("r.vault_id = " + f.bind(vault))
	return f
}

// UpdateCredential implements store.Vaults.
func (s *Store) UpdateCredential(ctx context.Context, account, vault, id string, change func(*store.CredentialSpec) error) (store.Credential, error) {
	return s.changedCredential(ctx, account, vault, id, func(ctx context.Context, v store.Vault, c *store.Credential) error {
		switch {
		case v.ArchivedAt != nil:
			return takesNoChanges(store.NounVault, vault)
		case c.ArchivedAt != nil:
			return takesNoChanges(store.NounCredential, id)
		}
		spec := c.CredentialSpec
		if err := change(&spec); err != nil {
			return err
		}
		c.Auth, c.Metadata, c.Secret = spec.Auth, orEmpty(spec.Metadata), spec.Secret
		c.UpdatedAt, c.RefreshingUntil = cut(s.now()), time.Time{}
		return s.setCredential(ctx, account, *c)
	})
}

// ArchiveCredential implements store.Vaults.
func (s *Store) ArchiveCredential(ctx context.Context, account, vault, id string) (store.Credential, error) {
	return s.changedCredential(ctx, account, vault, id, func(ctx context.Context, _ store.Vault, c *store.Credential) error {
		if c.ArchivedAt != nil {
			return nil
		}
		c.UpdatedAt, c.Secret = cut(s.now()), store.Sealed{}
		c.ArchivedAt = new(c.UpdatedAt)
		return s.setCredential(ctx, account, *c)
	})
}

// eraseCredential leaves of a deleted credential what a list's cursor needs.
const eraseCredential = `UPDATE vault_credentials SET target = '', auth = '{}', protocol = '', metadata = '{}', key_id = '', sealed = ''
	WHERE account_id = $1 AND id = $2`

// DeleteCredential implements store.Vaults.
func (s *Store) DeleteCredential(ctx context.Context, account, vault, id string) error {
	_, err := s.changedCredential(ctx, account, vault, id, func(ctx context.Context, _ store.Vault, c *store.Credential) error {
		if _, err := s.exec(ctx, eraseCredential, account, id); err != nil {
			return err
		}
		return s.hide(ctx, "vault_credentials", account, id)
	})
	return err
}

// inVault calls fn with the vault, locked.
func (s *Store) inVault(ctx context.Context, account, vault string, fn func(ctx context.Context, v store.Vault) error) error {
	_, err := changed(ctx, s, vaultRows(), account, vault, func(ctx context.Context, v *store.Vault) error { return fn(ctx, *v) })
	return err
}

// changedCredential is changed for a credential of a vault, both locked: the vault first.
func (s *Store) changedCredential(ctx context.Context, account, vault, id string, change func(ctx context.Context, v store.Vault, c *store.Credential) error) (c store.Credential, err error) {
	err = s.inVault(ctx, account, vault, func(ctx context.Context, v store.Vault) error {
		c, err = changed(ctx, s, credentialRows(), account, id, func(ctx context.Context, c *store.Credential) error {
			if c.VaultID != vault {
				return &store.MissingError{Noun: store.NounCredential, ID: id}
			}
			return change(ctx, v, c)
		})
		return err
	})
	return orZero(c, err)
}

// setCredential stores what may change about a credential.
func (s *Store) setCredential(ctx context.Context, account string, c store.Credential) error {
	refreshing := int64(0)
	if !c.RefreshingUntil.IsZero() {
		refreshing = toMicros(c.RefreshingUntil)
	}
	_, err := s.exec(ctx, `UPDATE vault_credentials
		SET auth = $1, metadata = $2, key_id = $3, sealed = $4, refreshing_until = $5, updated_at = $6, archived_at = $7
		WHERE account_id = $8 AND id = $9`,
		string(c.Auth), toJSON(c.Metadata), c.Secret.Key, c.Secret.Text, refreshing, toMicros(c.UpdatedAt), toMicrosOrNull(c.ArchivedAt),
		account, c.ID)
	return err
}

// selectTarget selects the active credential of a vault that is not archived.
var selectTarget = credentialRows().selection + ` JOIN vaults v ON v.account_id = r.account_id AND v.id = r.vault_id
	WHERE r.account_id = $1 AND r.vault_id = $2 AND r.target = $3 AND r.archived_at IS NULL AND r.deleted_at IS NULL
		AND v.archived_at IS NULL AND v.deleted_at IS NULL`

// FindCredential implements store.Vaults.
func (s *Store) FindCredential(ctx context.Context, account string, vaults []string, target string) (store.Credential, error) {
	for _, vault := range vaults {
		c, err := one(ctx, s, scanCredential, selectTarget, account, vault, target)
		if !errors.Is(err, store.ErrNotFound) {
			return c, err
		}
	}
	return store.Credential{}, store.ErrNotFound
}

// SetRefreshing implements store.Vaults.
func (s *Store) SetRefreshing(ctx context.Context, account, vault, id string, from, until time.Time) (done bool, err error) {
	stored := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return toMicros(t)
	}
	err = s.Atomically(ctx, func(ctx context.Context) error {
		n, err := s.exec(ctx, `UPDATE vault_credentials SET refreshing_until = $1
			WHERE account_id = $2 AND vault_id = $3 AND id = $4 AND refreshing_until = $5 AND +deleted_at IS NULL`,
			stored(until), account, vault, id, stored(from))
		done = n == 1
		return err
	})
	return orZero(done, err)
}
