package operations

import (
	"context"
	"errors"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/validated"
)

// cachedSessions caches sessions as responses show them, encoded and validated: they are the same for as long as the
// session has the same revision. An account's share is half of the cache.
type cachedSessions struct {
	sessions  store.Sessions
	get, list *contract.Operation
	encoded   *cache.Shared[string, string, cachedSession] // by account and id
}

// cachedSession is one revision of a session.
type cachedSession struct {
	revision int64
	body     validated.Body // of getSession
}

// item returns the session as an item of a list.
func (c cachedSession) item() []byte { return c.body[:len(c.body)-len("\n")] }

// cacheSize bounds the cached sessions, in bytes.
const cacheSize = 32 << 20

func newCachedSessions(sessions store.Sessions, api *contract.Contract) *cachedSessions {
	return &cachedSessions{
		sessions, api.Operation("getSession"), api.Operation("listSessions"), cache.NewShared[string, string, cachedSession](cacheSize),
	}
}

// at returns a session in a revision, if it is cached.
func (c *cachedSessions) at(account string, v store.SessionRevision) (cachedSession, bool) {
	cached, ok := c.encoded.Get(account, v.ID)
	return cached, ok && cached.revision == v.Revision
}

// keep caches a session in the revision that was read before the session was. By then the session may be in a later one: it
// is cached under a revision that no later request asks for.
func (c *cachedSessions) keep(account string, v store.SessionRevision, body validated.Body) {
	const overhead = 256
	c.encoded.Add(account, v.ID, cachedSession{v.Revision, body}, len(body)+len(account)+len(v.ID)+overhead)
}

// encode returns the response with a session, and a *contract.Violation when that violates the contract.
func (c *cachedSessions) encode(wire types.Session) (validated.Body, error) {
	encoded, err := plainjson.Marshal(wire)
	if err != nil {
		return nil, err
	}
	body := validated.Body(append(encoded, '\n'))
	return body, body.Check(c.get)
}

// one returns the response with the session's current revision.
func (c *cachedSessions) one(ctx context.Context, account, id string) (echoserver.GetSessionResponseObject, error) {
	revision, err := c.sessions.SessionRevision(ctx, account, id)
	if err != nil {
		return nil, err
	}
	at := store.SessionRevision{ID: id, Revision: revision}
	if cached, ok := c.at(account, at); ok {
		return cached.body, nil
	}
	session, err := read(ctx, func() (store.Session, error) { return c.sessions.GetSession(ctx, account, id) },
		func(s store.Session) int { return specBytes(s.Agent.AgentSpec) })
	if err != nil {
		return nil, err
	}
	wire, err := wireSession(session)
	if err != nil {
		return nil, err
	}
	body, err := c.encode(wire)
	if isViolation(err) {
		return echoserver.GetSession200JSONResponse{Body: wire}, nil // the pipeline reports the violation
	}
	if err == nil {
		c.keep(account, at, body)
	}
	return body, err
}

func isViolation(err error) bool {
	var violation *contract.Violation
	return errors.As(err, &violation)
}

// page returns a page of sessions. It is made of what is cached, if all of it is and it is not larger than other pages;
// otherwise all of it is read, so that it shows the sessions as they were at one time.
func (c *cachedSessions) page(ctx context.Context, account string, filter store.SessionFilter, q listQuery) (echoserver.ListSessionsResponseObject, error) {
	page, param, err := q.page()
	if err != nil {
		return nil, err
	}
	revisions, err := c.sessions.ListSessionRevisions(ctx, account, filter, page)
	if err != nil {
		return nil, cursorError(err, param)
	}
	items, size, ok := c.all(account, revisions.Items)
	if !ok {
		return c.readPage(ctx, account, filter, q, revisions.Items)
	}
	if err := request.From(ctx).Grant.Grow(size); err != nil {
		return nil, err
	}
	list := types.SessionList{Data: []types.Session{}, HasMore: revisions.HasMore}
	list.FirstID, list.LastID, list.NextPage = ends(revisions, page, func(v store.SessionRevision) string { return v.ID })
	return enclosed(c.list, list, items)
}

// readPage reads a page, and caches the sessions whose revisions were read before it.
func (c *cachedSessions) readPage(ctx context.Context, account string, filter store.SessionFilter, q listQuery, before []store.SessionRevision) (echoserver.ListSessionsResponseObject, error) {
	page, err := listed(ctx, q,
		func(page store.Page) (store.List[store.Session], error) {
			return c.sessions.ListSessions(ctx, account, filter, page)
		},
		wireSession, func(s store.Session) string { return s.ID })
	if err != nil {
		return nil, err
	}
	revisions := make(map[string]int64, len(before))
	for _, v := range before {
		revisions[v.ID] = v.Revision
	}
	items := make([][]byte, len(page.Data))
	for i, wire := range page.Data {
		body, err := c.encode(wire)
		if isViolation(err) {
			return echoserver.ListSessions200JSONResponse{Body: types.SessionList(page)}, nil // the pipeline reports the violation
		}
		if err != nil {
			return nil, err
		}
		if revision, ok := revisions[wire.ID]; ok {
			c.keep(account, store.SessionRevision{ID: wire.ID, Revision: revision}, body)
		}
		items[i] = cachedSession{body: body}.item()
	}
	list := types.SessionList(page)
	list.Data = []types.Session{}
	return enclosed(c.list, list, items)
}

// all returns the items of a page, and their size in bytes, if all of them are cached, and are together no larger than a
// page that is read.
func (c *cachedSessions) all(account string, revisions []store.SessionRevision) (items [][]byte, size int, ok bool) {
	items = make([][]byte, len(revisions))
	for i, v := range revisions {
		cached, ok := c.at(account, v)
		if !ok {
			return nil, 0, false
		}
		items[i] = cached.item()
		size += len(items[i])
	}
	return items, size, size <= store.PageBytes
}
