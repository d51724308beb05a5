// Package openai answers turns with any endpoint that speaks OpenAI's chat completions. It is a package
// of its own so that whoever does not use it does not carry github.com/openai/openai-go.
package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/cloud-sessions/sessions/server/turn"
)

// MaxRetries is the largest number of retries that Options allows.
const MaxRetries = 10

// Options says which endpoint answers, and how. The environment is never read.
type Options struct {
	// BaseURL is what "/chat/completions" is added to, as "https://api.openai.com/v1". It is required,
	// http or https, without user, query and fragment.
	BaseURL string
	// APIKey is sent as a bearer token; nothing is sent when it is "". It appears in no error.
	APIKey string
	// Model replaces the agent's model unless it is "".
	Model string
	// MaxRetries is how often a request that failed on the way, or with 408, 409, 429 or 5xx, is sent
	// again, 0 to MaxRetries. It waits as long as Retry-After says, unless that is over two minutes, or
	// else about half a second, doubled each time. An answer that has begun is never asked for again.
	MaxRetries int
	// HTTPClient makes the requests; http.DefaultClient when nil. Its Timeout, if any, covers a whole
	// answer.
	HTTPClient *http.Client
}

// Runner is a turn.Runner that lets a model answer. Each call is one request for a streamed completion.
//
// The model sees the agent's system text, the session's history, the turn so far, and the agent's custom
// tools. Built-in and MCP tools are not offered: there is nothing here to run them. Tool calls of an
// answer become uses of custom tools, and the turn stops for all their results. An answer that was cut at
// the token limit ends the turn with MaxTokens; tool calls in it, which may be cut too, are dropped.
//
// Tokens are the endpoint's, also those of an answer that failed halfway, if it told; credits are 0.
type Runner struct {
	completions openai.ChatCompletionService
	model       string
	secret      string
}

var _ turn.Runner = (*Runner)(nil)

// New returns a Runner, or an error that says which option is wrong.
func New(o Options) (*Runner, error) {
	switch base, err := url.Parse(o.BaseURL); {
	case err != nil:
		// The parser's error repeats the URL, which may have a password in it.
		return nil, errors.New("openai: BaseURL is not a URL")
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return nil, errors.New("openai: BaseURL must begin with http:// or https:// and a host")
	case base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, errors.New("openai: BaseURL must not have a user, a query or a fragment")
	}
	if o.MaxRetries < 0 || o.MaxRetries > MaxRetries {
		return nil, fmt.Errorf("openai: MaxRetries must be 0 to %d, not %d", MaxRetries, o.MaxRetries)
	}
	client := o.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	options := []option.RequestOption{
		option.WithBaseURL(o.BaseURL),
		option.WithMaxRetries(o.MaxRetries),
		option.WithHTTPClient(client),
	}
	if o.APIKey != "" {
		options = append(options, option.WithAPIKey(o.APIKey))
	}
	return &Runner{
		completions: openai.NewChatCompletionService(options...),
		model:       o.Model,
		secret:      o.APIKey,
	}, nil
}

// Run implements turn.Runner. When the endpoint refuses a request or reports an error in its answer, the
// error is an *EndpointError.
func (r *Runner) Run(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if waits(in.Entries) {
		return turn.RequiresAction, nil
	}
	tools, err := customTools(in.Agent.Tools)
	if err != nil {
		return "", err
	}
	if err := out.Thinking(ctx); err != nil {
		return "", err
	}
	got, err := r.ask(ctx, r.request(in, tools), out)
	if got.usage != (turn.Usage{}) {
		out.Spend(got.usage)
	}
	if err != nil {
		return "", err
	}
	if err := out.EndMessage(ctx); err != nil {
		return "", err
	}
	switch got.finish {
	case "length":
		return turn.MaxTokens, nil
	case "content_filter":
		return "", turn.Failuref("the endpoint's content filter stopped the answer")
	}
	return use(ctx, got.calls, tools, out)
}

// use turns the answer's tool calls into uses, all of them or none.
func use(ctx context.Context, calls []*call, tools []tool, out turn.Sink) (turn.Outcome, error) {
	if len(calls) == 0 {
		return turn.EndTurn, nil
	}
	for _, c := range calls {
		if err := c.check(tools); err != nil {
			return "", err
		}
	}
	for _, c := range calls {
		if _, err := out.UseCustomTool(ctx, c.name, c.input()); err != nil {
			return "", err
		}
	}
	return turn.RequiresAction, nil
}

// waits reports whether a custom tool's use has no result yet.
func waits(entries []turn.Entry) bool {
	open := map[string]bool{}
	for _, e := range entries {
		switch e.Kind {
		case turn.CustomToolUse:
			open[e.ID] = true
		case turn.CustomToolResult:
			delete(open, e.UseID)
		}
	}
	return len(open) > 0
}
