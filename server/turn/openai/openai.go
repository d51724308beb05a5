// Package openai runs turns on any endpoint that speaks OpenAI's chat completions. It is a package of its own so that
// programs which do not use it do not carry github.com/openai/openai-go, which sends the requests and repeats them.
// Requests and responses are written and read here: endpoints differ in both more than that library can bend.
package openai

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/turn"
)

// MaxRetries is the largest number of retries that Options allows.
const MaxRetries = 10

// Options says which endpoint is asked, and how. The environment is never read.
type Options struct {
	// BaseURL is what "/chat/completions" is appended to, such as "https://api.openai.com/v1". It is required,
	// http or https, without user, query and fragment.
	BaseURL string
	// APIKey is sent as a bearer token; nothing is sent when it is "". It appears in no error.
	APIKey string
	// Model replaces the agent's model unless it is "".
	Model string
	// MaxRetries is how often a request that failed on the way, or with 408, 409, 429 or 5xx, is sent
	// again, 0 to MaxRetries. It waits as long as Retry-After says, unless that is over two minutes, or
	// else about half a second, doubled each time. A response that has begun is never requested again.
	MaxRetries int
	// MaxInputBytes bounds the messages and tools of a request; 0 stands for the agent's MaxInputTokens. Oldest turns
	// are left out.
	MaxInputBytes int
	// Compat names what requests leave out from the start, see CompatNames. It is needed only for endpoints that do not
	// say what they refuse: what an endpoint names in a refusal is left out by itself from then on.
	Compat []string
	// HTTPClient makes the requests; http.DefaultClient when nil. Its Timeout, if any, covers a complete response.
	HTTPClient *http.Client
	// Logger is told what was adapted and left out; nothing is logged when it is nil.
	Logger *slog.Logger
}

// Runner is a turn.Runner that lets a model reply. A call is a loop of requests, each for a streamed completion and
// repeated in another form where the endpoint refuses it.
//
// The model sees the agent's system text, the session's history, the turn so far, the agent's custom tools and those of
// the toolboxes. Tool calls of a response become uses. The tools that the server runs are run, one after the other, and the
// model is asked again with their results; for the result of a custom tool, and for a confirmation, the turn stops. A
// response that was cut at the token limit ends the turn with MaxTokens; tool calls in it, which may be cut as well, are
// dropped.
//
// Between calls it remembers how the endpoint wants its requests, and nothing of the turns. Tokens are the endpoint's,
// also those of a response that failed halfway, if it reported them; credits are 0.
type Runner struct {
	client        openai.Client
	baseURL       string
	model         string
	secret        string
	maxInputBytes int
	profiles      *profiles
	logger        *slog.Logger
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
	if o.MaxInputBytes < 0 {
		return nil, fmt.Errorf("openai: MaxInputBytes must not be negative, as %d is", o.MaxInputBytes)
	}
	first, err := newProfile(o.Compat)
	if err != nil {
		return nil, fmt.Errorf("openai: Compat: %w", err)
	}
	options := []option.RequestOption{
		option.WithBaseURL(o.BaseURL),
		option.WithMaxRetries(o.MaxRetries),
		option.WithHTTPClient(withBounds(o.HTTPClient)),
		option.WithHeader("Accept", "text/event-stream, application/json"),
	}
	if o.APIKey != "" {
		options = append(options, option.WithAPIKey(o.APIKey))
	}
	return &Runner{
		client:        openai.Client{Options: options},
		baseURL:       strings.TrimRight(o.BaseURL, "/"),
		model:         o.Model,
		secret:        o.APIKey,
		maxInputBytes: o.MaxInputBytes,
		profiles:      &profiles{first: first, known: map[string]profile{}},
		logger:        cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
	}, nil
}

// modelOf returns the model that a turn is for.
func (r *Runner) modelOf(in turn.Input) string { return cmp.Or(r.model, in.Agent.Model) }

// origin names the endpoint and model of a turn's memos.
func (r *Runner) origin(in turn.Input) string { return r.baseURL + " " + r.modelOf(in) }

// maxRequests bounds how often a turn asks the model, each time for the sake of tools.
const maxRequests = 200

// Run implements turn.Runner. When the endpoint refuses a request or reports an error in its response, the
// error is an *EndpointError.
func (r *Runner) Run(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	tools, problems, err := in.Tools(ctx)
	if err != nil {
		return "", err
	}
	j := &journal{Sink: out, entries: slices.Clone(in.Entries)}
	for first := true; ; first = false {
		_, waits, err := tools.Settle(ctx, j.entries, first && in.Rescheduled, j)
		switch {
		case err != nil:
			return "", err
		case waits:
			return turn.RequiresAction, nil
		case rounds(j.entries) >= maxRequests:
			return "", turn.Failuref("The agent asked its model %d times in one turn and has not finished. Send a message to let it continue.", maxRequests)
		}
		if first {
			err = report(ctx, problems, out)
		} else {
			err = out.BeginRequest(ctx)
		}
		if err != nil {
			return "", err
		}
		in.Entries = j.entries
		outcome, err := r.reply(ctx, in, tools, j)
		if outcome != "" || err != nil {
			return outcome, err
		}
	}
}

// report reports the problems of a turn.
func report(ctx context.Context, problems []string, out turn.Sink) error {
	for _, problem := range problems {
		if err := out.Problem(ctx, problem); err != nil {
			return err
		}
	}
	return nil
}

// reply lets the model reply once. The outcome is "" when the model has used tools.
func (r *Runner) reply(ctx context.Context, in turn.Input, tools turn.Offers, out turn.Sink) (turn.Outcome, error) {
	if err := out.Thinking(ctx); err != nil {
		return "", err
	}
	got, err := r.converse(ctx, in, tools, out)
	if got.usage != (turn.Usage{}) {
		out.Spend(got.usage)
	}
	switch {
	case got.refused != nil:
		return "", got.refused
	case err != nil:
		return "", r.cleaned(err)
	}
	return r.conclude(ctx, in, got, tools, out)
}

// maxAttempts bounds the requests of one turn that differ in form.
const maxAttempts = 12

// converse sends the request in the form that the endpoint accepts, and reads the response. There is a response also when
// there is an error.
func (r *Runner) converse(ctx context.Context, in turn.Input, tools turn.Offers, out turn.Sink) (*response, error) {
	p := r.profiles.of(r.modelOf(in))
	for attempt := 1; ; attempt++ {
		body, s, leftOut, err := r.request(ctx, in, tools, p)
		got := &response{out: out}
		if err != nil {
			return got, err
		}
		known := names(tools)
		got.calls.knows = func(start string) bool { return begun(known, start) }
		err = r.ask(ctx, r.modelOf(in), body, got)
		var refusal *EndpointError
		if !errors.As(err, &refusal) {
			if err == nil {
				r.profiles.remember(r.modelOf(in), p.learned(s.bytes, got.prompt))
			}
			if leftOut > 0 {
				r.logger.Info("old turns were left out of a request", "session", in.SessionID, "turn", in.TurnID, "request_id", in.RequestID,
					"left_out", leftOut, "kept", s.turns)
			}
			return got, err
		}
		next, ok := p.adapt(refusal, s)
		if !ok || attempt == maxAttempts || got.said > 0 || len(got.calls.list) > 0 {
			return got, err
		}
		r.logger.Info("a request is repeated in another form", "session", in.SessionID, "turn", in.TurnID, "request_id", in.RequestID,
			"refusal", r.clean(refusal.Error()))
		p = next
	}
}

// begun reports whether a name in names has that start.
func begun(names map[string]string, start string) bool {
	for name := range names {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}

// ask sends a request and reads the response.
func (r *Runner) ask(ctx context.Context, model string, body []byte, got *response) (err error) {
	ctx, span := tracing.Model(ctx, "openai", model, r.baseURL)
	got.traced = span.Wants()
	defer func() {
		span.Replied(tracing.Reply{ID: got.id, Model: got.model, Reason: got.reason, Used: got.usage}, err)
		span.End()
	}()
	var answered *http.Response
	err = r.client.Post(ctx, "chat/completions", body, &answered)
	if answered != nil {
		defer answered.Body.Close()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case answered != nil && answered.StatusCode >= http.StatusBadRequest:
		words, _ := io.ReadAll(answered.Body) // the library has read the body and put it back
		return refused(answered.StatusCode, words)
	case err != nil:
		// Nothing of the library's is wrapped: its errors hold the request, and with it the key.
		return broken(err)
	}
	return got.read(ctx, noticing{answered.Body, got.out.Alive})
}

// cleaned returns err without secrets in what it quotes.
func (r *Runner) cleaned(err error) error {
	var (
		said    *EndpointError
		lost    *connectionError
		failure *turn.Failure
	)
	switch {
	case errors.As(err, &said):
		said.Message = r.clean(said.Message)
	case errors.As(err, &lost):
		lost.detail = r.clean(lost.detail)
	case errors.As(err, &failure):
		failure.Message = r.clean(failure.Message)
	}
	return err
}

// conclude ends the turn as the response says, or uses the tools that the model calls.
func (r *Runner) conclude(ctx context.Context, in turn.Input, got *response, tools turn.Offers, out turn.Sink) (turn.Outcome, error) {
	known := names(tools)
	if err := got.problem(known); err != nil {
		return "", r.cleaned(err)
	}
	memos := memo{Origin: r.origin(in), Message: got.message.fields()}
	if got.said > 0 {
		if err := keep(ctx, memos, out); err != nil {
			return "", err
		}
		memos.Message = nil
	}
	if err := out.EndMessage(ctx); err != nil {
		return "", err
	}
	switch {
	case got.end == cut:
		return turn.MaxTokens, nil
	case len(got.calls.list) == 0:
		return turn.EndTurn, nil
	}
	runs := false
	for _, c := range got.calls.list {
		m := memo{Origin: memos.Origin, Message: memos.Message, ID: c.id, Call: c.extra.fields(), Function: c.functionExtra.fields()}
		memos.Message = nil
		if err := keep(ctx, m, out); err != nil {
			return "", err
		}
		t := tools.Named(known[c.name])
		if _, err := t.Use(ctx, c.input(), out); err != nil {
			return "", err
		}
		runs = runs || !t.Waits()
	}
	if !runs {
		return "", nil // the turn stops, which ends the request
	}
	return "", out.EndRequest(ctx)
}

// keep keeps a memo that has something in it.
func keep(ctx context.Context, m memo, out turn.Sink) error {
	encoded := m.encode()
	if encoded == nil {
		return nil
	}
	return out.Keep(ctx, encoded)
}

// problem returns why the response is not one to go on with.
func (r *response) problem(known map[string]string) error {
	switch r.end {
	case unfinished:
		if r.unknown != "" && len(r.calls.list) == 0 {
			return reportedText(r.unknown)
		}
		return temporary("The model's reply ended early.")
	case failed:
		return temporary("The model endpoint ended the reply with the reason %q.", clip(r.reason, 200))
	case filtered:
		return permanent("The endpoint's content filter stopped the reply (%s).",
			clip(strings.Join(slices.Insert(r.filters, 0, r.reason), ", "), 200))
	case cut:
		return nil
	}
	if len(r.calls.list) == 0 {
		return r.silence()
	}
	for _, c := range r.calls.list {
		c.settle(known)
		if err := c.check(known); err != nil {
			return err
		}
	}
	return nil
}

// silence returns an error when a response that is over has nothing for the user.
func (r *response) silence() error {
	reason := strings.ToLower(r.reason)
	switch {
	case strings.Contains(reason, "tool") || strings.Contains(reason, "function"):
		return temporary("The model announced a tool call but made none.")
	case r.said > 0:
		return nil
	case r.thought:
		return temporary("The model thought but said nothing.")
	}
	return temporary("The model's reply was empty.")
}
