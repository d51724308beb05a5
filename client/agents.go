package client

import (
	"cmp"
	"context"
	"iter"
	"net/http"

	"github.com/cloud-sessions/sessions/gen/httpclient"
)

// AgentService holds the operations on agents; it is [Client.Agents].
type AgentService struct{ c *Client }

// Create creates an agent at version 1. It returns [ErrInvalidRequest] when a field is out of bounds.
//
// Operation createAgent: POST /agents.
func (s *AgentService) Create(ctx context.Context, req *CreateAgentRequest, opts ...Option) (*Agent, error) {
	return call[Agent](ctx, s.c, "Agents.Create", opts, func(server string) (*http.Request, error) {
		if err := checkBody(req); err != nil {
			return nil, err
		}
		return httpclient.NewCreateAgentRequest(server, nil, *req)
	})
}

// Get returns an agent by its id, in params.Version or, when that or params is nil, in its latest
// version. It returns [ErrNotFound] when there is no such agent or version.
//
// Operation getAgent: GET /agents/{agent_id}.
func (s *AgentService) Get(ctx context.Context, id AgentID, params *GetAgentParams, opts ...Option) (*Agent, error) {
	return call[Agent](ctx, s.c, "Agents.Get", opts, func(server string) (*http.Request, error) {
		if err := checkID("agent_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewGetAgentRequest(server, id, params)
	})
}

// List returns one page of the account's agents in their latest version, newest first and 20 of them
// unless params says otherwise. A nil params asks for the first page; params.Limit is 1 to 100. Archived
// ones are left out unless params.IncludeArchived is true. An unknown cursor is an [ErrInvalidRequest].
//
// Operation listAgents: GET /agents.
func (s *AgentService) List(ctx context.Context, params *ListAgentsParams, opts ...Option) (*Page[Agent], error) {
	p := value(params)
	start := cursor{p.Page, p.AfterID, p.BeforeID}
	return list[Agent](ctx, s.c, "Agents.List", opts, start, func(server string, at cursor) (*http.Request, error) {
		query := p
		query.Page, query.AfterID, query.BeforeID = at.page, at.after, at.before
		return httpclient.NewListAgentsRequest(server, &query)
	})
}

// All yields the agents that [AgentService.List] returns for params and, page by page as the loop goes
// on, those that follow; params.Limit is the size of a page. An error is yielded once, at the end.
// Ranging again starts anew. Changing params afterwards has no effect.
func (s *AgentService) All(ctx context.Context, params *ListAgentsParams, opts ...Option) iter.Seq2[Agent, error] {
	p := value(params)
	return all(ctx, func() (*Page[Agent], error) { return s.List(ctx, &p, opts...) })
}

// Update makes a new version of an agent and returns it; sessions keep the version they were created with.
// req.Version is the version that the change is based on: when it is not the latest any more, Update
// changes nothing and returns [ErrConflict], and the caller gets the agent and decides again. What req
// leaves out stays; a list that is not nil replaces the whole list, an empty one clears it; req.Metadata is a
// patch, see [MetadataPatch]. An archived agent is an [ErrConflict] too. It returns [ErrNotFound] when there
// is no such agent and [ErrInvalidRequest] when a field is out of bounds.
//
// Operation updateAgent: POST /agents/{agent_id}.
func (s *AgentService) Update(ctx context.Context, id AgentID, req *UpdateAgentRequest, opts ...Option) (*Agent, error) {
	return call[Agent](ctx, s.c, "Agents.Update", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("agent_id", id), checkBody(req)); err != nil {
			return nil, err
		}
		return httpclient.NewUpdateAgentRequest(server, id, nil, *req)
	})
}

// Delete deletes an agent and its versions, for good; sessions keep the agent they were created with. It
// returns [ErrNotFound] when there is no such agent, one that was deleted before included.
//
// Operation deleteAgent: DELETE /agents/{agent_id}.
func (s *AgentService) Delete(ctx context.Context, id AgentID, opts ...Option) (*DeletedAgent, error) {
	return call[DeletedAgent](ctx, s.c, "Agents.Delete", opts, func(server string) (*http.Request, error) {
		if err := checkID("agent_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewDeleteAgentRequest(server, id, nil)
	})
}

// Archive archives an agent, for good, and returns it as it is now: lists leave it out unless asked not to,
// new sessions cannot use it, those that do go on. Archiving twice is the same as once. It returns
// [ErrNotFound] when there is no such agent.
//
// Operation archiveAgent: POST /agents/{agent_id}/archive.
func (s *AgentService) Archive(ctx context.Context, id AgentID, opts ...Option) (*Agent, error) {
	return call[Agent](ctx, s.c, "Agents.Archive", opts, func(server string) (*http.Request, error) {
		if err := checkID("agent_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewArchiveAgentRequest(server, id, nil)
	})
}

// ListVersions returns one page of an agent's versions, newest first and 20 of them unless params says
// otherwise. A nil params asks for the first page; params.Limit is 1 to 100. The cursors, [Page.FirstID]
// among them, are version numbers in decimal. It returns [ErrNotFound] when there is no such agent. A version
// that the agent does not have is as cursor an [ErrInvalidRequest].
//
// Operation listAgentVersions: GET /agents/{agent_id}/versions.
func (s *AgentService) ListVersions(ctx context.Context, id AgentID, params *ListAgentVersionsParams, opts ...Option) (*Page[Agent], error) {
	p := value(params)
	start := cursor{p.Page, p.AfterID, p.BeforeID}
	return list[Agent](ctx, s.c, "Agents.ListVersions", opts, start, func(server string, at cursor) (*http.Request, error) {
		if err := checkID("agent_id", id); err != nil {
			return nil, err
		}
		query := p
		query.Page, query.AfterID, query.BeforeID = at.page, at.after, at.before
		return httpclient.NewListAgentVersionsRequest(server, id, &query)
	})
}

// AllVersions yields the versions that [AgentService.ListVersions] returns for params and, page by page as the
// loop goes on, those that follow; params.Limit is the size of a page. An error is yielded once, at the end.
// Ranging again starts anew. Changing params afterwards has no effect.
func (s *AgentService) AllVersions(ctx context.Context, id AgentID, params *ListAgentVersionsParams, opts ...Option) iter.Seq2[Agent, error] {
	p := value(params)
	return all(ctx, func() (*Page[Agent], error) { return s.ListVersions(ctx, id, &p, opts...) })
}
