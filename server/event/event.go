// Package event appends events to a session's log and encodes them for the wire. The fields that all types of events have
// are columns of the store; the rest of an event is its payload. The package imports the store's vocabulary and the
// contract's types and validation.
package event

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/api/union"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/usage"
)

// The types of events that the server itself looks at, in the contract's words. Those that runners look at are turn's.
const (
	Interrupt       = string(types.UserInterruptEventTypeUserInterrupt)
	StatusRunning   = string(types.SessionStatusRunningEventTypeSessionStatusRunning)
	Rescheduled     = string(types.SessionStatusRescheduledEventTypeSessionStatusRescheduled)
	StatusIdle      = string(types.SessionStatusIdleEventTypeSessionStatusIdle)
	SessionError    = string(types.SessionErrorEventTypeSessionError)
	SessionDeleted  = string(types.SessionDeletedEventTypeSessionDeleted)
	Start           = string(types.EventStartTypeEventStart)
	Delta           = string(types.EventDeltaTypeEventDelta)
	AgentThinking   = string(types.AgentThinkingEventTypeAgentThinking)
	RequestStart    = string(types.SpanModelRequestStartEventTypeSpanModelRequestStart)
	RequestEnd      = string(types.SpanModelRequestEndEventTypeSpanModelRequestEnd)
	AgentMessage    = string(turn.AgentMessage)
	AgentToolUse    = string(turn.ToolUse)
	AgentToolResult = string(turn.ToolResult)
	AgentCustomTool = string(turn.CustomToolUse)
	AgentMCPToolUse = string(turn.MCPToolUse)

	AgentMCPToolResult = string(turn.MCPToolResult)
	// WorkerToolResult is the result of a worker. Runners see the AgentToolResult that follows it.
	WorkerToolResult = string(types.UserToolResultEventTypeUserToolResult)
)

// New is an event to append.
type New struct {
	Type string
	// TurnID is the turn that the event belongs to; "" for none.
	TurnID  string
	Payload Payload
	// ID is one that other events refer to, from store.Events.NewID; "" for one that the store creates.
	ID string
	// Memo is what the runner keeps with the event, which callers do not see; nil for nothing.
	Memo json.RawMessage
}

// stored returns the event as the store keeps it.
func (n New) stored() (store.NewEvent, error) {
	payload, err := plainjson.Marshal(n.Payload)
	return store.NewEvent{Type: n.Type, TurnID: n.TurnID, Payload: payload, ID: n.ID, New: true, Memo: n.Memo}, err
}

// Payload has the fields of every type of event, except those that all types have. An event's fields are those that its
// type has in the contract, in the contract's order.
type Payload struct {
	OutcomeID           string                             `json:"outcome_id,omitempty"`
	Description         string                             `json:"description,omitempty"`
	Rubric              *types.Rubric                      `json:"rubric,omitempty"`
	MaxIterations       *int32                             `json:"max_iterations,omitempty"`
	MCPServerName       string                             `json:"mcp_server_name,omitempty"`
	Name                string                             `json:"name,omitempty"`
	Input               json.RawMessage                    `json:"input,omitempty"`
	EvaluatedPermission types.EvaluatedPermission          `json:"evaluated_permission,omitempty"`
	ToolUseID           string                             `json:"tool_use_id,omitempty"`
	CustomToolUseID     string                             `json:"custom_tool_use_id,omitempty"`
	MCPToolUseID        string                             `json:"mcp_tool_use_id,omitempty"`
	Result              types.ToolConfirmationResult       `json:"result,omitempty"`
	DenyMessage         *string                            `json:"deny_message,omitempty"`
	Content             *union.Content                     `json:"content,omitempty"`
	Model               string                             `json:"model,omitempty"`
	RequestStartID      string                             `json:"model_request_start_id,omitempty"`
	IsError             *bool                              `json:"is_error,omitempty"`
	ModelUsage          *types.EventUsage                  `json:"model_usage,omitempty"`
	Status              types.SessionStatusIdleEventStatus `json:"status,omitempty"`
	StopReason          *types.StopReason                  `json:"stop_reason,omitempty"`
	Usage               *types.EventUsage                  `json:"usage,omitempty"`
	Error               *types.SessionErrorDetail          `json:"error,omitempty"`
}

// ToolResult returns the events that are the result of a use of a built-in tool: its agent.tool_result, and before it, in a
// session of a self-hosted environment, the user.tool_result that its worker waits for, whoever ran the tool.
func ToolResult(s *store.Session, useID string, content *union.Content, failed bool) []New {
	result := Payload{ToolUseID: useID, Content: content, IsError: &failed}
	if !s.SelfHosted {
		return []New{{Type: AgentToolResult, Payload: result}}
	}
	return []New{{Type: WorkerToolResult, Payload: result}, {Type: AgentToolResult, Payload: result}}
}

// MCPToolResult returns the event that is the result of a use of a tool of an MCP server.
func MCPToolResult(useID string, content *union.Content, failed bool) []New {
	return []New{{Type: AgentMCPToolResult, Payload: Payload{MCPToolUseID: useID, Content: content, IsError: &failed}}}
}

// FailedUses returns the results of tool uses that nobody runs any longer, which say why. A custom tool's has none: it
// would be the caller's.
func FailedUses(s *store.Session, uses []store.PendingAction, why string) (results []New) {
	for _, use := range uses {
		switch use.Type {
		case AgentToolUse:
			results = append(results, ToolResult(s, use.EventID, Content(why), true)...)
		case AgentMCPToolUse:
			results = append(results, MCPToolResult(use.EventID, Content(why), true)...)
		}
	}
	return results
}

// Read returns the payload of an event.
func Read(e store.Event) (p Payload, err error) {
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		return p, fmt.Errorf("event %s: payload: %w", e.ID, err)
	}
	return p, nil
}

// Content returns one block for each text, without the empty ones.
func Content(texts ...string) *union.Content {
	content := make(union.Content, 0, len(texts))
	for _, text := range texts {
		if text != "" {
			content = append(content, text)
		}
	}
	return &content
}

// Usage returns usage in the form that events have, within bounds.
func Usage(u turn.Usage, bounds usage.Bounds) *types.EventUsage {
	u = u.Within(bounds)
	return &types.EventUsage{
		InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, CacheReadInputTokens: u.CacheReadInputTokens,
		CacheCreationInputTokens: min(usage.Sum(u.CacheCreation5m, u.CacheCreation1h), bounds.Tokens),
		Credits:                  float64(u.CreditCents) / 100,
	}
}

// wireBytes is about what the common fields take in an event's form on the wire.
const wireBytes = 320

// Wire returns an event in its form on the wire, in the contract's order: id, type, payload, the other common fields. It
// does not validate it.
func Wire(e store.Event) []byte { return AppendWire(make([]byte, 0, len(e.Payload)+wireBytes), e) }

// AppendWire appends what Wire returns.
func AppendWire(out []byte, e store.Event) []byte {
	out = append(out, `{"id":"`...)
	out = append(out, e.ID...)
	out = append(out, `","type":"`...)
	out = append(out, e.Type...)
	out = append(out, '"', ',')
	if inner := e.Payload[1 : len(e.Payload)-1]; len(inner) > 0 { // without its braces
		out = append(out, inner...)
		out = append(out, ',')
	}
	out = append(out, `"session_id":"`...)
	out = append(out, e.SessionID...)
	if e.TurnID != "" {
		out = append(out, `","turn_id":"`...)
		out = append(out, e.TurnID...)
	}
	out = append(out, `","schema_version":"1.0","created_at":"`...)
	out = e.CreatedAt.AppendFormat(out, time.RFC3339Nano)
	out = append(out, `","processed_at":"`...)
	out = e.CreatedAt.AppendFormat(out, time.RFC3339Nano)
	return append(out, '"', '}')
}

// EntryTypes are the types of events that runners see.
func EntryTypes() []string {
	return []string{
		string(turn.UserMessage), string(turn.DefineOutcome), AgentMessage, AgentToolUse, AgentToolResult,
		AgentCustomTool, string(turn.CustomToolResult), AgentMCPToolUse, AgentMCPToolResult, string(turn.ToolConfirmation),
	}
}

// Entry returns an event as runners see it; ok is false for a type that they do not see.
func Entry(e store.Event) (entry turn.Entry, ok bool, err error) {
	entry = turn.Entry{Kind: turn.EntryKind(e.Type), ID: e.ID}
	if !slices.Contains(EntryTypes(), e.Type) {
		return turn.Entry{}, false, nil
	}
	p, err := Read(e)
	if err != nil {
		return turn.Entry{}, false, err
	}
	entry.Name, entry.MCPServer, entry.Input = p.Name, p.MCPServerName, p.Input
	entry.UseID = p.ToolUseID + p.CustomToolUseID + p.MCPToolUseID // an event has one of them at most
	entry.Ask = p.EvaluatedPermission == types.EvaluatedPermissionAsk
	entry.Denied = p.Result == types.ToolConfirmationResultDeny
	entry.Failed = p.IsError != nil && *p.IsError
	entry.Text = p.Description
	if p.DenyMessage != nil {
		entry.Text = *p.DenyMessage
	}
	if p.Content != nil {
		entry.Text = p.Content.Text()
	}
	return entry, true, nil
}
