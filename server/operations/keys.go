package operations

import (
	"context"
	"slices"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) CreateEnvironmentKey(ctx context.Context, req echoserver.CreateEnvironmentKeyRequestObject) (echoserver.CreateEnvironmentKeyResponseObject, error) {
	if err := h.selfHosted(ctx, req.EnvironmentID); err != nil {
		return nil, err
	}
	key := auth.MintKey()
	token, err := h.store.CreateToken(ctx, store.NewToken{
		Account: request.Account(ctx), Name: req.Body.Name, Hash: auth.Hash(key), EnvironmentID: req.EnvironmentID,
	})
	if err != nil {
		return nil, err
	}
	wire, err := wireKey(token)
	wire.Key = &key
	return echoserver.CreateEnvironmentKey201JSONResponse{Body: wire}, err
}

func (h *handler) ListEnvironmentKeys(ctx context.Context, req echoserver.ListEnvironmentKeysRequestObject) (echoserver.ListEnvironmentKeysResponseObject, error) {
	keys, err := h.keysOf(ctx, req.EnvironmentID)
	if err != nil {
		return nil, err
	}
	p, id := req.Params, func(t store.Token) string { return t.ID }
	list, err := listed(ctx, listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, nil},
		func(page store.Page) (store.List[store.Token], error) { return pageOf(keys, id, isLive, page) }, wireKey, id)
	return echoserver.ListEnvironmentKeys200JSONResponse{Body: types.EnvironmentKeyList(list)}, err
}

func (h *handler) DeleteEnvironmentKey(ctx context.Context, req echoserver.DeleteEnvironmentKeyRequestObject) (echoserver.DeleteEnvironmentKeyResponseObject, error) {
	keys, err := h.keysOf(ctx, req.EnvironmentID)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(keys, func(t store.Token) bool { return t.ID == req.KeyID && isLive(t) }) {
		return nil, &store.MissingError{Noun: store.NounKey, ID: req.KeyID}
	}
	_, err = h.store.RevokeToken(ctx, req.KeyID)
	return echoserver.DeleteEnvironmentKey200JSONResponse{Body: types.DeletedEnvironmentKey{ID: req.KeyID, Type: types.DeletedEnvironmentKeyTypeEnvironmentKeyDeleted}}, err
}

// keysOf returns the keys of an environment, with those that were deleted, oldest first.
func (h *handler) keysOf(ctx context.Context, environment string) ([]store.Token, error) {
	if _, err := h.store.GetEnvironment(ctx, request.Account(ctx), environment); err != nil {
		return nil, err
	}
	tokens, err := h.store.ListTokens(ctx, request.Account(ctx))
	if err != nil {
		return nil, err
	}
	slices.Reverse(tokens)
	return slices.DeleteFunc(tokens, func(t store.Token) bool { return t.Scope.EnvironmentID != environment }), nil
}

// isLive reports whether a key was not deleted.
func isLive(t store.Token) bool { return t.RevokedAt == nil }

func wireKey(t store.Token) (types.EnvironmentKey, error) {
	return types.EnvironmentKey{
		ID: t.ID, Type: types.EnvironmentKeyTypeEnvironmentKey, EnvironmentID: t.Scope.EnvironmentID, Name: t.Name,
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
	}, nil
}
