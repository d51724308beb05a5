package operations

import (
	"context"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/validated"
)

// cachedSessions caches the responses of getSession, encoded and validated: they are the same for as long as the
// session has the same revision.
type cachedSessions struct {
	sessions  store.Sessions
	op        *contract.Operation
	responses *cache.Cache[sessionKey, cachedResponse]
}

type sessionKey struct{ account, id string }

// cachedResponse is the response for one revision of a session.
type cachedResponse struct {
	revision int64
	body     validated.Body
}

// cacheSize bounds the cached responses, in bytes.
const cacheSize = 16 << 20

func newCachedSessions(sessions store.Sessions, op *contract.Operation) *cachedSessions {
	return &cachedSessions{sessions, op, cache.New[sessionKey, cachedResponse](cacheSize)}
}

// get returns the response for the session's current revision. The revision is read before the session, which may be
// a later one by then: that response is cached under a revision that no later request asks for.
func (c *cachedSessions) get(ctx context.Context, key sessionKey) (echoserver.GetSessionResponseObject, error) {
	revision, err := c.sessions.SessionRevision(ctx, key.account, key.id)
	if err != nil {
		return nil, err
	}
	if cached, ok := c.responses.Get(key); ok && cached.revision == revision {
		return cached.body, nil
	}
	session, err := read(ctx, func() (store.Session, error) { return c.sessions.GetSession(ctx, key.account, key.id) },
		func(s store.Session) int { return specBytes(s.Agent.AgentSpec) })
	if err != nil {
		return nil, err
	}
	wire, err := wireSession(session)
	if err != nil {
		return nil, err
	}
	encoded, err := plainjson.Marshal(wire)
	if err != nil {
		return nil, err
	}
	body := validated.Body(append(encoded, '\n'))
	if body.Check(c.op) != nil {
		return echoserver.GetSession200JSONResponse{Body: wire}, nil // the pipeline reports the violation
	}
	const overhead = 256
	c.responses.Add(key, cachedResponse{revision, body}, len(body)+len(key.account)+len(key.id)+overhead)
	return body, nil
}
