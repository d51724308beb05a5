package server

import (
	"context"
	"errors"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) CreateSession(ctx context.Context, req echoserver.CreateSessionRequestObject) (echoserver.CreateSessionResponseObject, error) {
	if err := errors.Join(h.gate(FeatureM3, "resources", len(req.Body.Resources)), h.gate(FeatureM3, "vault_ids", len(req.Body.VaultIds))); err != nil {
		return nil, err
	}
	session, err := h.store.CreateSession(ctx, account(ctx), sessionSpec(req.Body))
	if err != nil {
		return nil, err
	}
	wire, err := wireSession(session)
	return echoserver.CreateSession201JSONResponse{Body: wire}, err
}

func (h *handler) GetSession(ctx context.Context, req echoserver.GetSessionRequestObject) (echoserver.GetSessionResponseObject, error) {
	session, err := h.store.GetSession(ctx, account(ctx), req.SessionID)
	if err != nil {
		return nil, err
	}
	wire, err := wireSession(session)
	return echoserver.GetSession200JSONResponse{Body: wire}, err
}

func (h *handler) ListSessions(ctx context.Context, req echoserver.ListSessionsRequestObject) (echoserver.ListSessionsResponseObject, error) {
	p := req.Params
	list, err := listed(listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, p.IncludeArchived},
		func(page store.Page) (store.List[store.Session], error) {
			return h.store.ListSessions(ctx, account(ctx), page)
		},
		wireSession, func(s store.Session) string { return s.ID })
	return echoserver.ListSessions200JSONResponse{Body: types.SessionList(list)}, err
}
