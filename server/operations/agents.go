package operations

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) CreateAgent(ctx context.Context, req echoserver.CreateAgentRequestObject) (echoserver.CreateAgentResponseObject, error) {
	spec, err := agentSpec(req.Body)
	if err != nil {
		return nil, err
	}
	if err := checkTools(spec); err != nil {
		return nil, err
	}
	if err := h.checkModel(spec.Model); err != nil {
		return nil, err
	}
	agent, err := h.store.CreateAgent(ctx, request.Account(ctx), spec)
	if err != nil {
		return nil, err
	}
	wire, err := wireAgent(agent)
	return echoserver.CreateAgent201JSONResponse{Body: wire}, err
}

func (h *handler) GetAgent(ctx context.Context, req echoserver.GetAgentRequestObject) (echoserver.GetAgentResponseObject, error) {
	agent, err := read(ctx, func() (store.Agent, error) {
		return h.store.GetAgent(ctx, request.Account(ctx), req.AgentID, value(req.Params.Version))
	}, func(a store.Agent) int { return specBytes(a.AgentSpec) })
	if err != nil {
		return nil, err
	}
	wire, err := wireAgent(agent)
	return echoserver.GetAgent200JSONResponse{Body: wire}, err
}

func (h *handler) ListAgents(ctx context.Context, req echoserver.ListAgentsRequestObject) (echoserver.ListAgentsResponseObject, error) {
	p := req.Params
	list, err := listed(ctx, listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, p.IncludeArchived},
		func(page store.Page) (store.List[store.Agent], error) {
			return h.store.ListAgents(ctx, request.Account(ctx), page)
		},
		wireAgent, func(a store.Agent) string { return a.ID })
	return echoserver.ListAgents200JSONResponse{Body: types.AgentList(list)}, err
}

func (h *handler) UpdateAgent(ctx context.Context, req echoserver.UpdateAgentRequestObject) (echoserver.UpdateAgentResponseObject, error) {
	wire, err := h.updateAgent(ctx, req.AgentID, req.Body)
	return echoserver.UpdateAgent200JSONResponse{Body: wire}, err
}

func (h *handler) PutAgent(ctx context.Context, req echoserver.PutAgentRequestObject) (echoserver.PutAgentResponseObject, error) {
	wire, err := h.updateAgent(ctx, req.AgentID, req.Body)
	return echoserver.PutAgent200JSONResponse{Body: wire}, err
}

func (h *handler) updateAgent(ctx context.Context, id string, body *types.UpdateAgentRequest) (types.Agent, error) {
	agent, err := h.store.UpdateAgent(ctx, request.Account(ctx), id, body.Version, func(spec *store.AgentSpec) (err error) {
		before, model := specBytes(*spec), spec.Model
		if err := patchAgent(spec, body); err != nil {
			return err
		}
		if spec.Metadata, err = h.patched(spec.Metadata, body.Metadata); err != nil {
			return err
		}
		if spec.Model != model { // an agent of a time when its model was listed can be changed otherwise
			if err := h.checkModel(spec.Model); err != nil {
				return err
			}
		}
		if after := specBytes(*spec); after > before && after > h.maxAgent {
			return &contract.RequestError{Param: "body", Message: fmt.Sprintf("After the change, the agent must be at most %d bytes of JSON.", h.maxAgent)}
		}
		return checkTools(*spec)
	})
	if err != nil {
		return types.Agent{}, err
	}
	return wireAgent(agent)
}

// specBytes returns how many bytes of JSON an agent takes, without the names of its fields.
func specBytes(spec store.AgentSpec) int {
	size := len(spec.Tools) + len(spec.MCPServers) + len(spec.Skills)
	for _, text := range []string{spec.Name, spec.Description, spec.Model, spec.System, spec.DefaultEnvironment} {
		size += len(text)
	}
	for key, value := range spec.Metadata {
		size += len(key) + len(value)
	}
	return size
}

func (h *handler) ArchiveAgent(ctx context.Context, req echoserver.ArchiveAgentRequestObject) (echoserver.ArchiveAgentResponseObject, error) {
	agent, err := h.store.ArchiveAgent(ctx, request.Account(ctx), req.AgentID)
	if err != nil {
		return nil, err
	}
	wire, err := wireAgent(agent)
	return echoserver.ArchiveAgent200JSONResponse{Body: wire}, err
}

func (h *handler) DeleteAgent(ctx context.Context, req echoserver.DeleteAgentRequestObject) (echoserver.DeleteAgentResponseObject, error) {
	err := h.store.DeleteAgent(ctx, request.Account(ctx), req.AgentID)
	return echoserver.DeleteAgent200JSONResponse{Body: types.DeletedAgent{ID: req.AgentID, Type: types.DeletedAgentTypeAgentDeleted}}, err
}

func (h *handler) ListAgentVersions(ctx context.Context, req echoserver.ListAgentVersionsRequestObject) (echoserver.ListAgentVersionsResponseObject, error) {
	p := req.Params
	list, err := listed(ctx, listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, nil},
		func(page store.Page) (store.List[store.Agent], error) {
			return h.store.ListAgentVersions(ctx, request.Account(ctx), req.AgentID, page)
		},
		wireAgent, func(a store.Agent) string { return strconv.Itoa(int(a.Version)) })
	return echoserver.ListAgentVersions200JSONResponse{Body: types.AgentVersionList(list)}, err
}
