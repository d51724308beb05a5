package operations

import (
	"context"
	"time"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/vault"
)

func (h *handler) CreateVault(ctx context.Context, req echoserver.CreateVaultRequestObject) (echoserver.CreateVaultResponseObject, error) {
	credentials, err := newCredentials(req.Body.Credentials)
	if err != nil {
		return nil, err
	}
	var wire types.Vault
	err = h.store.Atomically(ctx, func(ctx context.Context) error {
		vault, err := h.store.CreateVault(ctx, request.Account(ctx), store.VaultSpec{DisplayName: req.Body.DisplayName, Metadata: req.Body.Metadata})
		if err != nil {
			return err
		}
		wire = wireVault(vault)
		wire.Credentials, err = h.addCredentials(ctx, vault.ID, credentials)
		return err
	})
	return echoserver.CreateVault201JSONResponse{Body: wire}, err
}

func (h *handler) GetVault(ctx context.Context, req echoserver.GetVaultRequestObject) (echoserver.GetVaultResponseObject, error) {
	vault, err := h.store.GetVault(ctx, request.Account(ctx), req.VaultID)
	return echoserver.GetVault200JSONResponse{Body: wireVault(vault)}, err
}

func (h *handler) ListVaults(ctx context.Context, req echoserver.ListVaultsRequestObject) (echoserver.ListVaultsResponseObject, error) {
	p := req.Params
	after, before, err := aliases(p.AfterID, p.After, p.BeforeID, p.Before)
	if err != nil {
		return nil, err
	}
	only := store.VaultFilter{Archived: value(p.Status) == types.VaultStatusArchived}
	if p.Status != nil {
		p.IncludeArchived = &only.Archived
	}
	list, err := listed(ctx, listQuery{p.Limit, after, before, p.Page, p.Order, p.IncludeArchived},
		func(page store.Page) (store.List[store.Vault], error) {
			return h.store.ListVaults(ctx, request.Account(ctx), only, page)
		},
		func(v store.Vault) (types.Vault, error) { return wireVault(v), nil }, func(v store.Vault) string { return v.ID })
	return echoserver.ListVaults200JSONResponse{Body: types.VaultList(list)}, err
}

func (h *handler) UpdateVault(ctx context.Context, req echoserver.UpdateVaultRequestObject) (echoserver.UpdateVaultResponseObject, error) {
	vault, err := h.store.UpdateVault(ctx, request.Account(ctx), req.VaultID, func(spec *store.VaultSpec) (err error) {
		set(&spec.DisplayName, req.Body.DisplayName)
		spec.Metadata, err = h.patched(spec.Metadata, req.Body.Metadata)
		return err
	})
	return echoserver.UpdateVault200JSONResponse{Body: wireVault(vault)}, err
}

func (h *handler) ArchiveVault(ctx context.Context, req echoserver.ArchiveVaultRequestObject) (echoserver.ArchiveVaultResponseObject, error) {
	vault, err := h.store.ArchiveVault(ctx, request.Account(ctx), req.VaultID)
	return echoserver.ArchiveVault200JSONResponse{Body: wireVault(vault)}, err
}

func (h *handler) DeleteVault(ctx context.Context, req echoserver.DeleteVaultRequestObject) (echoserver.DeleteVaultResponseObject, error) {
	err := h.store.DeleteVault(ctx, request.Account(ctx), req.VaultID)
	return echoserver.DeleteVault200JSONResponse{Body: types.DeletedVault{ID: req.VaultID, Type: types.DeletedVaultTypeVaultDeleted}}, err
}

func (h *handler) CreateVaultCredential(ctx context.Context, req echoserver.CreateVaultCredentialRequestObject) (echoserver.CreateVaultCredentialResponseObject, error) {
	credential, err := newCredential("", *req.Body)
	if err != nil {
		return nil, err
	}
	wire, err := h.addCredential(ctx, req.VaultID, credential)
	return echoserver.CreateVaultCredential201JSONResponse{Body: wire}, err
}

func (h *handler) GetVaultCredential(ctx context.Context, req echoserver.GetVaultCredentialRequestObject) (echoserver.GetVaultCredentialResponseObject, error) {
	credential, err := h.store.GetCredential(ctx, request.Account(ctx), req.VaultID, req.CredentialID)
	wire, err := wireIf(credential, err, wireCredential)
	return echoserver.GetVaultCredential200JSONResponse{Body: wire}, err
}

func (h *handler) ListVaultCredentials(ctx context.Context, req echoserver.ListVaultCredentialsRequestObject) (echoserver.ListVaultCredentialsResponseObject, error) {
	p := req.Params
	after, before, err := aliases(p.AfterID, p.After, p.BeforeID, p.Before)
	if err != nil {
		return nil, err
	}
	only := store.CredentialFilter{CreatedFrom: p.CreatedFrom, CreatedTo: p.CreatedTo}
	if p.Name != nil {
		only.Targets = []string{vault.MatchURL(*p.Name), variableTarget(*p.Name)}
	}
	list, err := listed(ctx, listQuery{p.Limit, after, before, p.Page, p.Order, p.IncludeArchived},
		func(page store.Page) (store.List[store.Credential], error) {
			return h.store.ListCredentials(ctx, request.Account(ctx), req.VaultID, only, page)
		},
		wireCredential, func(c store.Credential) string { return c.ID })
	return echoserver.ListVaultCredentials200JSONResponse{Body: types.VaultCredentialList(list)}, err
}

func (h *handler) UpdateVaultCredential(ctx context.Context, req echoserver.UpdateVaultCredentialRequestObject) (echoserver.UpdateVaultCredentialResponseObject, error) {
	credential, err := h.changeCredential(ctx, req.VaultID, req.CredentialID, req.Body)
	wire, err := wireIf(credential, err, wireCredential)
	return echoserver.UpdateVaultCredential200JSONResponse{Body: wire}, err
}

func (h *handler) ArchiveVaultCredential(ctx context.Context, req echoserver.ArchiveVaultCredentialRequestObject) (echoserver.ArchiveVaultCredentialResponseObject, error) {
	credential, err := h.store.ArchiveCredential(ctx, request.Account(ctx), req.VaultID, req.CredentialID)
	wire, err := wireIf(credential, err, wireCredential)
	return echoserver.ArchiveVaultCredential200JSONResponse{Body: wire}, err
}

func (h *handler) DeleteVaultCredential(ctx context.Context, req echoserver.DeleteVaultCredentialRequestObject) (echoserver.DeleteVaultCredentialResponseObject, error) {
	err := h.store.DeleteCredential(ctx, request.Account(ctx), req.VaultID, req.CredentialID)
	return echoserver.DeleteVaultCredential200JSONResponse{Body: types.DeletedVaultCredential{
		ID: req.CredentialID, Type: types.DeletedVaultCredentialTypeVaultCredentialDeleted,
	}}, err
}

func (h *handler) ValidateVaultCredential(ctx context.Context, req echoserver.ValidateVaultCredentialRequestObject) (echoserver.ValidateVaultCredentialResponseObject, error) {
	vault, err := h.store.GetVault(ctx, request.Account(ctx), req.VaultID)
	if err != nil {
		return nil, err
	}
	credential, err := h.store.GetCredential(ctx, request.Account(ctx), req.VaultID, req.CredentialID)
	if err != nil {
		return nil, err
	}
	oauth, err := validatable(vault, credential)
	if err != nil {
		return nil, err
	}
	found, err := h.vaults.Validate(ctx, request.Account(ctx), vault.ID, credential.ID)
	return echoserver.ValidateVaultCredential200JSONResponse{Body: types.VaultCredentialValidation{
		Type: types.VaultCredentialValidationTypeVaultCredentialValidation, CredentialID: credential.ID, VaultID: vault.ID,
		Status: found.Status, Refresh: found.Refresh, MCPProbe: found.Probe, ValidatedAt: h.now().UTC().Truncate(time.Microsecond),
		HasRefreshToken: oauth.Refresh != nil,
	}}, err
}

// wireIf is wire for a row that comes with an error.
func wireIf[Row, Wire any](row Row, err error, wire func(Row) (Wire, error)) (Wire, error) {
	if err != nil {
		var zero Wire
		return zero, err
	}
	return wire(row)
}

func wireVault(v store.Vault) types.Vault {
	return types.Vault{
		ID:          v.ID,
		Type:        types.VaultTypeVault,
		DisplayName: v.DisplayName,
		Status:      vaultStatus(v.ArchivedAt),
		Metadata:    v.Metadata,
		ArchivedAt:  v.ArchivedAt,
		CreatedAt:   v.CreatedAt,
		UpdatedAt:   v.UpdatedAt,
	}
}

func vaultStatus(archivedAt *time.Time) types.VaultStatus {
	if archivedAt != nil {
		return types.VaultStatusArchived
	}
	return types.VaultStatusActive
}

// checkVaults returns an error for the first of a new session's vaults that does not exist or is archived.
func (h *handler) checkVaults(ctx context.Context, ids []string) error {
	for _, id := range ids {
		vault, err := h.store.GetVault(ctx, request.Account(ctx), id)
		if err != nil {
			return err
		}
		if vault.ArchivedAt != nil {
			return &store.ArchivedError{Noun: store.NounVault, ID: id}
		}
	}
	return nil
}
