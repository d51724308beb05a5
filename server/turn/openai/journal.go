package openai

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/cloud-sessions/sessions/server/turn"
)

// journal is a turn.Sink that also keeps what it stores as entries, for the next request of the turn.
type journal struct {
	turn.Sink
	entries []turn.Entry
	message strings.Builder
	memo    json.RawMessage
}

// add adds an entry after the current message, if there is one.
func (j *journal) add(e turn.Entry) {
	j.end()
	e.Memo, j.memo = j.memo, nil
	j.entries = append(j.entries, e)
}

// end ends the current message.
func (j *journal) end() {
	if j.message.Len() > 0 {
		j.entries = append(j.entries, turn.Entry{Kind: turn.AgentMessage, Text: j.message.String(), Memo: j.memo})
		j.message.Reset()
		j.memo = nil
	}
}

// Say implements turn.Sink.
func (j *journal) Say(ctx context.Context, piece string) error {
	j.message.WriteString(piece)
	return j.Sink.Say(ctx, piece)
}

// EndMessage implements turn.Sink.
func (j *journal) EndMessage(ctx context.Context) error {
	j.end()
	return j.Sink.EndMessage(ctx)
}

// Keep implements turn.Sink.
func (j *journal) Keep(ctx context.Context, memo json.RawMessage) error {
	j.memo = memo
	return j.Sink.Keep(ctx, memo)
}

// UseTool implements turn.Sink.
func (j *journal) UseTool(ctx context.Context, name string, input json.RawMessage, ask bool) (string, error) {
	id, err := j.Sink.UseTool(ctx, name, input, ask)
	j.add(turn.Entry{Kind: turn.ToolUse, ID: id, Name: name, Input: input, Ask: ask})
	return id, err
}

// UseWorkerTool implements turn.Sink.
func (j *journal) UseWorkerTool(ctx context.Context, name string, input json.RawMessage, ask bool) (string, error) {
	id, err := j.Sink.UseWorkerTool(ctx, name, input, ask)
	j.add(turn.Entry{Kind: turn.ToolUse, ID: id, Name: name, Input: input, Ask: ask})
	return id, err
}

// UseMCPTool implements turn.Sink.
func (j *journal) UseMCPTool(ctx context.Context, server, name string, input json.RawMessage, ask bool) (string, error) {
	id, err := j.Sink.UseMCPTool(ctx, server, name, input, ask)
	j.add(turn.Entry{Kind: turn.MCPToolUse, ID: id, MCPServer: server, Name: name, Input: input, Ask: ask})
	return id, err
}

// UseCustomTool implements turn.Sink.
func (j *journal) UseCustomTool(ctx context.Context, name string, input json.RawMessage) (string, error) {
	id, err := j.Sink.UseCustomTool(ctx, name, input)
	j.add(turn.Entry{Kind: turn.CustomToolUse, ID: id, Name: name, Input: input})
	return id, err
}

// ToolResult implements turn.Sink.
func (j *journal) ToolResult(ctx context.Context, useID, text string, failed bool) error {
	j.add(turn.Entry{Kind: turn.ToolResult, UseID: useID, Text: text, Failed: failed})
	return j.Sink.ToolResult(ctx, useID, text, failed)
}

// MCPToolResult implements turn.Sink.
func (j *journal) MCPToolResult(ctx context.Context, useID, text string, failed bool) error {
	j.add(turn.Entry{Kind: turn.MCPToolResult, UseID: useID, Text: text, Failed: failed})
	return j.Sink.MCPToolResult(ctx, useID, text, failed)
}

// rounds counts the replies of the model that used tools.
func rounds(entries []turn.Entry) (n int) {
	for i, e := range entries {
		if e.IsUse() && (i == 0 || !entries[i-1].IsUse()) {
			n++
		}
	}
	return n
}
