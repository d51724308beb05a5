// Package event makes the events of a session's log, and their form on the wire: what events of one type have
// beside that which all have is their payload. It imports the store's vocabulary and the contract's types and
// checks.
package event

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/api/union"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// The types of events that the server itself looks at. Those that runners look at are turn's.
const (
	Interrupt       = "user.interrupt"
	StatusRunning   = "session.status_running"
	Rescheduled     = "session.status_rescheduled"
	StatusIdle      = "session.status_idle"
	SessionError    = "session.error"
	SessionDeleted  = "session.deleted"
	Start           = "event_start"
	Delta           = "event_delta"
	AgentThinking   = "agent.thinking"
	RequestStart    = "span.model_request_start"
	RequestEnd      = "span.model_request_end"
	AgentMessage    = string(turn.AgentMessage)
	AgentToolUse    = string(turn.ToolUse)
	AgentCustomTool = string(turn.CustomToolUse)
)

// Payload is what events have beside that which all have, for every type: the fields of one are those that
// its type has in the contract, in the contract's order.
type Payload struct {
	OutcomeID           string                             `json:"outcome_id,omitempty"`
	Description         string                             `json:"description,omitempty"`
	Rubric              *types.Rubric                      `json:"rubric,omitempty"`
	MaxIterations       *int32                             `json:"max_iterations,omitempty"`
	Name                string                             `json:"name,omitempty"`
	Input               json.RawMessage                    `json:"input,omitempty"`
	EvaluatedPermission types.EvaluatedPermission          `json:"evaluated_permission,omitempty"`
	ToolUseID           string                             `json:"tool_use_id,omitempty"`
	CustomToolUseID     string                             `json:"custom_tool_use_id,omitempty"`
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

// New makes an event of a turn, "" for none, to append.
func New(kind, turnID string, p Payload) (store.NewEvent, error) {
	payload, err := json.Marshal(p)
	return store.NewEvent{Type: kind, TurnID: turnID, Payload: payload}, err
}

// Read returns the payload of an event.
func Read(e store.Event) (p Payload, err error) {
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		return p, fmt.Errorf("event %s: payload: %w", e.ID, err)
	}
	return p, nil
}

// Content returns texts, each of them a block; empty ones are left out.
func Content(texts ...string) *union.Content {
	content := make(union.Content, 0, len(texts))
	for _, text := range texts {
		if text != "" {
			content = append(content, text)
		}
	}
	return &content
}

// Usage returns what was used as events write it.
func Usage(u turn.Usage) *types.EventUsage {
	return &types.EventUsage{
		InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, CacheReadInputTokens: u.CacheReadInputTokens,
		CacheCreationInputTokens: u.CacheCreation5m + u.CacheCreation1h, Credits: float64(u.CreditCents) / 100,
	}
}

// Wire returns an event as callers see it, in the contract's order: id, type, payload, the rest.
func Wire(e store.Event) []byte {
	out := make([]byte, 0, len(e.Payload)+320)
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
		string(turn.UserMessage), string(turn.DefineOutcome), AgentMessage, AgentToolUse, string(turn.ToolResult),
		AgentCustomTool, string(turn.CustomToolResult), string(turn.ToolConfirmation),
	}
}

// Entry returns an event as runners see it; ok is false for one that they do not.
func Entry(e store.Event) (entry turn.Entry, ok bool, err error) {
	entry = turn.Entry{Kind: turn.EntryKind(e.Type), ID: e.ID}
	if !slices.Contains(EntryTypes(), e.Type) {
		return turn.Entry{}, false, nil
	}
	p, err := Read(e)
	if err != nil {
		return turn.Entry{}, false, err
	}
	entry.Name, entry.Input = p.Name, p.Input
	entry.UseID = p.ToolUseID + p.CustomToolUseID // an event has one of them at most
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
