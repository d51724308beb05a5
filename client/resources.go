package client

import (
	"cmp"
	"context"
	"iter"
	"net/http"

	"github.com/cloud-sessions/sessions/gen/httpclient"
	"github.com/cloud-sessions/sessions/gen/types"
)

// SessionResourceService holds the operations on the files of sessions; it is [SessionService.Resources].
// All of them return [ErrFeatureNotAvailable] when the server has files switched off.
type SessionResourceService struct{ c *Client }

// Add adds one file to a session and returns it; req.Type is [ResourceTypeFile]. A nil req.MountPath stands
// for /mnt/session/uploads/ and the file's id; a path is absolute and at most 1024 characters long. It
// returns [ErrNotFound] when there is no such session, [ErrConflict] when the path is taken or the session
// is archived, and [ErrInvalidRequest] when a field is out of bounds or the session has its 100 files.
//
// Operation addSessionResources: POST /sessions/{session_id}/resources.
func (s *SessionResourceService) Add(ctx context.Context, sessionID SessionID, req *SessionResourceInput, opts ...Option) (*SessionResource, error) {
	return call[SessionResource](ctx, s.c, "Sessions.Resources.Add", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("session_id", sessionID), checkBody(req)); err != nil {
			return nil, err
		}
		return httpclient.NewAddSessionResourcesRequest(server, sessionID, nil, types.AddSessionResourcesRequest{
			Type: new(types.AddSessionResourcesRequestType(req.Type)), FileID: &req.FileID, MountPath: req.MountPath,
		})
	})
}

// AddAll adds 1 to 100 files to a session, all of them or none, and returns the session as it is now. Its
// errors are those of [SessionResourceService.Add], and [ErrInvalidRequest] for no file at all.
//
// Operation addSessionResources: POST /sessions/{session_id}/resources.
func (s *SessionResourceService) AddAll(ctx context.Context, sessionID SessionID, files []SessionResourceInput, opts ...Option) (*Session, error) {
	return call[Session](ctx, s.c, "Sessions.Resources.AddAll", opts, func(server string) (*http.Request, error) {
		if err := checkID("session_id", sessionID); err != nil {
			return nil, err
		}
		if len(files) == 0 { // the body would be empty, which asks for one file
			return nil, &Error{Type: ErrInvalidRequest, Message: "there is no file to add", Param: "resources"}
		}
		return httpclient.NewAddSessionResourcesRequest(server, sessionID, nil, types.AddSessionResourcesRequest{Resources: files})
	})
}

// Get returns a file of a session by its id. It returns [ErrNotFound] when there is no such session or the
// session has no such file.
//
// Operation getSessionResource: GET /sessions/{session_id}/resources/{resource_id}.
func (s *SessionResourceService) Get(ctx context.Context, sessionID SessionID, id SessionResourceID, opts ...Option) (*SessionResource, error) {
	return call[SessionResource](ctx, s.c, "Sessions.Resources.Get", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("session_id", sessionID), checkID("resource_id", id)); err != nil {
			return nil, err
		}
		return httpclient.NewGetSessionResourceRequest(server, sessionID, id)
	})
}

// List returns one page of a session's files, newest first and 20 of them unless params says otherwise. A
// nil params asks for the first page; params.Limit is 1 to 100. It returns [ErrNotFound] when there is no
// such session. An unknown cursor is an [ErrInvalidRequest].
//
// Operation listSessionResources: GET /sessions/{session_id}/resources.
func (s *SessionResourceService) List(ctx context.Context, sessionID SessionID, params *ListSessionResourcesParams, opts ...Option) (*Page[SessionResource], error) {
	p := value(params)
	start := cursor{p.Page, p.AfterID, p.BeforeID}
	return list[SessionResource](ctx, s.c, "Sessions.Resources.List", opts, start, func(server string, at cursor) (*http.Request, error) {
		if err := checkID("session_id", sessionID); err != nil {
			return nil, err
		}
		query := p
		query.Page, query.AfterID, query.BeforeID = at.page, at.after, at.before
		return httpclient.NewListSessionResourcesRequest(server, sessionID, &query)
	})
}

// All yields the files that [SessionResourceService.List] returns for params and, page by page as the loop
// goes on, those that follow; params.Limit is the size of a page. An error is yielded once, at the end.
// Ranging again starts anew. Changing params afterwards has no effect.
func (s *SessionResourceService) All(ctx context.Context, sessionID SessionID, params *ListSessionResourcesParams, opts ...Option) iter.Seq2[SessionResource, error] {
	p := value(params)
	return all(ctx, func() (*Page[SessionResource], error) { return s.List(ctx, sessionID, &p, opts...) })
}

// Delete removes a file from a session; the file itself stays. It returns [ErrNotFound] when there is no
// such session or the session has no such file, and [ErrConflict] when the session is archived.
//
// Operation deleteSessionResource: DELETE /sessions/{session_id}/resources/{resource_id}.
func (s *SessionResourceService) Delete(ctx context.Context, sessionID SessionID, id SessionResourceID, opts ...Option) (*DeletedSessionResource, error) {
	return call[DeletedSessionResource](ctx, s.c, "Sessions.Resources.Delete", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("session_id", sessionID), checkID("resource_id", id)); err != nil {
			return nil, err
		}
		return httpclient.NewDeleteSessionResourceRequest(server, sessionID, id, nil)
	})
}
