package operations

import (
	"cmp"
	"context"
	"errors"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) CreateSession(ctx context.Context, req echoserver.CreateSessionRequestObject) (echoserver.CreateSessionResponseObject, error) {
	if err := errors.Join(h.gate(FeatureM3, "resources", len(req.Body.Resources)), h.gate(FeatureM3, "vault_ids", len(req.Body.VaultIDs))); err != nil {
		return nil, err
	}
	spec, err := sessionSpec(req.Body)
	if err := cmp.Or(err, h.checkMemoryStores(spec.MemoryStores), h.checkResources(&store.Session{Resources: resourcesOf(spec.Resources)})); err != nil {
		return nil, err
	}
	session, err := h.createSession(ctx, spec)
	if err != nil {
		return nil, err
	}
	wire, err := wireSession(session)
	return echoserver.CreateSession201JSONResponse{Body: wire}, err
}

// createSession creates a session whose vaults exist.
func (h *handler) createSession(ctx context.Context, spec store.SessionSpec) (session store.Session, err error) {
	if len(spec.VaultIDs) == 0 {
		return h.store.CreateSession(ctx, request.Account(ctx), spec)
	}
	err = h.store.Atomically(ctx, func(ctx context.Context) error {
		if session, err = h.store.CreateSession(ctx, request.Account(ctx), spec); err != nil {
			return err
		}
		return h.checkVaults(ctx, spec.VaultIDs)
	})
	return session, err
}

func (h *handler) GetSession(ctx context.Context, req echoserver.GetSessionRequestObject) (echoserver.GetSessionResponseObject, error) {
	return h.cached.one(ctx, request.Account(ctx), req.SessionID)
}

func (h *handler) ListSessions(ctx context.Context, req echoserver.ListSessionsRequestObject) (echoserver.ListSessionsResponseObject, error) {
	p := req.Params
	return h.cached.page(ctx, request.Account(ctx), sessionFilter(p), listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, p.IncludeArchived})
}

func (h *handler) UpdateSession(ctx context.Context, req echoserver.UpdateSessionRequestObject) (echoserver.UpdateSessionResponseObject, error) {
	wire, err := h.changeSession(ctx, req.SessionID, lifecycle.OnChange, func(s *store.Session) (err error) {
		if req.Body.Title.IsSpecified() {
			s.Title, _ = req.Body.Title.Get() // "" for null
		}
		s.Metadata, err = h.patched(s.Metadata, req.Body.Metadata)
		return err
	})
	return echoserver.UpdateSession200JSONResponse{Body: wire}, err
}

func (h *handler) ArchiveSession(ctx context.Context, req echoserver.ArchiveSessionRequestObject) (echoserver.ArchiveSessionResponseObject, error) {
	wire, err := h.changeSession(ctx, req.SessionID, lifecycle.OnArchive, func(*store.Session) error { return nil })
	return echoserver.ArchiveSession200JSONResponse{Body: wire}, err
}

func (h *handler) CancelSession(ctx context.Context, req echoserver.CancelSessionRequestObject) (echoserver.CancelSessionResponseObject, error) {
	busy := false
	_, err := h.store.UpdateSession(ctx, request.Account(ctx), req.SessionID, func(s *store.Session) error {
		busy = s.Status.Busy()
		return lifecycle.Advance(s, lifecycle.OnCancel, h.now())
	})
	body := types.SessionCancellation{ID: req.SessionID, Type: types.SessionCancellationTypeSession, Status: types.SessionCancellationStatusCanceling}
	if busy {
		return echoserver.CancelSession202JSONResponse{Body: body}, err
	}
	return echoserver.CancelSession200JSONResponse{Body: body}, err
}

func (h *handler) DeleteSession(ctx context.Context, req echoserver.DeleteSessionRequestObject) (echoserver.DeleteSessionResponseObject, error) {
	err := h.store.DeleteSession(ctx, request.Account(ctx), req.SessionID, func(s store.Session) error { return lifecycle.Advance(&s, lifecycle.OnDelete, h.now()) })
	return echoserver.DeleteSession200JSONResponse{Body: types.DeletedSession{ID: req.SessionID, Type: types.DeletedSessionTypeSessionDeleted}}, err
}

// changeSession applies a trigger, then change, to a session.
func (h *handler) changeSession(ctx context.Context, id string, t lifecycle.Trigger, change func(*store.Session) error) (types.Session, error) {
	session, err := h.store.UpdateSession(ctx, request.Account(ctx), id, func(s *store.Session) error {
		if err := lifecycle.Advance(s, t, h.now()); err != nil {
			return err
		}
		return change(s)
	})
	if err != nil {
		return types.Session{}, err
	}
	return wireSession(session)
}
