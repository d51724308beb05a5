//go:build unix

package openai_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api/npmtest"
	"github.com/cloud-sessions/sessions/server/internal/needs"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/openai"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// The mocks of chat completions that others wrote, from npm.
const (
	aimock  = "@copilotkit/aimock@1.43.0"
	mockLLM = "@dwmkerr/mock-llm@0.1.29"
)

// TestMocks tests the runner on endpoints that others wrote to test programs like it.
func TestMocks(t *testing.T) {
	t.Parallel()
	needs.Program(t, "npx")
	type turns map[string][]string // the events by the user's message
	for name, m := range map[string]struct {
		npm   string
		args  []string
		turns turns
	}{
		"aimock": {aimock, []string{"llmock", "--port", "FREE", "--chunk-size", "5", "--fixtures", "testdata/mocks/aimock.json"}, turns{
			"greet":      {"usage 12 7 0", `message "Hello, 中文! A reply of several pieces."`, "outcome end_turn"},
			"weather":    {`message "Let me look."`, `use get_weather {"city":"Oslo"}`, `message "It is sunny in Oslo. 🌞"`, "outcome end_turn"},
			"two cities": {`message "And"`, `use get_weather {"city":"Oslo"}`, `use get_weather {"city":"Bergen"}`, "outcome requires_action"},
			"think":      {`message "Done."`, "outcome end_turn"},
			"long":       {`message "Cut off"`, "outcome max_tokens"},
			"filter":     {`message "Half of"`, `error "The endpoint's content filter stopped the reply (content_filter)."`},
			"break":      {`error "The connection to the model endpoint failed. Send the message again."`},
			"refuse":     {`error "The model endpoint returned 404 Not Found: The model does not exist."`},
		}},
		"mock-llm": {mockLLM, []string{"env", "HOST=127.0.0.1", "PORT=FREE", "mock-llm", "--config", "testdata/mocks/mock-llm.yaml"}, turns{
			"Hello, 中文 😀!": {`message "You said: Hello, 中文 😀!"`, "outcome end_turn"},
			"refuse":       {`error "The model endpoint broke off its response: Incorrect API key provided."`},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := npmtest.Start(t, m.npm, m.args...)
			runner, err := openai.New(openai.Options{BaseURL: url + "/v1"})
			if err != nil {
				t.Fatal(err)
			}
			for text, want := range m.turns {
				var rec turntest.Recorder
				play := turntest.Play
				if text == "two cities" {
					play = once // the mock repeats the calls when it has the results
				}
				outcome, err := play(t.Context(), runner, turntest.Input(text), &rec, turntest.Allow)
				got := withoutMemos(events(rec.Calls(), outcome, err), !strings.Contains(strings.Join(want, " "), "usage"))
				if text == "break" {
					got = got[max(0, len(got)-1):] // how much of the text arrives is up to the connection
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: events (-want +got):\n%s", text, diff)
				}
			}
		})
	}
}

// once is turntest.Play that ends at the first action.
func once(ctx context.Context, r turn.Runner, in turn.Input, rec *turntest.Recorder, _ turntest.Settle) (turn.Outcome, error) {
	return r.Run(ctx, in, rec)
}

// withoutMemos returns the events without memos, and without usage too where it was made up by the mock.
func withoutMemos(events []string, withoutUsage bool) (kept []string) {
	for _, e := range events {
		if !strings.HasPrefix(e, "memo ") && !(withoutUsage && strings.HasPrefix(e, "usage ")) {
			kept = append(kept, e)
		}
	}
	return kept
}
