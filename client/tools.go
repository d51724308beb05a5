package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Tool is a function of the program that an agent may use: [Tool.AgentTool] describes it to the agent, [RunParams.Tools]
// calls it. Make one with [NewTool].
type Tool struct {
	name string
	tool CustomTool
	call func(ctx context.Context, input json.RawMessage) (string, error)
}

// NewTool returns a tool that calls fn. The agent sees the name, the description and a JSON Schema of In, which is a
// struct: fields are named by their json tags, described by their jsonschema tags, and required unless omitempty or
// omitzero. Input that does not satisfy the schema does not reach fn: the agent gets the error and may try again.
//
// A result that is a string is sent unchanged, any other as JSON. The text of an error is sent as a failed result, which
// the agent may handle; so is a panic. ctx is that of [SessionService.Run].
//
// NewTool panics when In is not a struct or has no schema: that is a mistake in the program.
func NewTool[In, Out any](name, description string, fn func(ctx context.Context, in In) (Out, error)) Tool {
	schema, err := jsonschema.For[In](nil)
	if err == nil && schema.Type != "object" {
		err = fmt.Errorf("%T is not a struct", *new(In))
	}
	var resolved *jsonschema.Resolved
	if err == nil {
		resolved, err = schema.Resolve(nil)
	}
	var encoded []byte
	if err == nil {
		encoded, err = json.Marshal(schema)
	}
	if err != nil {
		panic(fmt.Sprintf("client.NewTool: %s: %v", name, err))
	}
	custom := CustomTool{Name: name, InputSchema: encoded}
	if description != "" {
		custom.Description = &description
	}
	return Tool{name: name, tool: custom, call: func(ctx context.Context, input json.RawMessage) (string, error) {
		in, err := decodeInput[In](resolved, input)
		if err != nil {
			return "", err
		}
		out, err := fn(ctx, in)
		if err != nil {
			return "", err
		}
		if text, ok := any(out).(string); ok {
			return text, nil
		}
		data, err := json.Marshal(out)
		return string(data), err
	}}
}

// decodeInput decodes the input of a tool, which must satisfy the schema.
func decodeInput[In any](schema *jsonschema.Resolved, input json.RawMessage) (in In, err error) {
	var plain any
	if err = json.Unmarshal(input, &plain); err == nil {
		err = schema.Validate(plain)
	}
	if err == nil {
		err = json.Unmarshal(input, &in)
	}
	if err != nil {
		err = fmt.Errorf("the input does not satisfy the schema of the tool: %w", err)
	}
	return in, err
}

// AgentTool returns the tool for [CreateAgentRequest] and [UpdateAgentRequest].
func (t Tool) AgentTool() AgentTool { return NewAgentTool(t.tool) }

// result calls the tool and returns an event with its result.
func (t Tool) result(ctx context.Context, use AgentCustomToolUseEvent) EventInput {
	text, err := t.safely(ctx, use.Input)
	if err != nil {
		text = err.Error()
	}
	input := UserCustomToolResultInput{CustomToolUseID: use.ID, IsError: new(err != nil)}
	if text = strings.ReplaceAll(text, "\x00", "\ufffd"); text != "" { // the contract has no NUL and no empty block
		input.Content = &Content{text}
	}
	return NewEventInput(input)
}

// safely calls the tool and converts a panic to an error.
func (t Tool) safely(ctx context.Context, input json.RawMessage) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the tool panicked: %v", p)
		}
	}()
	return t.call(ctx, bytes.Clone(input))
}
