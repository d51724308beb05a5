package client

import (
	"context"
	"net/http"

	"github.com/cloud-sessions/sessions/gen/httpclient"
	"github.com/cloud-sessions/sessions/gen/types"
)

// CreateVaultRequest is the request of [VaultService.Create].
//
//   - DisplayName: 1 to 255 characters
//   - Metadata: at most 16 keys
//   - Credentials: at most 20
type CreateVaultRequest = types.CreateVaultRequest

// Create creates a vault and returns it, with req.Credentials without their secrets. No later call returns a secret. It
// returns [ErrInvalidRequest] when a field is invalid, [ErrConflict] when two credentials are for the same MCP server or
// environment variable, and [ErrFeatureNotAvailable] when there are credentials and the server has no key to encrypt
// their secrets with.
//
// Operation createVault: POST /vaults.
func (s *VaultService) Create(ctx context.Context, req *CreateVaultRequest, opts ...Option) (*Vault, error) {
	return call[Vault](ctx, s.c, "Vaults.Create", opts, func(server string) (*http.Request, error) {
		if err := checkBody(req); err != nil {
			return nil, err
		}
		return httpclient.NewCreateVaultRequest(server, nil, *req)
	})
}
