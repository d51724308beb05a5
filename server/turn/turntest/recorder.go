// Package turntest helps to test runners: a Sink that records, a Clock that does not wait, and a
// conformance suite. It imports only package turn and the standard library.
package turntest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/server/turn"
)

// Method names a method of turn.Sink.
type Method string

// The methods of turn.Sink.
const (
	Thinking      Method = "Thinking"
	Say           Method = "Say"
	EndMessage    Method = "EndMessage"
	UseTool       Method = "UseTool"
	ToolResult    Method = "ToolResult"
	UseWorkerTool Method = "UseWorkerTool"
	UseMCPTool    Method = "UseMCPTool"
	MCPToolResult Method = "MCPToolResult"
	UseCustomTool Method = "UseCustomTool"
	Problem       Method = "Problem"
	EndRequest    Method = "EndRequest"
	BeginRequest  Method = "BeginRequest"
	Keep          Method = "Keep"
	Spend         Method = "Spend"
)

// Call is one call of a Sink, with the arguments that its method has; the rest is zero.
type Call struct {
	Method Method
	// ID is the id that a use was given, or that a result names.
	ID string
	// Text is a piece, a result or a problem.
	Text string
	// Name and Input are a use's tool and arguments, and Server is its MCP server.
	Name, Input, Server string
	// Memo is what is kept with a message or a use.
	Memo        string
	Ask, Failed bool
	Usage       turn.Usage
}

// uses reports whether the call is the use of a tool.
func (c Call) uses() bool {
	return c.Method == UseTool || c.Method == UseWorkerTool || c.Method == UseMCPTool || c.Method == UseCustomTool
}

// Recorder is a turn.Sink that records its calls. Ids are evt_000001 and so on. The zero value is
// ready; it is safe for concurrent use, so that a test can look at it while a runner works.
type Recorder struct {
	mu        sync.Mutex
	calls     []Call
	uses      int
	signs     int
	refused   int
	failAfter int
	failure   error
	blocks    bool
	blockAt   int
	blocked   chan struct{}
}

var _ turn.Sink = (*Recorder)(nil)

// FailAfter lets n calls succeed, counted from the first one; every later one is not recorded and
// returns err. Spend does not count and does not fail.
func (r *Recorder) FailAfter(n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failAfter, r.failure = n, err
}

// BlockAfter lets n calls succeed, counted from the first one; every later one is not recorded, waits
// until its context ends, and returns the context's error. Spend does not count and does not block. The
// channel that it returns is closed when the first call blocks.
func (r *Recorder) BlockAfter(n int) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks, r.blockAt, r.blocked = true, n, make(chan struct{})
	return r.blocked
}

// Calls returns a copy of the calls that succeeded, oldest first.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// Refused returns how many calls failed: because of FailAfter or BlockAfter, or because their context
// had ended.
func (r *Recorder) Refused() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// Messages returns the texts of the messages, including a last one that has not ended.
func (r *Recorder) Messages() []string {
	var texts []string
	for _, e := range r.Entries() {
		if e.Kind == turn.AgentMessage {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

// Usage returns the sum of what was spent.
func (r *Recorder) Usage() turn.Usage {
	var sum turn.Usage
	for _, c := range r.Calls() {
		sum = sum.Add(c.Usage)
	}
	return sum
}

// SignsOfLife returns how often Alive was called.
func (r *Recorder) SignsOfLife() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signs
}

// Entries returns the messages, uses and results that the calls add to a turn.
func (r *Recorder) Entries() []turn.Entry { return entries(r.Calls()) }

func entries(calls []Call) []turn.Entry {
	var (
		made    []turn.Entry
		message strings.Builder
		memo    json.RawMessage
	)
	add := func(e turn.Entry) {
		e.Memo, memo = memo, nil
		made = append(made, e)
	}
	end := func() {
		if message.Len() > 0 {
			add(turn.Entry{Kind: turn.AgentMessage, Text: message.String()})
			message.Reset()
		}
	}
	for _, c := range calls {
		if c.Method != Say && c.Method != Keep && c.Method != Spend {
			end()
		}
		switch c.Method {
		case Say:
			message.WriteString(c.Text)
		case Keep:
			memo = json.RawMessage(c.Memo)
		case UseTool, UseWorkerTool:
			add(turn.Entry{Kind: turn.ToolUse, ID: c.ID, Name: c.Name, Input: json.RawMessage(c.Input), Ask: c.Ask})
		case UseMCPTool:
			add(turn.Entry{Kind: turn.MCPToolUse, ID: c.ID, MCPServer: c.Server, Name: c.Name, Input: json.RawMessage(c.Input), Ask: c.Ask})
		case UseCustomTool:
			add(turn.Entry{Kind: turn.CustomToolUse, ID: c.ID, Name: c.Name, Input: json.RawMessage(c.Input)})
		case ToolResult:
			made = append(made, turn.Entry{Kind: turn.ToolResult, UseID: c.ID, Text: c.Text, Failed: c.Failed})
		case MCPToolResult:
			made = append(made, turn.Entry{Kind: turn.MCPToolResult, UseID: c.ID, Text: c.Text, Failed: c.Failed})
		}
	}
	end()
	return made
}

// Thinking implements turn.Sink.
func (r *Recorder) Thinking(ctx context.Context) error {
	_, err := r.take(ctx, Call{Method: Thinking})
	return err
}

// Say implements turn.Sink.
func (r *Recorder) Say(ctx context.Context, piece string) error {
	_, err := r.take(ctx, Call{Method: Say, Text: piece})
	return err
}

// EndMessage implements turn.Sink.
func (r *Recorder) EndMessage(ctx context.Context) error {
	_, err := r.take(ctx, Call{Method: EndMessage})
	return err
}

// UseTool implements turn.Sink.
func (r *Recorder) UseTool(ctx context.Context, name string, input json.RawMessage, ask bool) (string, error) {
	return r.take(ctx, Call{Method: UseTool, Name: name, Input: string(input), Ask: ask})
}

// ToolResult implements turn.Sink.
func (r *Recorder) ToolResult(ctx context.Context, useID, text string, failed bool) error {
	_, err := r.take(ctx, Call{Method: ToolResult, ID: useID, Text: text, Failed: failed})
	return err
}

// UseWorkerTool implements turn.Sink.
func (r *Recorder) UseWorkerTool(ctx context.Context, name string, input json.RawMessage, ask bool) (string, error) {
	return r.take(ctx, Call{Method: UseWorkerTool, Name: name, Input: string(input), Ask: ask})
}

// UseMCPTool implements turn.Sink.
func (r *Recorder) UseMCPTool(ctx context.Context, server, name string, input json.RawMessage, ask bool) (string, error) {
	return r.take(ctx, Call{Method: UseMCPTool, Server: server, Name: name, Input: string(input), Ask: ask})
}

// MCPToolResult implements turn.Sink.
func (r *Recorder) MCPToolResult(ctx context.Context, useID, text string, failed bool) error {
	_, err := r.take(ctx, Call{Method: MCPToolResult, ID: useID, Text: text, Failed: failed})
	return err
}

// Problem implements turn.Sink.
func (r *Recorder) Problem(ctx context.Context, message string) error {
	_, err := r.take(ctx, Call{Method: Problem, Text: message})
	return err
}

// EndRequest implements turn.Sink.
func (r *Recorder) EndRequest(ctx context.Context) error {
	_, err := r.take(ctx, Call{Method: EndRequest})
	return err
}

// BeginRequest implements turn.Sink.
func (r *Recorder) BeginRequest(ctx context.Context) error {
	_, err := r.take(ctx, Call{Method: BeginRequest})
	return err
}

// UseCustomTool implements turn.Sink.
func (r *Recorder) UseCustomTool(ctx context.Context, name string, input json.RawMessage) (string, error) {
	return r.take(ctx, Call{Method: UseCustomTool, Name: name, Input: string(input)})
}

// Keep implements turn.Sink.
func (r *Recorder) Keep(ctx context.Context, memo json.RawMessage) error {
	if len(memo) > turn.MaxMemo || !json.Valid(memo) || !utf8.Valid(memo) {
		return fmt.Errorf("a memo of %d bytes is too long, or not JSON in UTF-8", len(memo))
	}
	_, err := r.take(ctx, Call{Method: Keep, Memo: string(memo)})
	return err
}

// Alive implements turn.Sink.
func (r *Recorder) Alive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signs++
}

// Spend implements turn.Sink.
func (r *Recorder) Spend(u turn.Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, Call{Method: Spend, Usage: u})
}

// take records the call, unless it must fail, and returns its id.
func (r *Recorder) take(ctx context.Context, c Call) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := 0
	for _, c := range r.calls {
		if c.Method != Spend {
			done++
		}
	}
	err := ctx.Err()
	switch {
	case err != nil:
	case r.failure != nil && done >= r.failAfter:
		err = r.failure
	case r.blocks && done >= r.blockAt:
		if r.refused == 0 {
			close(r.blocked)
		}
		r.refused++
		r.mu.Unlock()
		<-ctx.Done()
		r.mu.Lock()
		return "", ctx.Err()
	}
	if err != nil {
		r.refused++
		return "", err
	}
	if c.uses() {
		r.uses++
		c.ID = fmt.Sprintf("evt_%06d", r.uses)
	}
	r.calls = append(r.calls, c)
	return c.ID, nil
}
