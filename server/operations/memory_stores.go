package operations

import (
	"context"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) CreateMemoryStore(ctx context.Context, req echoserver.CreateMemoryStoreRequestObject) (echoserver.CreateMemoryStoreResponseObject, error) {
	memoryStore, err := h.store.CreateMemoryStore(ctx, request.Account(ctx), store.MemoryStoreSpec{
		Name: req.Body.Name, Description: value(req.Body.Description), Metadata: req.Body.Metadata,
	})
	return echoserver.CreateMemoryStore201JSONResponse{Body: wireMemoryStore(memoryStore)}, err
}

func (h *handler) GetMemoryStore(ctx context.Context, req echoserver.GetMemoryStoreRequestObject) (echoserver.GetMemoryStoreResponseObject, error) {
	memoryStore, err := h.store.GetMemoryStore(ctx, request.Account(ctx), req.MemoryStoreID)
	return echoserver.GetMemoryStore200JSONResponse{Body: wireMemoryStore(memoryStore)}, err
}

func (h *handler) ListMemoryStores(ctx context.Context, req echoserver.ListMemoryStoresRequestObject) (echoserver.ListMemoryStoresResponseObject, error) {
	p := req.Params
	list, err := listed(ctx, listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, p.IncludeArchived},
		func(page store.Page) (store.List[store.MemoryStore], error) {
			return h.store.ListMemoryStores(ctx, request.Account(ctx), store.MemoryStoreFilter{CreatedFrom: p.CreatedFrom, CreatedTo: p.CreatedTo}, page)
		},
		always(wireMemoryStore), func(m store.MemoryStore) string { return m.ID })
	return echoserver.ListMemoryStores200JSONResponse{Body: types.MemoryStoreList(list)}, err
}

func (h *handler) UpdateMemoryStore(ctx context.Context, req echoserver.UpdateMemoryStoreRequestObject) (echoserver.UpdateMemoryStoreResponseObject, error) {
	memoryStore, err := h.store.UpdateMemoryStore(ctx, request.Account(ctx), req.MemoryStoreID, func(spec *store.MemoryStoreSpec) (err error) {
		set(&spec.Name, req.Body.Name)
		set(&spec.Description, req.Body.Description)
		spec.Metadata, err = h.patched(spec.Metadata, req.Body.Metadata)
		return err
	})
	return echoserver.UpdateMemoryStore200JSONResponse{Body: wireMemoryStore(memoryStore)}, err
}

func (h *handler) ArchiveMemoryStore(ctx context.Context, req echoserver.ArchiveMemoryStoreRequestObject) (echoserver.ArchiveMemoryStoreResponseObject, error) {
	memoryStore, err := h.store.ArchiveMemoryStore(ctx, request.Account(ctx), req.MemoryStoreID)
	return echoserver.ArchiveMemoryStore200JSONResponse{Body: wireMemoryStore(memoryStore)}, err
}

func (h *handler) DeleteMemoryStore(ctx context.Context, req echoserver.DeleteMemoryStoreRequestObject) (echoserver.DeleteMemoryStoreResponseObject, error) {
	err := h.store.DeleteMemoryStore(ctx, request.Account(ctx), req.MemoryStoreID)
	return echoserver.DeleteMemoryStore200JSONResponse{Body: types.DeletedMemoryStore{ID: req.MemoryStoreID, Type: types.DeletedMemoryStoreTypeMemoryStoreDeleted}}, err
}

func wireMemoryStore(m store.MemoryStore) types.MemoryStore {
	wire := types.MemoryStore{
		ID: m.ID, Type: types.MemoryStoreTypeMemoryStore, Name: m.Name, Description: m.Description,
		Status: types.MemoryStoreStatusActive, EntryCount: m.Memories, TotalSize: m.Bytes, Metadata: m.Metadata,
		ArchivedAt: m.ArchivedAt, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
	if m.ArchivedAt != nil {
		wire.Status = types.MemoryStoreStatusArchived
	}
	return wire
}

// always makes of a conversion that cannot fail one that does not.
func always[Row, Wire any](wire func(Row) Wire) func(Row) (Wire, error) {
	return func(row Row) (Wire, error) { return wire(row), nil }
}
