// Package openai runs turns with any endpoint that implements OpenAI's chat completions. It is a package
// of its own so that only its importers depend on github.com/openai/openai-go.
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

// Options configure the endpoint. The environment is never read.
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
	// else about half a second, doubled each time. A reply that has begun is never requested again.
	MaxRetries int
	// HTTPClient sends the requests; nil is http.DefaultClient. Its Timeout, if any, covers a complete
	// reply.
	HTTPClient *http.Client
}

// Runner is a turn.Runner whose replies come from a model. Each call is one request for a streamed completion.
//
// The model sees the agent's system text, the session's history, the turn so far, and the agent's custom
// tools. Built-in and MCP tools are not offered: there is nothing here to run them. Tool calls of a
// reply become uses of custom tools, and the turn stops for all their results. A reply that was cut at the
// token limit ends the turn with MaxTokens; its tool calls, which may also be cut, are dropped.
//
// Tokens are those that the endpoint reports, even of a reply that failed halfway; credits are 0.
type Runner struct {
	completions openai.ChatCompletionService
	model       string
	secret      string
}

var _ turn.Runner = (*Runner)(nil)

// New returns a Runner, or an error that names the invalid option.
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

// Run implements turn.Runner. When the endpoint refuses a request or reports an error in its reply, the
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
		return "", turn.Failuref("the endpoint's content filter stopped the reply")
	}
	return use(ctx, got.calls, tools, out)
}

// use converts the reply's tool calls into uses, all of them or none.
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
