package client

import (
	"cmp"
	"context"
	"net/http"

	"github.com/cloud-sessions/sessions/gen/httpclient"
	"github.com/cloud-sessions/sessions/gen/types"
)

// UpdateVaultCredentialRequest is the request of [VaultCredentialService.Update].
//
//   - Metadata: at most 32 keys
type UpdateVaultCredentialRequest = types.UpdateVaultCredentialRequest

// Create adds a credential to a vault and returns it without its secrets, which no later call returns either. req.Auth is
// made with [NewCredentialInput]. It returns [ErrNotFound] when the vault does not exist, [ErrConflict] when it is archived
// or has an active credential for the same MCP server or environment variable, [ErrInvalidRequest] when a field is invalid
// or the vault has the maximum number of credentials, and [ErrFeatureNotAvailable] when the server has no key to encrypt
// secrets with.
//
// Operation createVaultCredential: POST /vaults/{vault_id}/credentials.
func (s *VaultCredentialService) Create(ctx context.Context, vaultID VaultID, req *CreateVaultCredentialRequest, opts ...Option) (*VaultCredential, error) {
	return call[VaultCredential](ctx, s.c, "Vaults.Credentials.Create", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("vault_id", vaultID), checkBody(req)); err != nil {
			return nil, err
		}
		return httpclient.NewCreateVaultCredentialRequest(server, vaultID, nil, *req)
	})
}

// Update replaces secrets of a credential, and what else may change about it. req.Auth is made with [NewCredentialPatch] from
// the patch of the credential's own type. An omitted field keeps its value, and metadata is a patch. It returns [ErrNotFound]
// when the vault or the credential does not exist, [ErrConflict] when either is archived, [ErrInvalidRequest] when a field is
// invalid or fixed, and [ErrFeatureNotAvailable] when the server has no key to encrypt secrets with.
//
// Operation updateVaultCredential: POST /vaults/{vault_id}/credentials/{credential_id}.
func (s *VaultCredentialService) Update(ctx context.Context, vaultID VaultID, credentialID VaultCredentialID, req *UpdateVaultCredentialRequest, opts ...Option) (*VaultCredential, error) {
	return call[VaultCredential](ctx, s.c, "Vaults.Credentials.Update", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("vault_id", vaultID), checkID("credential_id", credentialID), checkBody(req)); err != nil {
			return nil, err
		}
		return httpclient.NewUpdateVaultCredentialRequest(server, vaultID, credentialID, nil, *req)
	})
}
