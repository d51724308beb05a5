package client

import (
	"context"
	"net/http"

	"github.com/cloud-sessions/sessions/gen/httpclient"
)

// SessionCancellation is the result of [SessionService.Cancel].
type SessionCancellation struct {
	// ID is the session's id.
	ID SessionID `json:"id"`
	// Type is always "session".
	Type string `json:"type"`
	// Status is always "canceling", with or without a turn to stop.
	Status string `json:"status"`

	// Stopping reports whether there was a turn to stop (status 202, otherwise 200). It is not in the body.
	Stopping bool `json:"-"`
}

// Cancel stops the turn that a session is processing. It does not wait: the session's status becomes
// [SessionStatusCancelled] once the turn has stopped. A session without a turn, even an archived one, does not change, and
// that is not an error: see [SessionCancellation.Stopping]. It returns [ErrNotFound] when the session does not exist.
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
