package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/cloud-sessions/sessions/gen/httpclient"
)

// SessionService holds the operations on sessions; it is [Client.Sessions].
type SessionService struct{ c *Client }

// Create creates a session. It starts idle; a message makes the agent answer. It returns [ErrNotFound]
// when the agent or the environment does not exist, [ErrInvalidRequest] when one of them is archived or
// a field is out of bounds, and [ErrFeatureNotAvailable] when Resources or VaultIds are set and the
// server has them switched off.
//
// Operation createSession: POST /sessions.
func (s *SessionService) Create(ctx context.Context, req *CreateSessionRequest, opts ...Option) (*Session, error) {
	return call[Session](ctx, s.c, "Sessions.Create", opts, func(server string) (*http.Request, error) {
		if err := checkBody(req); err != nil {
			return nil, err
		}
		return httpclient.NewCreateSessionRequest(server, nil, *req)
	})
}

// Get returns a session by its id, with the agent as it was when the session was created. It returns
// [ErrNotFound] when there is no such session.
//
// Operation getSession: GET /sessions/{session_id}.
func (s *SessionService) Get(ctx context.Context, id SessionID, opts ...Option) (*Session, error) {
	return call[Session](ctx, s.c, "Sessions.Get", opts, func(server string) (*http.Request, error) {
		if err := checkID("session_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewGetSessionRequest(server, id)
	})
}

// List returns one page of the account's sessions, newest first and 20 of them unless params says
// otherwise. A nil params asks for the first page; params.Limit is 1 to 100. Archived ones are left out
// unless params.IncludeArchived is true. An unknown cursor is an [ErrInvalidRequest].
//
// Operation listSessions: GET /sessions.
func (s *SessionService) List(ctx context.Context, params *ListSessionsParams, opts ...Option) (*Page[Session], error) {
	p := value(params)
	start := cursor{p.Page, p.AfterID, p.BeforeID}
	return list[Session](ctx, s.c, "Sessions.List", opts, start, func(server string, at cursor) (*http.Request, error) {
		query := p
		query.Page, query.AfterID, query.BeforeID = at.page, at.after, at.before
		return httpclient.NewListSessionsRequest(server, &query)
	})
}

// All yields the sessions that [SessionService.List] returns for params and, page by page as the loop goes
// on, those that follow; params.Limit is the size of a page. An error is yielded once, at the end.
// Ranging again starts anew. Changing params afterwards has no effect.
func (s *SessionService) All(ctx context.Context, params *ListSessionsParams, opts ...Option) iter.Seq2[Session, error] {
	p := value(params)
	return all(ctx, func() (*Page[Session], error) { return s.List(ctx, &p, opts...) })
}
