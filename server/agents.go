package server

import (
	"context"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) CreateAgent(ctx context.Context, req echoserver.CreateAgentRequestObject) (echoserver.CreateAgentResponseObject, error) {
	spec, err := agentSpec(req.Body)
	if err != nil {
		return nil, err
	}
	agent, err := h.store.CreateAgent(ctx, account(ctx), spec)
	if err != nil {
		return nil, err
	}
	wire, err := wireAgent(agent)
	return echoserver.CreateAgent201JSONResponse{Body: wire}, err
}

func (h *handler) GetAgent(ctx context.Context, req echoserver.GetAgentRequestObject) (echoserver.GetAgentResponseObject, error) {
	agent, err := h.store.GetAgent(ctx, account(ctx), req.AgentID, value(req.Params.Version))
	if err != nil {
		return nil, err
	}
	wire, err := wireAgent(agent)
	return echoserver.GetAgent200JSONResponse{Body: wire}, err
}

func (h *handler) ListAgents(ctx context.Context, req echoserver.ListAgentsRequestObject) (echoserver.ListAgentsResponseObject, error) {
	p := req.Params
	list, err := listed(listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, p.IncludeArchived},
		func(page store.Page) (store.List[store.Agent], error) {
			return h.store.ListAgents(ctx, account(ctx), page)
		},
		wireAgent, func(a store.Agent) string { return a.ID })
	return echoserver.ListAgents200JSONResponse{Body: types.AgentList(list)}, err
}
