package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/cloud-sessions/sessions/server/turn"
)

// The bounds of one reply's tool calls: their number, and the bytes of their arguments together.
const (
	maxCalls     = 128
	maxArguments = 4 << 20
)

// answer is what one completion contains in addition to its text.
type answer struct {
	finish    string
	calls     []*call
	arguments int
	usage     turn.Usage
}

// ask sends the request and says the reply's text while it arrives. The answer contains the usage even
// with an error, if the endpoint reported it.
func (r *Runner) ask(ctx context.Context, request openai.ChatCompletionNewParams, out turn.Sink) (answer, error) {
	var (
		got      answer
		response *http.Response
	)
	stream := r.completions.NewStreaming(ctx, request, option.WithResponseInto(&response))
	defer stream.Close()
	for stream.Next() {
		chunk := stream.Current()
		if u := chunk.Usage; u.PromptTokens > 0 || u.CompletionTokens > 0 {
			// Some endpoints send a running total with every chunk: the last one counts.
			got.usage = usage(u)
		}
		for _, choice := range chunk.Choices {
			if choice.Index != 0 {
				continue
			}
			if choice.FinishReason != "" {
				got.finish = choice.FinishReason
			}
			for _, piece := range []string{choice.Delta.Content, choice.Delta.Refusal} {
				if piece == "" {
					continue
				}
				if err := out.Say(ctx, piece); err != nil {
					return got, err
				}
			}
			for _, delta := range choice.Delta.ToolCalls {
				if err := got.add(delta); err != nil {
					return got, err
				}
			}
		}
	}
	err := stream.Err()
	switch {
	case ctx.Err() != nil:
		return got, ctx.Err()
	case err != nil:
		return got, r.failure(response, err)
	case got.finish == "":
		return got, cut(response)
	}
	return got, nil
}

// cut returns why a stream may have ended without a finish reason.
func cut(response *http.Response) error {
	if response != nil {
		kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
		if kind != "" && kind != "text/event-stream" {
			return fmt.Errorf("the endpoint did not stream its reply but sent %s", kind)
		}
	}
	return turn.Failuref("the endpoint's reply ended early")
}

// usage counts as the contract does: cached tokens are not input tokens.
func usage(u openai.CompletionUsage) turn.Usage {
	cached := max(0, min(u.PromptTokensDetails.CachedTokens, u.PromptTokens))
	return turn.Usage{
		InputTokens:          max(0, u.PromptTokens-cached),
		OutputTokens:         max(0, u.CompletionTokens),
		CacheReadInputTokens: cached,
	}
}

// call is a tool call of the model, put together from its pieces.
type call struct {
	index     int64
	id, name  string
	arguments []byte
}

// add adds a piece of a tool call. Pieces belong together by their index; some endpoints, however, give every
// call the index 0 and distinguish them by id.
func (a *answer) add(delta openai.ChatCompletionChunkChoiceDeltaToolCall) error {
	var c *call
	for _, old := range slices.Backward(a.calls) {
		if old.index == delta.Index {
			if delta.ID == "" || old.id == "" || delta.ID == old.id {
				c = old
			}
			break
		}
	}
	if c == nil {
		if len(a.calls) == maxCalls {
			return turn.Failuref("the model made more than %d tool calls in one reply", maxCalls)
		}
		c = &call{index: delta.Index}
		a.calls = append(a.calls, c)
	}
	if delta.ID != "" {
		c.id = delta.ID
	}
	if c.name == "" {
		c.name = delta.Function.Name
	}
	if a.arguments += len(delta.Function.Arguments); a.arguments > maxArguments {
		return turn.Failuref("the model sent more than %d bytes of tool arguments in one reply", maxArguments)
	}
	c.arguments = append(c.arguments, delta.Function.Arguments...)
	return nil
}

// check returns an error unless the call is of a known tool, with a JSON object.
func (c *call) check(tools []tool) error {
	if !slices.ContainsFunc(tools, func(t tool) bool { return t.Name == c.name }) {
		return turn.Failuref("the model called the tool %q, which the agent does not have", c.name)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(c.input(), &object); err != nil || object == nil {
		return turn.Failuref("the model called the tool %q with arguments that are not a JSON object", c.name)
	}
	return nil
}

// input returns the arguments; models omit them for tools that accept none.
func (c *call) input() json.RawMessage {
	if len(c.arguments) == 0 {
		return json.RawMessage("{}")
	}
	return c.arguments
}
