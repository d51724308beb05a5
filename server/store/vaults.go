package store

import (
	"context"
	"encoding/json"
	"time"
)

// Vaults keeps vaults with their credentials, and their secrets only as sealed texts.
type Vaults interface {
	// CreateVault stores a vault, with equal CreatedAt and UpdatedAt.
	CreateVault(ctx context.Context, account string, spec VaultSpec) (Vault, error)

	// GetVault returns a vault, archived vaults included, or ErrNotFound.
	GetVault(ctx context.Context, account, id string) (Vault, error)

	// ListVaults returns one page of vaults.
	ListVaults(ctx context.Context, account string, only VaultFilter, page Page) (List[Vault], error)

	// UpdateVault stores what change makes of a vault's spec; UpdatedAt is now. change runs within the transaction and with
	// the vault locked. ErrNotFound when the vault does not exist, a StateError (ErrConflict) when it is archived.
	UpdateVault(ctx context.Context, account, id string, change func(*VaultSpec) error) (Vault, error)

	// ArchiveVault archives a vault, erases the secrets of its credentials, and returns it; an archived vault is returned
	// unchanged. UpdatedAt is now. ErrNotFound when the vault does not exist.
	ArchiveVault(ctx context.Context, account, id string) (Vault, error)

	// DeleteVault deletes a vault and erases its credentials. ErrNotFound when the vault does not exist.
	DeleteVault(ctx context.Context, account, id string) error

	// CreateCredential stores a credential in a vault, with equal CreatedAt and UpdatedAt; id is "" for one that the store
	// creates. ErrNotFound when the vault does not exist, a StateError (ErrConflict) when it is archived or has an active
	// credential with the same target, then a FullError (ErrFull) when the vault has most credentials, archived ones
	// included.
	CreateCredential(ctx context.Context, account, vault, id string, spec CredentialSpec, most int) (Credential, error)

	// GetCredential returns a credential of a vault, archived ones included. ErrNotFound when the vault or the credential
	// does not exist.
	GetCredential(ctx context.Context, account, vault, id string) (Credential, error)

	// ListCredentials returns one page of a vault's credentials. ErrNotFound when the vault does not exist.
	ListCredentials(ctx context.Context, account, vault string, only CredentialFilter, page Page) (List[Credential], error)

	// UpdateCredential stores what change makes of a credential's spec; UpdatedAt is now, and RefreshingUntil is zero. change
	// runs within the transaction and with the credential locked. ErrNotFound when the vault or the credential does not
	// exist, a StateError (ErrConflict) when either is archived.
	UpdateCredential(ctx context.Context, account, vault, id string, change func(*CredentialSpec) error) (Credential, error)

	// ArchiveCredential archives a credential, erases its secret, and returns it; an archived one is returned unchanged.
	// UpdatedAt is now. ErrNotFound when the vault or the credential does not exist.
	ArchiveCredential(ctx context.Context, account, vault, id string) (Credential, error)

	// DeleteCredential deletes a credential and erases what it held. ErrNotFound when the vault or the credential does not
	// exist.
	DeleteCredential(ctx context.Context, account, vault, id string) error

	// FindCredential returns the active credential with that target of the first vault that has one, in the order of the
	// ids. Archived vaults have none. ErrNotFound when no vault has one.
	FindCredential(ctx context.Context, account string, vaults []string, target string) (Credential, error)

	// SetRefreshing changes a credential's RefreshingUntil from one time to another, and reports whether it did: not when it
	// is another time, or when the credential does not exist. So of several processes one succeeds.
	SetRefreshing(ctx context.Context, account, vault, id string, from, until time.Time) (bool, error)

	// ListSealed returns at most limit credentials of all accounts whose secret is sealed under another key than the one
	// with that id.
	ListSealed(ctx context.Context, key string, limit int) ([]CredentialRef, error)

	// Reseal stores the sealed text that change makes of a credential's secret, and changes nothing else. change runs within
	// the transaction and with the credential locked; it is not called when the credential, or its secret, no longer exists.
	Reseal(ctx context.Context, of CredentialRef, change func(Sealed) (Sealed, error)) error

	// VaultKey returns a known text that is sealed under the key that secrets are sealed under now; zero before the first
	// key. Within a transaction, SetVaultKey waits for its end.
	VaultKey(ctx context.Context) (Sealed, error)

	// SetVaultKey stores what change makes of the known text, which is locked meanwhile.
	SetVaultKey(ctx context.Context, change func(Sealed) (Sealed, error)) error
}

// VaultSpec is the part of a vault that callers set.
type VaultSpec struct {
	DisplayName string
	Metadata    map[string]string
}

// Vault is a vault.
type Vault struct {
	VaultSpec
	ID                   string
	CreatedAt, UpdatedAt time.Time
	ArchivedAt           *time.Time
}

// VaultFilter selects vaults of a list; the zero value selects all that the page includes.
type VaultFilter struct {
	// Archived selects archived vaults only, which the page must include.
	Archived bool
}

// CredentialFilter selects credentials of a list; the zero value selects all. The times are inclusive.
type CredentialFilter struct {
	// Targets selects credentials with one of these targets; empty for any.
	Targets                []string
	CreatedFrom, CreatedTo *time.Time
}

// Sealed is a secret that was encrypted; the zero value is none.
type Sealed struct {
	// Key is the id of the key that opens Text.
	Key, Text string
}

// CredentialSpec is the part of a credential that is set when it is created or changed.
type CredentialSpec struct {
	// Target is what the credential is for: text that is equal for the credentials that exclude each other. It never changes.
	Target string
	// Auth is a JSON object with what callers may see of the authorization, never nil.
	Auth json.RawMessage
	// Protocol is the protocol of the MCP server; "" for none. It never changes.
	Protocol string
	Metadata map[string]string
	// Secret is the secret part of the authorization.
	Secret Sealed
}

// Credential is a credential in a vault.
type Credential struct {
	CredentialSpec
	ID, VaultID string
	// RefreshingUntil is when a refresh of the secret that a process has begun counts as abandoned; zero for no refresh.
	RefreshingUntil      time.Time
	CreatedAt, UpdatedAt time.Time
	ArchivedAt           *time.Time
}

// CredentialRef names a credential.
type CredentialRef struct{ Account, Vault, ID string }
