package client

import (
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
