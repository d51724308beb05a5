package operations

import (
	"context"
	"maps"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/memory"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) CreateMemory(ctx context.Context, req echoserver.CreateMemoryRequestObject) (echoserver.CreateMemoryResponseObject, error) {
	path, err := h.memory.Path(req.Body.Path)
	if err != nil {
		return nil, err
	}
	if err := h.memory.Content(req.Body.Content); err != nil {
		return nil, err
	}
	m, err := h.store.CreateMemory(ctx, request.Account(ctx), req.MemoryStoreID,
		store.MemorySpec{Path: path, Content: req.Body.Content, Metadata: req.Body.Metadata}, h.memoryWriter(ctx))
	return echoserver.CreateMemory201JSONResponse{Body: wireMemory(m, true)}, err
}

func (h *handler) GetMemory(ctx context.Context, req echoserver.GetMemoryRequestObject) (echoserver.GetMemoryResponseObject, error) {
	m, err := h.store.GetMemory(ctx, request.Account(ctx), req.MemoryStoreID, req.MemoryID)
	return echoserver.GetMemory200JSONResponse{Body: wireMemory(m, value(req.Params.View) != types.MemoryViewBasic)}, err
}

func (h *handler) ListMemories(ctx context.Context, req echoserver.ListMemoriesRequestObject) (echoserver.ListMemoriesResponseObject, error) {
	p, account := req.Params, request.Account(ctx)
	filter := store.MemoryFilter{Prefix: memory.Prefix(value(p.PathPrefix)), Content: value(p.View) == types.MemoryViewFull}
	list, err := listed(ctx, listQuery{pageLimit(p.Limit, filter.Content), p.AfterID, p.BeforeID, p.Page, p.Order, nil},
		func(page store.Page) (store.List[store.MemoryEntry], error) {
			if value(p.Depth) == 1 {
				return h.store.ListMemoryTree(ctx, account, req.MemoryStoreID, filter, page)
			}
			memories, err := h.store.ListMemories(ctx, account, req.MemoryStoreID, filter, page)
			return memoryEntries(memories), err
		},
		func(e store.MemoryEntry) (types.MemoryListItem, error) {
			return wireMemoryEntry(e, filter.Content), nil
		},
		func(e store.MemoryEntry) string { return e.Cursor })
	return echoserver.ListMemories200JSONResponse{Body: types.MemoryList(list)}, err
}

func (h *handler) UpdateMemory(ctx context.Context, req echoserver.UpdateMemoryRequestObject) (echoserver.UpdateMemoryResponseObject, error) {
	m, err := h.updateMemory(ctx, req.MemoryStoreID, req.MemoryID, req.Body)
	return echoserver.UpdateMemory200JSONResponse{Body: wireMemory(m, true)}, err
}

func (h *handler) PutMemory(ctx context.Context, req echoserver.PutMemoryRequestObject) (echoserver.PutMemoryResponseObject, error) {
	m, err := h.updateMemory(ctx, req.MemoryStoreID, req.MemoryID, req.Body)
	return echoserver.PutMemory200JSONResponse{Body: wireMemory(m, true)}, err
}

// updateMemory changes a memory. A change that the memory has already succeeds whatever it is based on: it may be a repeat.
func (h *handler) updateMemory(ctx context.Context, storeID, id string, body *types.UpdateMemoryRequest) (store.Memory, error) {
	if body.Path != nil {
		path, err := h.memory.Path(*body.Path)
		if err != nil {
			return store.Memory{}, err
		}
		body.Path = &path
	}
	if err := h.memory.Content(value(body.Content)); err != nil {
		return store.Memory{}, err
	}
	return h.store.UpdateMemory(ctx, request.Account(ctx), storeID, id, h.memoryWriter(ctx), func(current store.Memory, spec *store.MemorySpec) error {
		set(&spec.Path, body.Path)
		set(&spec.Content, body.Content)
		if body.Metadata != nil {
			spec.Metadata = body.Metadata
		}
		if spec.Path == current.Path && spec.Content == current.Content && maps.Equal(spec.Metadata, current.Metadata) {
			return nil
		}
		return checkBasis(current, body)
	})
}

// checkBasis returns an error unless a memory is what a change is based on.
func checkBasis(current store.Memory, body *types.UpdateMemoryRequest) error {
	switch {
	case body.Version != nil && *body.Version != current.Version:
		return &memory.ChangedError{Current: current, Param: "version"}
	case body.ContentSHA256 != nil && *body.ContentSHA256 != current.SHA256:
		return &memory.ChangedError{Current: current, Param: "content_sha256"}
	case body.Precondition != nil && body.Precondition.ContentSHA256 != current.SHA256:
		return &memory.ChangedError{Current: current, Param: "precondition.content_sha256"}
	}
	return nil
}

func (h *handler) DeleteMemory(ctx context.Context, req echoserver.DeleteMemoryRequestObject) (echoserver.DeleteMemoryResponseObject, error) {
	err := h.store.DeleteMemory(ctx, request.Account(ctx), req.MemoryStoreID, req.MemoryID, h.memoryWriter(ctx), func(current store.Memory) error {
		if expected := req.Params.ExpectedContentSHA256; expected != nil && *expected != current.SHA256 {
			return &memory.ChangedError{Current: current, Param: "expected_content_sha256"}
		}
		return nil
	})
	return echoserver.DeleteMemory200JSONResponse{Body: types.DeletedMemory{ID: req.MemoryID, Type: types.DeletedMemoryTypeMemoryDeleted}}, err
}

// memoryWriter returns who writes to a memory store in a request.
func (h *handler) memoryWriter(ctx context.Context) store.MemoryWriter {
	info := request.From(ctx)
	if info.Scope.SessionID != "" { // the session's worker
		return h.memory.Session(info.Scope.SessionID)
	}
	return h.memory.Token(info.TokenID)
}

// fullPage is how many records with content a page has at most.
const fullPage = 20

// pageLimit returns the limit of a page of records, with content or without.
func pageLimit(limit *types.Limit, content bool) *types.Limit {
	if content {
		return new(min(value(limit), fullPage))
	}
	return limit
}

func memoryEntries(list store.List[store.Memory]) store.List[store.MemoryEntry] {
	entries := store.List[store.MemoryEntry]{Items: make([]store.MemoryEntry, len(list.Items)), HasMore: list.HasMore}
	for i := range list.Items {
		m := &list.Items[i]
		entries.Items[i] = store.MemoryEntry{Memory: m, Cursor: m.ID}
	}
	return entries
}

func wireMemoryEntry(e store.MemoryEntry, content bool) types.MemoryListItem {
	if e.Memory == nil {
		return types.NewMemoryListItem(types.MemoryPrefix{Path: e.Prefix})
	}
	return types.NewMemoryListItem(wireMemory(*e.Memory, content))
}

func wireMemory(m store.Memory, content bool) types.Memory {
	wire := types.Memory{
		ID: m.ID, Type: types.MemoryTypeMemory, StoreID: m.StoreID, MemoryStoreID: m.StoreID, Path: m.Path,
		Size: m.Size, ContentSizeBytes: m.Size, ContentSHA256: m.SHA256, Version: m.Version, MemoryVersionID: m.VersionID,
		Metadata: m.Metadata, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
	if content {
		wire.Content = &m.Content
	}
	return wire
}
