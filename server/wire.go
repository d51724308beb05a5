package server

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/contract"
	"github.com/cloud-sessions/sessions/server/store"
)

// The functions of this file turn wire types into what the store keeps, and rows into wire types. They
// are pure. An error means that a row does not hold what was written.

func sessionSpec(req *types.CreateSessionRequest) store.SessionSpec {
	spec := store.SessionSpec{
		AgentID:              req.Agent.ID,
		AgentVersion:         req.Agent.Version,
		EnvironmentID:        req.EnvironmentID,
		Title:                value(req.Title),
		Metadata:             req.Metadata,
		EnvironmentVariables: req.EnvironmentVariables,
		DeltaFlushInterval:   time.Duration(value(req.DeltaFlushIntervalMs)) * time.Millisecond,
		MemoryStoreIDs:       req.MemoryStoreIds,
		VaultIDs:             req.VaultIds,
	}
	for _, r := range req.Resources {
		spec.Resources = append(spec.Resources, store.ResourceSpec{FileID: r.FileID, MountPath: value(r.MountPath)})
	}
	return spec
}

func wireSession(s store.Session) (types.Session, error) {
	agent, err := wireAgent(s.Agent)
	if err != nil {
		return types.Session{}, fmt.Errorf("session %s: %w", s.ID, err)
	}
	return types.Session{
		ID:                   s.ID,
		Type:                 types.SessionTypeSession,
		AgentID:              s.Agent.ID,
		Agent:                agent,
		EnvironmentID:        s.EnvironmentID,
		Title:                s.Title,
		Status:               types.SessionStatus(s.Status),
		Metadata:             s.Metadata,
		EnvironmentVariables: s.EnvironmentVariables,
		Resources:            wireResources(s.Resources),
		VaultIds:             s.VaultIDs,
		MemoryStoreIds:       s.MemoryStoreIDs,
		Usage:                wireUsage(s.Usage),
		ArchivedAt:           s.ArchivedAt,
		CreatedAt:            s.CreatedAt,
		UpdatedAt:            s.UpdatedAt,
	}, nil
}

func wireResources(rows []store.Resource) []types.SessionResource {
	resources := make([]types.SessionResource, 0, len(rows))
	for _, r := range rows {
		resources = append(resources, types.SessionResource{
			ID: r.ID, Type: types.SessionResourceTypeFile, FileID: r.FileID, MountPath: r.MountPath,
			CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		})
	}
	return resources
}

func wireUsage(u store.Usage) types.SessionUsage {
	return types.SessionUsage{
		InputTokens:          u.InputTokens,
		OutputTokens:         u.OutputTokens,
		CacheReadInputTokens: u.CacheReadInputTokens,
		CacheCreation: types.CacheCreationUsage{
			Ephemeral5MInputTokens: u.CacheCreation5m,
			Ephemeral1HInputTokens: u.CacheCreation1h,
		},
		TotalCredits: new(float64(u.CreditCents) / 100),
	}
}

func agentSpec(req *types.CreateAgentRequest) (store.AgentSpec, error) {
	tools, err := jsonArray(req.Tools)
	if err != nil {
		return store.AgentSpec{}, err
	}
	servers, err := jsonArray(req.McpServers)
	if err != nil {
		return store.AgentSpec{}, err
	}
	system, err := oneSystem(req.System, req.Instructions)
	return store.AgentSpec{
		Name:               req.Name,
		Description:        value(req.Description),
		Model:              string(req.Model),
		System:             system,
		Tools:              tools,
		McpServers:         servers,
		DefaultEnvironment: value(req.DefaultEnvironment),
		Metadata:           req.Metadata,
	}, err
}

// oneSystem reads the agent's text from either of its two names.
func oneSystem(system, instructions *string) (string, error) {
	if system != nil && instructions != nil && *system != *instructions {
		return "", &contract.Fault{Param: "instructions", Message: "Fields 'system' and 'instructions' are two names of one text; send one of them."}
	}
	return orDefault(value(system), value(instructions)), nil
}

func wireAgent(a store.Agent) (types.Agent, error) {
	wire := types.Agent{
		ID:                 a.ID,
		Type:               types.AgentTypeAgent,
		Name:               a.Name,
		Description:        a.Description,
		Model:              a.Model,
		Instructions:       a.System,
		System:             a.System,
		DefaultEnvironment: a.DefaultEnvironment,
		Metadata:           a.Metadata,
		Version:            a.Version,
		ArchivedAt:         a.ArchivedAt,
		CreatedAt:          a.CreatedAt,
		UpdatedAt:          a.UpdatedAt,
	}
	if err := json.Unmarshal(a.Tools, &wire.Tools); err != nil {
		return wire, fmt.Errorf("agent %s: tools: %w", a.ID, err)
	}
	if err := json.Unmarshal(a.McpServers, &wire.McpServers); err != nil {
		return wire, fmt.Errorf("agent %s: mcp_servers: %w", a.ID, err)
	}
	return wire, nil
}

func environmentSpec(req *types.CreateEnvironmentRequest) (store.EnvironmentSpec, error) {
	config, err := json.Marshal(req.Config)
	return store.EnvironmentSpec{
		Name:        req.Name,
		Description: value(req.Description),
		Config:      config,
		Metadata:    req.Metadata,
	}, err
}

func wireEnvironment(e store.Environment) (types.Environment, error) {
	wire := types.Environment{
		ID:          e.ID,
		Type:        types.EnvironmentTypeEnvironment,
		Name:        e.Name,
		Description: e.Description,
		Status:      types.EnvironmentStatusReady,
		Metadata:    e.Metadata,
		ArchivedAt:  e.ArchivedAt,
		CreatedAt:   e.CreatedAt,
		UpdatedAt:   e.UpdatedAt,
	}
	if e.ArchivedAt != nil {
		wire.Status = types.EnvironmentStatusArchived
	}
	if err := json.Unmarshal(e.Config, &wire.Config); err != nil {
		return wire, fmt.Errorf("environment %s: config: %w", e.ID, err)
	}
	return wire, nil
}

// jsonArray writes a slice as a JSON array, nil as an empty one.
func jsonArray[T any](items []T) (json.RawMessage, error) {
	if items == nil {
		items = []T{}
	}
	return json.Marshal(items)
}
