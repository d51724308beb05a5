package openai

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/openai/openai-go/v3"

	"github.com/cloud-sessions/sessions/server/turn"
)

// What stands for the results of uses that have none.
const (
	noResult  = "No result: the turn was stopped before the tool was done."
	wasDenied = "The user did not allow this tool use."
)

// tool is a custom tool of the agent.
type tool struct {
	Type        string                     `json:"type"`
	Name        string                     `json:"name"`
	Description string                     `json:"description"`
	InputSchema map[string]json.RawMessage `json:"input_schema"`
}

// customTools returns the custom ones of the agent's tools.
func customTools(tools json.RawMessage) ([]tool, error) {
	if len(tools) == 0 {
		return nil, nil
	}
	var all []tool
	if err := json.Unmarshal(tools, &all); err != nil {
		return nil, fmt.Errorf("the agent's tools: %w", err)
	}
	return slices.DeleteFunc(all, func(t tool) bool { return t.Type != "custom" }), nil
}

// request returns the request that makes the model continue the turn.
func (r *Runner) request(in turn.Input, tools []tool) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{
		Model:         cmp.Or(r.model, in.Agent.Model),
		Messages:      messages(in),
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	}
	for _, t := range tools {
		f := openai.FunctionDefinitionParam{Name: t.Name}
		if t.Description != "" {
			f.Description = openai.String(t.Description)
		}
		if t.InputSchema != nil {
			f.Parameters = openai.FunctionParameters{}
			for key, value := range t.InputSchema {
				f.Parameters[key] = value
			}
		}
		p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(f))
	}
	return p
}

// messages returns the conversation in the form of the endpoint.
func messages(in turn.Input) []openai.ChatCompletionMessageParamUnion {
	entries := slices.Concat(in.History, in.Entries)
	c := conversation{results: map[string]string{}}
	for _, e := range entries {
		switch {
		case e.Kind == turn.ToolResult || e.Kind == turn.CustomToolResult:
			c.results[e.UseID] = e.Text
			if e.Failed {
				c.results[e.UseID] = "Error: " + e.Text
			}
		case e.Kind == turn.ToolConfirmation && e.Denied:
			c.results[e.UseID] = wasDenied
			if e.Text != "" {
				c.results[e.UseID] += " " + e.Text
			}
		}
	}
	if in.Agent.System != "" {
		c.messages = append(c.messages, openai.SystemMessage(in.Agent.System))
	}
	for _, e := range entries {
		c.add(e)
	}
	c.flush()
	return c.messages
}

// conversation builds the messages. The endpoint wants each assistant message with tool calls followed at
// once by one tool message for every call, so results are looked up when that message is complete; where
// they stand among the entries does not matter.
type conversation struct {
	messages []openai.ChatCompletionMessageParamUnion
	results  map[string]string // by the use's id
	current  *openai.ChatCompletionAssistantMessageParam
}

func (c *conversation) add(e turn.Entry) {
	switch e.Kind {
	case turn.UserMessage, turn.DefineOutcome:
		c.flush()
		c.messages = append(c.messages, openai.UserMessage(e.Text))
	case turn.AgentMessage:
		c.flush()
		c.assistant().Content.OfString = openai.String(e.Text)
	case turn.ToolUse, turn.CustomToolUse:
		input := string(e.Input)
		if input == "" {
			input = "{}"
		}
		a := c.assistant()
		a.ToolCalls = append(a.ToolCalls, openai.ChatCompletionMessageToolCallUnionParam{
			OfFunction: &openai.ChatCompletionMessageFunctionToolCallParam{
				ID:       e.ID,
				Function: openai.ChatCompletionMessageFunctionToolCallFunctionParam{Name: e.Name, Arguments: input},
			},
		})
	case turn.ToolResult, turn.CustomToolResult:
		c.flush()
	}
}

// assistant returns the assistant message that is being built.
func (c *conversation) assistant() *openai.ChatCompletionAssistantMessageParam {
	if c.current == nil {
		c.current = &openai.ChatCompletionAssistantMessageParam{}
	}
	return c.current
}

// flush ends the assistant message that is being built and adds the results of its calls.
func (c *conversation) flush() {
	if c.current == nil {
		return
	}
	done := c.current
	c.current = nil
	c.messages = append(c.messages, openai.ChatCompletionMessageParamUnion{OfAssistant: done})
	for _, use := range done.ToolCalls {
		result, ok := c.results[use.OfFunction.ID]
		if !ok {
			result = noResult
		}
		c.messages = append(c.messages, openai.ToolMessage(result, use.OfFunction.ID))
	}
}
