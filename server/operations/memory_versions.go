package operations

import (
	"context"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) GetMemoryVersion(ctx context.Context, req echoserver.GetMemoryVersionRequestObject) (echoserver.GetMemoryVersionResponseObject, error) {
	v, err := h.store.GetMemoryVersion(ctx, request.Account(ctx), req.MemoryStoreID, req.MemoryVersionID)
	return echoserver.GetMemoryVersion200JSONResponse{Body: wireMemoryVersion(v, value(req.Params.View) != types.MemoryViewBasic)}, err
}

func (h *handler) GetVersionOfMemory(ctx context.Context, req echoserver.GetVersionOfMemoryRequestObject) (echoserver.GetVersionOfMemoryResponseObject, error) {
	v, err := h.store.GetMemoryVersion(ctx, request.Account(ctx), req.MemoryStoreID, req.MemoryVersionID)
	return echoserver.GetVersionOfMemory200JSONResponse{Body: wireMemoryVersion(v, value(req.Params.View) != types.MemoryViewBasic)}, err
}

func (h *handler) ListMemoryVersions(ctx context.Context, req echoserver.ListMemoryVersionsRequestObject) (echoserver.ListMemoryVersionsResponseObject, error) {
	list, err := h.listMemoryVersions(ctx, req.MemoryStoreID, req.Params)
	return echoserver.ListMemoryVersions200JSONResponse{Body: list}, err
}

func (h *handler) ListVersionsOfMemories(ctx context.Context, req echoserver.ListVersionsOfMemoriesRequestObject) (echoserver.ListVersionsOfMemoriesResponseObject, error) {
	list, err := h.listMemoryVersions(ctx, req.MemoryStoreID, types.ListMemoryVersionsParams(req.Params))
	return echoserver.ListVersionsOfMemories200JSONResponse{Body: list}, err
}

func (h *handler) listMemoryVersions(ctx context.Context, storeID string, p types.ListMemoryVersionsParams) (types.MemoryVersionList, error) {
	filter := store.MemoryVersionFilter{
		MemoryID: value(p.MemoryID), Operation: store.MemoryOperation(value(p.Operation)), SessionID: value(p.SessionID), TokenID: value(p.APIKeyID),
		CreatedFrom: p.CreatedFrom, CreatedTo: p.CreatedTo, Content: value(p.View) == types.MemoryViewFull,
	}
	list, err := listed(ctx, listQuery{pageLimit(p.Limit, filter.Content), p.AfterID, p.BeforeID, p.Page, p.Order, nil},
		func(page store.Page) (store.List[store.MemoryVersion], error) {
			return h.store.ListMemoryVersions(ctx, request.Account(ctx), storeID, filter, page)
		},
		func(v store.MemoryVersion) (types.MemoryVersion, error) {
			return wireMemoryVersion(v, filter.Content), nil
		},
		func(v store.MemoryVersion) string { return v.ID })
	return types.MemoryVersionList(list), err
}

func (h *handler) RedactMemoryVersion(ctx context.Context, req echoserver.RedactMemoryVersionRequestObject) (echoserver.RedactMemoryVersionResponseObject, error) {
	v, err := h.store.RedactMemoryVersion(ctx, request.Account(ctx), req.MemoryStoreID, req.MemoryVersionID, h.memoryWriter(ctx))
	return echoserver.RedactMemoryVersion200JSONResponse{Body: wireMemoryVersion(v, false)}, err
}

func (h *handler) RedactVersionOfMemory(ctx context.Context, req echoserver.RedactVersionOfMemoryRequestObject) (echoserver.RedactVersionOfMemoryResponseObject, error) {
	v, err := h.store.RedactMemoryVersion(ctx, request.Account(ctx), req.MemoryStoreID, req.MemoryVersionID, h.memoryWriter(ctx))
	return echoserver.RedactVersionOfMemory200JSONResponse{Body: wireMemoryVersion(v, false)}, err
}

func wireMemoryVersion(v store.MemoryVersion, content bool) types.MemoryVersion {
	wire := types.MemoryVersion{
		ID: v.ID, Type: types.MemoryVersionTypeMemoryVersion, StoreID: v.StoreID, MemoryStoreID: v.StoreID,
		MemoryID: v.MemoryID, EntryID: v.MemoryID, Path: v.Path, EntryPath: v.Path,
		Action: types.MemoryOperation(v.Operation), Operation: types.MemoryOperation(v.Operation), Version: v.Number,
		Size: v.Size, ContentSizeBytes: v.Size, Metadata: v.Metadata, CreatedBy: wireActor(v.SessionID, v.TokenID),
		Redacted: v.RedactedAt != nil, RedactedAt: v.RedactedAt, RedactedBy: wireActor("", v.RedactedBy), CreatedAt: v.CreatedAt,
	}
	if v.Operation != store.MemoryDeleted {
		wire.ContentSHA256 = &v.SHA256
		if content && v.RedactedAt == nil {
			wire.Content = &v.Content
		}
	}
	return wire
}

// wireActor returns who made a change; nil when that is not known.
func wireActor(session, token string) *types.Actor {
	switch {
	case session != "":
		return new(types.NewActor(types.SessionActor{SessionID: session}))
	case token != "":
		return new(types.NewActor(types.APIActor{APIKeyID: token}))
	}
	return nil
}
