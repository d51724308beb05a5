package operations

import (
	"context"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) CreateEnvironment(ctx context.Context, req echoserver.CreateEnvironmentRequestObject) (echoserver.CreateEnvironmentResponseObject, error) {
	spec, err := environmentSpec(req.Body)
	if err != nil {
		return nil, err
	}
	environment, err := h.store.CreateEnvironment(ctx, request.Account(ctx), spec)
	if err != nil {
		return nil, err
	}
	wire, err := wireEnvironment(environment)
	return echoserver.CreateEnvironment201JSONResponse{Body: wire}, err
}

func (h *handler) GetEnvironment(ctx context.Context, req echoserver.GetEnvironmentRequestObject) (echoserver.GetEnvironmentResponseObject, error) {
	environment, err := h.store.GetEnvironment(ctx, request.Account(ctx), req.EnvironmentID)
	if err != nil {
		return nil, err
	}
	wire, err := wireEnvironment(environment)
	return echoserver.GetEnvironment200JSONResponse{Body: wire}, err
}

func (h *handler) ListEnvironments(ctx context.Context, req echoserver.ListEnvironmentsRequestObject) (echoserver.ListEnvironmentsResponseObject, error) {
	p := req.Params
	list, err := listed(ctx, listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, p.IncludeArchived},
		func(page store.Page) (store.List[store.Environment], error) {
			return h.store.ListEnvironments(ctx, request.Account(ctx), page)
		},
		wireEnvironment, func(e store.Environment) string { return e.ID })
	return echoserver.ListEnvironments200JSONResponse{Body: types.EnvironmentList(list)}, err
}

func (h *handler) UpdateEnvironment(ctx context.Context, req echoserver.UpdateEnvironmentRequestObject) (echoserver.UpdateEnvironmentResponseObject, error) {
	wire, err := h.updateEnvironment(ctx, req.EnvironmentID, req.Body)
	return echoserver.UpdateEnvironment200JSONResponse{Body: wire}, err
}

func (h *handler) PutEnvironment(ctx context.Context, req echoserver.PutEnvironmentRequestObject) (echoserver.PutEnvironmentResponseObject, error) {
	wire, err := h.updateEnvironment(ctx, req.EnvironmentID, req.Body)
	return echoserver.PutEnvironment200JSONResponse{Body: wire}, err
}

func (h *handler) updateEnvironment(ctx context.Context, id string, body *types.UpdateEnvironmentRequest) (types.Environment, error) {
	environment, err := h.store.UpdateEnvironment(ctx, request.Account(ctx), id, func(spec *store.EnvironmentSpec) (err error) {
		if err := patchEnvironment(spec, body); err != nil {
			return err
		}
		spec.Metadata, err = h.patched(spec.Metadata, body.Metadata)
		return err
	})
	if err != nil {
		return types.Environment{}, err
	}
	return wireEnvironment(environment)
}

func (h *handler) ArchiveEnvironment(ctx context.Context, req echoserver.ArchiveEnvironmentRequestObject) (echoserver.ArchiveEnvironmentResponseObject, error) {
	environment, err := h.store.ArchiveEnvironment(ctx, request.Account(ctx), req.EnvironmentID)
	if err != nil {
		return nil, err
	}
	wire, err := wireEnvironment(environment)
	return echoserver.ArchiveEnvironment200JSONResponse{Body: wire}, err
}

func (h *handler) DeleteEnvironment(ctx context.Context, req echoserver.DeleteEnvironmentRequestObject) (echoserver.DeleteEnvironmentResponseObject, error) {
	err := h.store.DeleteEnvironment(ctx, request.Account(ctx), req.EnvironmentID)
	return echoserver.DeleteEnvironment200JSONResponse{Body: types.DeletedEnvironment{ID: req.EnvironmentID, Type: types.DeletedEnvironmentTypeEnvironmentDeleted}}, err
}
