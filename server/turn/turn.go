// Package turn is what happens when a message arrives: a Runner works on the turn and says what the
// agent thinks, says and does. It knows nothing of sessions' states, storage or HTTP, and imports the
// standard library and a YAML parser only; runners that need more are packages of their own below it.
package turn

import (
	"context"
	"encoding/json"
)

// Runner answers turns. One Runner serves many sessions at once, so it is safe for concurrent use and
// keeps nothing between calls: a turn that stopped for an action is continued by a new call whose Input
// has, in Entries, all that the turn did before and the action's result, possibly after a restart and
// on another machine.
type Runner interface {
	// Run works on one turn. It returns soon after ctx ends, with ctx's error, and returns an error of
	// out as it is; after either it calls nothing of out but Spend. Any other error, and a panic, ends the
	// turn with a session.error event, which has the text of a *Failure. What went to out before stays. The Outcome counts only without an
	// error.
	//
	// A runner that uses tools does nothing and returns RequiresAction when Entries have a use that still
	// waits for its action.
	Run(ctx context.Context, in Input, out Sink) (Outcome, error)
}

// Input is what a turn starts from. A runner only reads it.
type Input struct {
	SessionID, TurnID string
	Agent             Agent
	// History is what came before the turn, oldest first: user and agent messages, tool uses and results.
	// A use in it may lack its result, when its turn was stopped.
	History []Entry
	// Entries is the turn itself so far, oldest first. It starts with what the user sent: a UserMessage
	// or a DefineOutcome.
	Entries []Entry
}

// Message returns the text that started the turn, "" when there is none.
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

// EntryKind says what an Entry is: the type of its event.
type EntryKind string

// The kinds of entries.
const (
	UserMessage      EntryKind = "user.message"
	DefineOutcome    EntryKind = "user.define_outcome"
	AgentMessage     EntryKind = "agent.message"
	ToolUse          EntryKind = "agent.tool_use"
	ToolResult       EntryKind = "agent.tool_result"
	CustomToolUse    EntryKind = "agent.custom_tool_use"
	CustomToolResult EntryKind = "user.custom_tool_result"
	ToolConfirmation EntryKind = "user.tool_confirmation"
)

// Entry is one event of a conversation, as far as a runner needs it.
type Entry struct {
	Kind EntryKind
	// ID is the event's id. A result or a confirmation names the id of its use in UseID.
	ID, UseID string
	// Text is the text of a message, an outcome, a result, or a denial.
	Text string
	// Name and Input are a use's tool and its arguments, a JSON object.
	Name  string
	Input json.RawMessage
	// Denied is whether a confirmation denies; Failed whether a result is an error.
	Denied, Failed bool
	// Memo is what the runner kept with a message or a use, see Sink.Keep.
	Memo json.RawMessage
}

// MaxMemo is the most bytes of one memo.
const MaxMemo = 256 << 10

// Sink takes what a runner produces, in order. Its methods return an error once the turn is over or ctx
// has ended. They are for one goroutine, the one that called Run.
type Sink interface {
	// Thinking says that the model thinks, before it speaks.
	Thinking(ctx context.Context) error
	// Say adds a piece to the agent's current message, which readers of increments see at once. An empty
	// piece does nothing.
	Say(ctx context.Context, piece string) error
	// EndMessage ends the current message, which makes it an event; without one it does nothing. Every
	// other method except Say, Keep, Spend and Alive ends it as well, and so does the end of Run.
	EndMessage(ctx context.Context) error
	// UseTool records the use of a built-in tool and returns its event's id. The input is a JSON object.
	// With ask, the runner must stop with RequiresAction and goes on once the use is confirmed or denied.
	UseTool(ctx context.Context, name string, input json.RawMessage, ask bool) (id string, err error)
	// ToolResult records the result of a built-in tool. A use that was denied has none.
	ToolResult(ctx context.Context, useID, text string, failed bool) error
	// UseCustomTool records the use of a caller's tool and returns its event's id. The input is a JSON
	// object. The runner may use further ones, then must stop with RequiresAction; it goes on once the
	// caller has sent every result.
	UseCustomTool(ctx context.Context, name string, input json.RawMessage) (id string, err error)
	// Keep stores a memo, a JSON value of at most MaxMemo bytes, with the current message or, without one, with the
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
type Usage struct {
	// InputTokens leaves out those that were read from or written to a cache.
	InputTokens, OutputTokens, CacheReadInputTokens int64
	// CacheCreation5m and CacheCreation1h are input tokens written to a cache that lives that long.
	CacheCreation5m, CacheCreation1h int64
	CreditCents                      int64
}

// Add returns the sum of u and v.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		InputTokens:          u.InputTokens + v.InputTokens,
		OutputTokens:         u.OutputTokens + v.OutputTokens,
		CacheReadInputTokens: u.CacheReadInputTokens + v.CacheReadInputTokens,
		CacheCreation5m:      u.CacheCreation5m + v.CacheCreation5m,
		CacheCreation1h:      u.CacheCreation1h + v.CacheCreation1h,
		CreditCents:          u.CreditCents + v.CreditCents,
	}
}

// Outcome says why a runner stopped, in the words of the contract's stop_reason.
type Outcome string

// The reasons to stop.
const (
	EndTurn        Outcome = "end_turn"
	RequiresAction Outcome = "requires_action"
	MaxTokens      Outcome = "max_tokens"
)
