package server

import (
	"context"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) CreateEnvironment(ctx context.Context, req echoserver.CreateEnvironmentRequestObject) (echoserver.CreateEnvironmentResponseObject, error) {
	spec, err := environmentSpec(req.Body)
	if err != nil {
		return nil, err
	}
	environment, err := h.store.CreateEnvironment(ctx, account(ctx), spec)
	if err != nil {
		return nil, err
	}
	wire, err := wireEnvironment(environment)
	return echoserver.CreateEnvironment201JSONResponse{Body: wire}, err
}

func (h *handler) GetEnvironment(ctx context.Context, req echoserver.GetEnvironmentRequestObject) (echoserver.GetEnvironmentResponseObject, error) {
	environment, err := h.store.GetEnvironment(ctx, account(ctx), req.EnvironmentID)
	if err != nil {
		return nil, err
	}
	wire, err := wireEnvironment(environment)
	return echoserver.GetEnvironment200JSONResponse{Body: wire}, err
}

func (h *handler) ListEnvironments(ctx context.Context, req echoserver.ListEnvironmentsRequestObject) (echoserver.ListEnvironmentsResponseObject, error) {
	p := req.Params
	list, err := listed(listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, p.IncludeArchived},
		func(page store.Page) (store.List[store.Environment], error) {
			return h.store.ListEnvironments(ctx, account(ctx), page)
		},
		wireEnvironment, func(e store.Environment) string { return e.ID })
	return echoserver.ListEnvironments200JSONResponse{Body: types.EnvironmentList(list)}, err
}
