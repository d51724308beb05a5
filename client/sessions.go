package client

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/cloud-sessions/sessions/gen/httpclient"
)

// SessionService holds the operations on sessions; it is [Client.Sessions].
type SessionService struct {
	// Events holds the operations on the logs of sessions.
	Events *EventService
	// Resources holds the operations on the files of sessions.
	Resources *SessionResourceService

	c *Client
}

// SessionCancellation is the answer of [SessionService.Cancel].
type SessionCancellation struct {
	// ID is the session's id.
	ID SessionID `json:"id"`
	// Type is always "session".
	Type string `json:"type"`
	// Status is always "canceling", whether there was a turn to stop or not.
	Status string `json:"status"`

	// Stopping reports whether there was a turn to stop (202, otherwise 200). It is not in the body.
	Stopping bool `json:"-"`
}

// Create creates a session. It starts idle; a message makes the agent answer. It returns [ErrNotFound]
// when the agent or the environment does not exist, [ErrInvalidRequest] when one of them is archived or
// a field is out of bounds, and [ErrFeatureNotAvailable] when Resources or VaultIDs are set and the
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
// unless params.IncludeArchived is true. The filters of params hold together: the agent, any of Statuses
// (at most 3, all states when empty), and the bounds of the creation time, sent in UTC and cut to the
// microsecond. An unknown cursor is an [ErrInvalidRequest].
//
// Operation listSessions: GET /sessions.
func (s *SessionService) List(ctx context.Context, params *ListSessionsParams, opts ...Option) (*Page[Session], error) {
	p := sessionQuery(params)
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
	p := sessionQuery(params)
	return all(ctx, func() (*Page[Session], error) { return s.List(ctx, &p, opts...) })
}

// sessionQuery is a copy of params that fits the contract whatever the caller's times: one in another zone
// with nanoseconds is longer than the contract's. An empty Statuses becomes nil, which sends no parameter.
func sessionQuery(params *ListSessionsParams) ListSessionsParams {
	p := value(params)
	p.Statuses = append([]SessionStatus(nil), p.Statuses...)
	wireTimes(&p.CreatedAfter, &p.CreatedFrom, &p.CreatedBefore, &p.CreatedTo)
	return p
}

// wireTimes makes times fit the contract, in copies: they are sent in UTC and to the microsecond.
func wireTimes(times ...**time.Time) {
	for _, t := range times {
		if *t != nil {
			*t = new((*t).UTC().Truncate(time.Microsecond))
		}
	}
}

// Update changes a session's title and metadata and returns the session as it is now; what req leaves out
// stays. req.Title is [Value] of at most 256 characters or [Null], which clears it; req.Metadata is a patch,
// see [MetadataPatch]. It returns [ErrNotFound] when there is no such session, [ErrConflict] when it is
// archived, and [ErrInvalidRequest] when a field is out of bounds or more than 16 keys would be left.
//
// Operation updateSession: POST /sessions/{session_id}.
func (s *SessionService) Update(ctx context.Context, id SessionID, req *UpdateSessionRequest, opts ...Option) (*Session, error) {
	return call[Session](ctx, s.c, "Sessions.Update", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("session_id", id), checkBody(req)); err != nil {
			return nil, err
		}
		return httpclient.NewUpdateSessionRequest(server, id, nil, *req)
	})
}

// Delete deletes a session and its events, for good. It returns [ErrNotFound] when there is no such
// session, one that was deleted before included, and [ErrConflict] while it is processing a turn: see
// [SessionService.Cancel].
//
// Operation deleteSession: DELETE /sessions/{session_id}.
func (s *SessionService) Delete(ctx context.Context, id SessionID, opts ...Option) (*DeletedSession, error) {
	return call[DeletedSession](ctx, s.c, "Sessions.Delete", opts, func(server string) (*http.Request, error) {
		if err := checkID("session_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewDeleteSessionRequest(server, id, nil)
	})
}

// Archive archives a session, for good, and returns it as it is now: lists leave it out unless asked not
// to, it takes no more changes, reads keep working. Archiving twice is the same as once. It returns
// [ErrNotFound] when there is no such session and [ErrConflict] while it is processing a turn.
//
// Operation archiveSession: POST /sessions/{session_id}/archive.
func (s *SessionService) Archive(ctx context.Context, id SessionID, opts ...Option) (*Session, error) {
	return call[Session](ctx, s.c, "Sessions.Archive", opts, func(server string) (*http.Request, error) {
		if err := checkID("session_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewArchiveSessionRequest(server, id, nil)
	})
}

// Cancel stops the turn that a session is processing. It does not wait: the session's status becomes
// [SessionStatusCancelled] once the turn has stopped. A session without a turn, an archived one included,
// stays as it is, and that is no error: see [SessionCancellation.Stopping]. It returns [ErrNotFound] when
// there is no such session.
//
// Operation cancelSession: POST /sessions/{session_id}/cancel.
func (s *SessionService) Cancel(ctx context.Context, id SessionID, opts ...Option) (*SessionCancellation, error) {
	out, status, err := callStatus[SessionCancellation](ctx, s.c, "Sessions.Cancel", opts, func(server string) (*http.Request, error) {
		if err := checkID("session_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewCancelSessionRequest(server, id, nil)
	})
	if err != nil {
		return nil, err
	}
	out.Stopping = status == http.StatusAccepted
	return out, nil
}
