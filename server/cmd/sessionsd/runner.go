package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/openai"
)

// endpointKeyVariable is the environment variable with the key of the openai runner's endpoint.
const endpointKeyVariable = "OPENAI_API_KEY"

// runnerFlags choose what runs turns.
type runnerFlags struct {
	runner    string
	routes    map[string]string
	script    string
	echoDelay time.Duration
	endpoint  openai.Options
	asks      *openai.Runner // that open has created; nil for none
}

func (f *runnerFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.runner, "runner", "", "`RUNNER` that replies to messages: echo, script or openai; by default echo, or script if only --script is set")
	flags.StringToStringVar(&f.routes, "route", nil, "another runner for agents with a model: `MODEL=RUNNER`, or PREFIX*=RUNNER for all models with the prefix; may be repeated")
	flags.StringVar(&f.script, "script", "", "YAML `FILE` that the script runner plays")
	flags.DurationVar(&f.echoDelay, "echo-delay", 0, "time between the words of the echo runner")
	flags.StringVar(&f.endpoint.BaseURL, "openai-base-url", "", "`URL` of the OpenAI-compatible endpoint that the openai runner calls, such as https://api.openai.com/v1; its key is $OPENAI_API_KEY")
	flags.StringVar(&f.endpoint.Model, "openai-model", "", "`MODEL` that the openai runner requests; the agent's by default")
	flags.IntVar(&f.endpoint.MaxInputBytes, "openai-max-input-bytes", 0, "size of the messages and tools that the openai runner sends, beyond which old turns are left out; by default what the model's max_input_tokens allow")
	flags.StringSliceVar(&f.endpoint.Compat, "openai-compat", nil, "`CHANGES` that the openai runner makes in its requests from the start, for endpoints that do not report what they refuse: "+strings.Join(openai.CompatNames(), ", "))
}

// open creates the runners that the flags name, and the Runner that selects one of them for each turn.
func (f *runnerFlags) open(logger *slog.Logger) (turn.Runner, error) {
	switch asked := f.script == "" || f.wants("script"); {
	case f.runner == "" && asked:
		f.runner = "echo"
	case f.runner == "":
		f.runner = "script"
	case !asked:
		return nil, errors.New("no runner plays --script; add --runner script or --route MODEL=script")
	}
	for flag, name := range f.named() {
		if !slices.Contains(knownRunners(), name) {
			return nil, fmt.Errorf("--%s: unknown runner %q; use %s", flag, name, strings.Join(knownRunners(), ", "))
		}
	}
	runners := map[string]turn.Runner{"echo": turn.NewEcho(turn.EchoOptions{Delay: f.echoDelay})}
	if f.wants("script") {
		if f.script == "" {
			return nil, errors.New("the script runner needs --script FILE")
		}
		script, err := turn.LoadScript(f.script)
		if err != nil {
			return nil, fmt.Errorf("--script: %w", err)
		}
		runners["script"] = script.Runner(turn.WallClock{})
	}
	if f.wants("openai") {
		runner, err := f.openEndpoint(logger)
		if err != nil {
			return nil, err
		}
		runners["openai"], f.asks = runner, runner
	}
	byModel, err := turn.NewByModel(f.routes, runners, f.runner)
	if err != nil {
		return nil, fmt.Errorf("--route: %w", err)
	}
	return byModel, nil
}

// openEndpoint creates the openai runner.
func (f *runnerFlags) openEndpoint(logger *slog.Logger) (*openai.Runner, error) {
	if f.endpoint.BaseURL == "" {
		return nil, errors.New("the openai runner needs --openai-base-url URL")
	}
	options := f.endpoint
	options.APIKey, options.MaxRetries, options.Logger = os.Getenv(endpointKeyVariable), 2, logger
	runner, err := openai.New(options)
	if err != nil {
		return nil, fmt.Errorf("the openai runner: %w", err)
	}
	return runner, nil
}

// notes are sentences about what an operator of the openai runner may have forgotten. models is the file that --models names.
func (f *runnerFlags) notes(models string) (sentences []string) {
	if !f.wants("openai") {
		return nil
	}
	if os.Getenv(endpointKeyVariable) == "" {
		sentences = append(sentences, "$"+endpointKeyVariable+" is not set: requests to the model endpoint carry no key.")
	}
	if f.endpoint.Model == "" && models == "" {
		sentences = append(sentences, "The model endpoint is asked for each agent's own model, and GET /models lists the built-in ones: "+
			"set --openai-model to a model of the endpoint, or --models to a file that lists its models.")
	}
	return sentences
}

// endpointPatience is how long checkEndpoint waits for the model endpoint.
const endpointPatience = 10 * time.Second

// checkEndpoint asks the model endpoint for its models and reports in a sentence what came of it: an endpoint that is away, or
// that has no such list, does not keep a server from starting.
func (f *runnerFlags) checkEndpoint(ctx context.Context) (sentence string) {
	if f.asks == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, endpointPatience)
	defer cancel()
	models, err := f.asks.Models(ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("note: %s; turns of the openai runner may fail", strings.TrimSuffix(err.Error(), "."))
	case f.endpoint.Model != "" && !slices.Contains(models, f.endpoint.Model):
		return fmt.Sprintf("note: the model endpoint does not list --openai-model %s; it lists %d models", f.endpoint.Model, len(models))
	}
	return fmt.Sprintf("model endpoint with %d models", len(models))
}

func knownRunners() []string { return []string{"echo", "script", "openai"} }

// named yields the flags that name a runner, with its name.
func (f *runnerFlags) named() iter.Seq2[string, string] {
	return func(yield func(flag, name string) bool) {
		if !yield("runner", f.runner) {
			return
		}
		for _, model := range slices.Sorted(maps.Keys(f.routes)) {
			if !yield("route", f.routes[model]) {
				return
			}
		}
	}
}

// wants reports whether a flag names this runner.
func (f *runnerFlags) wants(name string) bool {
	for _, named := range f.named() {
		if named == name {
			return true
		}
	}
	return false
}
