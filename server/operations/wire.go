package operations

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/store"
)

// The functions of this file turn wire types into what the store keeps, and rows into wire types. They are pure. An
// error means that a row does not hold what was written.

func sessionSpec(req *types.CreateSessionRequest) (store.SessionSpec, error) {
	spec := store.SessionSpec{
		AgentID:              req.Agent.ID,
		AgentVersion:         req.Agent.Version,
		EnvironmentID:        req.EnvironmentID,
		Title:                value(req.Title),
		Metadata:             req.Metadata,
		EnvironmentVariables: req.EnvironmentVariables,
		DeltaFlushInterval:   time.Duration(value(req.DeltaFlushIntervalMS)) * time.Millisecond,
		VaultIDs:             req.VaultIDs,
	}
	for _, id := range req.MemoryStoreIDs {
		spec.MemoryStores = append(spec.MemoryStores, store.MemoryStoreUse{ID: id})
	}
	return spec, addResources(&spec, req.Resources)
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
		Status:               wireStatus(s.Status),
		Metadata:             s.Metadata,
		EnvironmentVariables: s.EnvironmentVariables,
		Resources:            wireResources(s.Resources),
		VaultIDs:             s.VaultIDs,
		MemoryStoreIDs:       s.MemoryStoreIDs,
		Usage:                wireUsage(s.Usage),
		ArchivedAt:           s.ArchivedAt,
		CreatedAt:            s.CreatedAt,
		UpdatedAt:            s.UpdatedAt,
	}, nil
}

// wireStatus returns a status as callers see it: a turn that is being stopped is still processing.
func wireStatus(status store.Status) types.SessionStatus {
	if status.Busy() {
		status = store.StatusProcessing
	}
	return types.SessionStatus(status)
}

func sessionFilter(p types.ListSessionsParams) store.SessionFilter {
	filter := store.SessionFilter{
		AgentID:      value(p.AgentID),
		CreatedAfter: p.CreatedAfter, CreatedFrom: p.CreatedFrom, CreatedBefore: p.CreatedBefore, CreatedTo: p.CreatedTo,
	}
	for _, wanted := range p.Statuses {
		filter.Statuses = append(filter.Statuses, store.Status(wanted))
		if wanted == types.SessionStatusProcessing {
			filter.Statuses = append(filter.Statuses, store.StatusCanceling, store.StatusInterrupting)
		}
	}
	return filter
}

func wireResources(rows []store.Resource) []types.SessionResource {
	resources := make([]types.SessionResource, 0, len(rows))
	for _, r := range rows {
		resources = append(resources, wireResource(r))
	}
	return resources
}

func wireResource(r store.Resource) types.SessionResource {
	if r.Memory == nil {
		return types.NewSessionResource(wireFileResource(r))
	}
	wire := types.MemoryStoreResource{
		ID: r.ID, MemoryStoreID: r.Memory.ID, Access: types.MemoryAccessReadWrite, Name: r.Memory.Name, Description: r.Memory.Description,
		MountPath: r.MountPath, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if r.Memory.ReadOnly {
		wire.Access = types.MemoryAccessReadOnly
	}
	if r.Memory.Instructions != "" {
		wire.Instructions = &r.Memory.Instructions
	}
	return types.NewSessionResource(wire)
}

func wireFileResource(r store.Resource) types.FileResource {
	return types.FileResource{
		ID: r.ID, Type: types.FileResourceTypeFile, FileID: r.FileID, MountPath: r.MountPath,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func wireUsage(u store.Usage) types.SessionUsage {
	return types.SessionUsage{
		InputTokens:          u.InputTokens,
		OutputTokens:         u.OutputTokens,
		CacheReadInputTokens: u.CacheReadInputTokens,
		CacheCreation: types.CacheCreationUsage{
			Ephemeral5mInputTokens: u.CacheCreation5m,
			Ephemeral1hInputTokens: u.CacheCreation1h,
		},
		TotalCredits: new(float64(u.CreditCents) / 100),
	}
}

func agentSpec(req *types.CreateAgentRequest) (store.AgentSpec, error) {
	spec := store.AgentSpec{
		Name:               req.Name,
		Description:        value(req.Description),
		Model:              string(req.Model),
		DefaultEnvironment: value(req.DefaultEnvironment),
		Metadata:           req.Metadata,
	}
	return spec, errors.Join(
		setSystem(&spec, req.System, req.Instructions),
		setJSON(&spec.Tools, orEmpty(req.Tools)),
		setJSON(&spec.MCPServers, orEmpty(req.MCPServers)),
		setJSON(&spec.Skills, orEmpty(req.Skills)),
	)
}

// patchAgent applies an update to an agent, except its metadata.
func patchAgent(spec *store.AgentSpec, req *types.UpdateAgentRequest) error {
	set(&spec.Name, req.Name)
	set(&spec.Description, req.Description)
	set(&spec.Model, (*string)(req.Model))
	set(&spec.DefaultEnvironment, req.DefaultEnvironment)
	return errors.Join(
		setSystem(spec, req.System, req.Instructions),
		setJSON(&spec.Tools, req.Tools),
		setJSON(&spec.MCPServers, req.MCPServers),
		setJSON(&spec.Skills, req.Skills),
	)
}

// setSystem sets the agent's text from either of its two names.
func setSystem(spec *store.AgentSpec, system, instructions *string) error {
	if system != nil && instructions != nil && *system != *instructions {
		return &contract.RequestError{Param: "instructions", Message: "Fields 'system' and 'instructions' are two names of one text; send one of them."}
	}
	set(&spec.System, instructions)
	set(&spec.System, system)
	return nil
}

// setJSON sets a field to a slice as a JSON array; nil keeps the field.
func setJSON[T any](field *json.RawMessage, items []T) (err error) {
	if items != nil {
		*field, err = plainjson.Marshal(items)
	}
	return err
}

func orEmpty[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
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
	if err := fromJSON(a.Tools, &wire.Tools); err != nil {
		return wire, fmt.Errorf("agent %s: tools: %w", a.ID, err)
	}
	if err := fromJSON(a.MCPServers, &wire.MCPServers); err != nil {
		return wire, fmt.Errorf("agent %s: mcp_servers: %w", a.ID, err)
	}
	if err := fromJSON(a.Skills, &wire.Skills); err != nil {
		return wire, fmt.Errorf("agent %s: skills: %w", a.ID, err)
	}
	return wire, nil
}

// fromJSON reads a JSON array; most are empty.
func fromJSON[T any](data json.RawMessage, items *[]T) error {
	if string(data) == "[]" {
		*items = []T{}
		return nil
	}
	return json.Unmarshal(data, items)
}

func environmentSpec(req *types.CreateEnvironmentRequest) (store.EnvironmentSpec, error) {
	config, err := plainjson.Marshal(req.Config)
	return store.EnvironmentSpec{
		Name:        req.Name,
		Description: value(req.Description),
		Config:      config,
		Metadata:    req.Metadata,
	}, err
}

// patchEnvironment applies an update to an environment, except its metadata.
func patchEnvironment(spec *store.EnvironmentSpec, req *types.UpdateEnvironmentRequest) (err error) {
	set(&spec.Name, req.Name)
	set(&spec.Description, req.Description)
	if req.Config != nil {
		spec.Config, err = plainjson.Marshal(req.Config)
	}
	return err
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
