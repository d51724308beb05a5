package main

import (
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/openai"
)

// runnerFlags choose what answers messages.
type runnerFlags struct {
	runner    string
	routes    map[string]string
	script    string
	echoDelay time.Duration
	baseURL   string
	model     string
}

func (f *runnerFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.runner, "runner", "", "what answers messages: echo, script or openai; echo by default, script when only --script asks for it")
	flags.StringToStringVar(&f.routes, "route", nil, "other runners for some agents, by their model: MODEL=RUNNER, or START*=RUNNER for all models with that start; may be repeated")
	flags.StringVar(&f.script, "script", "", "YAML file that the script runner answers from")
	flags.DurationVar(&f.echoDelay, "echo-delay", 0, "time between the words of the echo runner")
	flags.StringVar(&f.baseURL, "openai-base-url", "", "address of the OpenAI-compatible endpoint that the openai runner asks, such as https://api.openai.com/v1; its key is $OPENAI_API_KEY")
	flags.StringVar(&f.model, "openai-model", "", "model that the openai runner asks for; the agent's by default")
}

// open makes the runners that are named, and what sends each turn to one of them.
func (f *runnerFlags) open() (turn.Runner, error) {
	switch asked := f.script == "" || f.wants("script"); {
	case f.runner == "" && asked:
		f.runner = "echo"
	case f.runner == "":
		f.runner = "script"
	case !asked:
		return nil, fmt.Errorf("--script has no runner that reads it; add --runner script or --route MODEL=script")
	}
	for flag, name := range f.named() {
		if !slices.Contains(knownRunners(), name) {
			return nil, fmt.Errorf("--%s: unknown runner %q; use %s", flag, name, strings.Join(knownRunners(), ", "))
		}
	}
	runners := map[string]turn.Runner{"echo": turn.NewEcho(turn.EchoOptions{Delay: f.echoDelay})}
	if f.wants("script") {
		if f.script == "" {
			return nil, fmt.Errorf("the script runner needs --script FILE")
		}
		script, err := turn.LoadScript(f.script)
		if err != nil {
			return nil, fmt.Errorf("--script: %w", err)
		}
		runners["script"] = script.Runner(turn.WallClock{})
	}
	if f.wants("openai") {
		if f.baseURL == "" {
			return nil, fmt.Errorf("the openai runner needs --openai-base-url URL")
		}
		runner, err := openai.New(openai.Options{BaseURL: f.baseURL, APIKey: os.Getenv("OPENAI_API_KEY"), Model: f.model, MaxRetries: 2})
		if err != nil {
			return nil, fmt.Errorf("--openai-base-url: %w", err)
		}
		runners["openai"] = runner
	}
	routes, err := turn.NewByModel(f.routes, runners, f.runner)
	if err != nil {
		return nil, fmt.Errorf("--route: %w", err)
	}
	return routes, nil
}

func knownRunners() []string { return []string{"echo", "script", "openai"} }

// named yields the flags that name a runner, and which.
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

// wants reports whether a runner of that name is asked for.
func (f *runnerFlags) wants(name string) bool {
	for _, named := range f.named() {
		if named == name {
			return true
		}
	}
	return false
}
