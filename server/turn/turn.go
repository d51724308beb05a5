// Package turn is what happens when a message arrives: a Runner runs the turn and reports what the
// agent thinks, says and does. It knows nothing about sessions' states, storage or HTTP, and imports only
// the standard library, the decoder of YAML files, the contract's event types and package usage; runners that need more are packages below it.
package turn

import (
	"context"
	"encoding/json"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/usage"
)

// Runner runs turns. One Runner serves many sessions at the same time, so it is safe for concurrent use and
// keeps nothing between calls: a turn that stopped for an action is continued by a new call whose Input
// has, in Entries, everything that the turn did before and the action's result, possibly after a restart
// and on another machine.
type Runner interface {
	// Run runs one turn. It returns soon after ctx ends, with ctx's error, and returns an error of out
	// unchanged; after either it calls no method of out except Spend and Alive. Any other error, and a panic, ends the
	// turn with a session.error event, which has the text of a *Failure. What out has recorded before
	// remains. The Outcome is valid only without an error.
	//
	// What Run reports is brought within the contract. A turn is bounded in time, in silence, during which no method of
	// out is called and no tool of Input.Toolboxes runs, and in text: at each bound ctx ends.
	//
	// A runner that uses tools does nothing and returns RequiresAction if Entries have a use that still
	// waits for its action.
	Run(ctx context.Context, in Input, out Sink) (Outcome, error)
}

// Input is what a turn starts from. A runner only reads it.
type Input struct {
	// Account owns the session.
	Account           string
	SessionID, TurnID string
	// RequestID is the id of the request that started or continued the turn, for logs; "" when it is not known.
	RequestID string
	Agent     Agent
	// History reads the conversation before the turn; nil for none. Past calls it.
	History func(ctx context.Context) ([]Entry, error)
	// Entries is the turn itself so far, oldest first. It starts with what the user sent: a UserMessage
	// or a DefineOutcome.
	Entries []Entry
	// Toolboxes are the session's tools in addition to the agent's custom ones; Tools returns both. Open, unless it is nil,
	// opens them, which may take seconds: Tools calls it, so that nothing is opened for a runner that uses none.
	Toolboxes []Toolbox
	Open      func(ctx context.Context) ([]Toolbox, error)
	// Rescheduled is whether an earlier call for the same Entries was cut short, with its process: a tool use without a
	// result may have run.
	Rescheduled bool
}

// Past returns the conversation before the turn, oldest first: user and agent messages, tool uses and results. A use in it may
// lack its result, when its turn was stopped. It is read at the first call: a runner that does not need it does not ask.
func (in Input) Past(ctx context.Context) ([]Entry, error) {
	if in.History == nil {
		return nil, nil
	}
	return in.History(ctx)
}

// InMemory returns an Input.History of entries that are known.
func InMemory(entries []Entry) func(context.Context) ([]Entry, error) {
	return func(context.Context) ([]Entry, error) { return entries, nil }
}

// Message returns the text that started the turn, or "".
func (in Input) Message() string {
	for _, e := range in.Entries {
		if e.Kind == UserMessage || e.Kind == DefineOutcome {
			return e.Text
		}
	}
	return ""
}

// Agent is the session's snapshot of its agent, as far as a runner needs it.
type Agent struct {
	ID      string
	Version int32
	Name    string
	Model   string
	// MaxInputTokens is the size of the model's window; 0 when it is not known.
	MaxInputTokens int64
	System         string
	// Tools is the agent's tools as the contract writes them, a JSON array of AgentTool; empty for none.
	Tools json.RawMessage
}

// EntryKind is the kind of an Entry: the type of its event.
type EntryKind string

// The kinds of entries.
const (
	UserMessage      = EntryKind(types.UserMessageEventTypeUserMessage)
	DefineOutcome    = EntryKind(types.UserDefineOutcomeEventTypeUserDefineOutcome)
	AgentMessage     = EntryKind(types.AgentMessageEventTypeAgentMessage)
	ToolUse          = EntryKind(types.AgentToolUseEventTypeAgentToolUse)
	ToolResult       = EntryKind(types.AgentToolResultEventTypeAgentToolResult)
	CustomToolUse    = EntryKind(types.AgentCustomToolUseEventTypeAgentCustomToolUse)
	CustomToolResult = EntryKind(types.UserCustomToolResultEventTypeUserCustomToolResult)
	MCPToolUse       = EntryKind(types.AgentMCPToolUseEventTypeAgentMCPToolUse)
	MCPToolResult    = EntryKind(types.AgentMCPToolResultEventTypeAgentMCPToolResult)
	ToolConfirmation = EntryKind(types.UserToolConfirmationEventTypeUserToolConfirmation)
)

// Entry is one event of a conversation, as far as a runner needs it.
type Entry struct {
	Kind EntryKind
	// ID is the event's id. A result or a confirmation names the id of its use in UseID.
	ID, UseID string
	// Text is the text of a message, an outcome, a result, or a denial.
	Text string
	// Name and Input are a use's tool and its arguments, a JSON object. MCPServer is the agent's MCP server whose tool it
	// is; "" for other tools.
	Name, MCPServer string
	Input           json.RawMessage
	// Ask reports whether a use waits for a confirmation before it may run.
	Ask bool
	// Denied reports whether a confirmation denies; Failed whether a result is an error.
	Denied, Failed bool
	// Memo is what the runner kept with a message or a use, see Sink.Keep.
	Memo json.RawMessage
}

// MaxMemo is the most bytes of one memo.
const MaxMemo = 128 << 10

// Sink accepts what a runner produces, in order. Its methods return an error once the turn is over or ctx
// has ended. Only the goroutine that runs Run may call them.
type Sink interface {
	// Thinking reports that the model thinks, before it speaks. It and EndMessage may return some milliseconds before their
	// event is stored, together with those that follow; if that fails, a later call returns the error.
	Thinking(ctx context.Context) error
	// Say adds a piece to the agent's current message, which readers of increments see immediately. An
	// empty piece does nothing.
	Say(ctx context.Context, piece string) error
	// EndMessage ends the current message, which becomes an event; without a message it does nothing. Every
	// other method except Say, Keep, Spend and Alive also ends it, and so does the end of Run.
	EndMessage(ctx context.Context) error
	// UseTool records the use of a built-in tool and returns its event's id. The input is a JSON object.
	// With ask, the runner must stop with RequiresAction; it continues once the use is confirmed or denied.
	UseTool(ctx context.Context, name string, input json.RawMessage, ask bool) (id string, err error)
	// ToolResult records the result of a built-in tool. The runner records none for a use that was denied.
	ToolResult(ctx context.Context, useID, text string, failed bool) error
	// UseWorkerTool is UseTool for a tool that a worker runs: it always waits, for the confirmation with ask and for the
	// worker's result, which the turn's Entries have as a ToolResult.
	UseWorkerTool(ctx context.Context, name string, input json.RawMessage, ask bool) (id string, err error)
	// UseMCPTool and MCPToolResult are UseTool and ToolResult for a tool of an MCP server.
	UseMCPTool(ctx context.Context, server, name string, input json.RawMessage, ask bool) (id string, err error)
	MCPToolResult(ctx context.Context, useID, text string, failed bool) error
	// UseCustomTool records the use of a caller's tool and returns its event's id. The input is a JSON
	// object. The runner may use more tools, then must stop with RequiresAction; it continues once the
	// caller has sent every result.
	UseCustomTool(ctx context.Context, name string, input json.RawMessage) (id string, err error)
	// Problem reports to callers, in one sentence, what does not work in a turn that continues, such as a tool that is
	// missing. A problem that the turn has reported before is not reported again.
	Problem(ctx context.Context, message string) error
	// EndRequest ends the request to the model that is under way: its usage is what was spent since it began. Run starts
	// with a request under way, and its end ends one. Without a request it does nothing.
	EndRequest(ctx context.Context) error
	// BeginRequest begins another request to the model, after EndRequest. It is recorded with what follows it.
	BeginRequest(ctx context.Context) error
	// Keep stores a memo, JSON in UTF-8 of at most MaxMemo bytes, with the current message or, without one, with the
	// next use. Only runners see it again, as Entry.Memo: no response, stream or log has it. A second memo replaces the
	// first.
	Keep(ctx context.Context, memo json.RawMessage) error
	// Spend adds to what the turn has used: the amounts since the last Spend, not a running total. It
	// may still be called after another method failed or ctx ended.
	Spend(Usage)
	// Alive reports a sign of life of the model that nothing else shows, such as a keep-alive comment. It never blocks
	// and may be called as often as bytes arrive, also after another method failed or ctx ended.
	Alive()
}

// Usage counts tokens, and credits in hundredths. No field is negative.
type Usage = usage.Usage

// Outcome is why a runner stopped, in the words of the contract's stop_reason.
type Outcome string

// The reasons to stop.
const (
	EndTurn        Outcome = "end_turn"
	RequiresAction Outcome = "requires_action"
	MaxTokens      Outcome = "max_tokens"
)
