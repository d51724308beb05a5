package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/store"
)

// sessionAnswers answers getSession. It remembers the answers, encoded and checked: while a session has
// the same revision, its answer is the same.
type sessionAnswers struct {
	sessions store.Sessions
	op       *contract.Operation
	known    *cache.Cache[sessionKey, sessionAnswer]
}

type sessionKey struct{ account, id string }

// sessionAnswer is a session as the response's body holds it, in one of its revisions.
type sessionAnswer struct {
	revision int64
	body     []byte
}

// answersSize bounds what is remembered, in bytes.
const answersSize = 16 << 20

func newSessionAnswers(sessions store.Sessions, op *contract.Operation) *sessionAnswers {
	return &sessionAnswers{sessions, op, cache.New[sessionKey, sessionAnswer](answersSize)}
}

// get returns the answer for the session as it is now. The revision is read before the session, which may
// be a later one by then: the answer is then asked for no more.
func (a *sessionAnswers) get(ctx context.Context, key sessionKey) (echoserver.GetSessionResponseObject, error) {
	revision, err := a.sessions.SessionRevision(ctx, key.account, key.id)
	if err != nil {
		return nil, err
	}
	if known, ok := a.known.Get(key); ok && known.revision == revision {
		return known, nil
	}
	session, err := a.sessions.GetSession(ctx, key.account, key.id)
	if err != nil {
		return nil, err
	}
	wire, err := wireSession(session)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(wire); err != nil {
		return nil, err
	}
	if a.op.CheckBody(http.StatusOK, "application/json", body.Bytes()) != nil {
		return echoserver.GetSession200JSONResponse{Body: wire}, nil // a violation is for the pipeline to tell
	}
	answer := sessionAnswer{revision, bytes.Clone(body.Bytes())}
	const overhead = 256
	a.known.Add(key, answer, len(answer.body)+len(key.account)+len(key.id)+overhead)
	return answer, nil
}

// VisitGetSessionResponse implements echoserver.GetSessionResponseObject.
func (a sessionAnswer) VisitGetSessionResponse(w http.ResponseWriter) error {
	writeChecked(w, http.StatusOK, a.body)
	return nil
}
