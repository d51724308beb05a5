package turn_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

func TestScriptConformance(t *testing.T) {
	t.Parallel()
	turntest.Run(t, func(t *testing.T) turn.Runner {
		return parse(t, `
rules:
  - steps:
      - think
      - tool: {name: Read, input: {path: a}, result: text}
      - say: ["You said: ", "{{text}}"]
        every: 1ms
      - use: {tool: look_up, input: {fail: true}}
      - custom_tool: {name: get_weather, input: {city: Oslo}}
      - wait: 1ms
      - use: {tool: find.book, mcp_server: library}
      - use: {tool: bash, input: {command: ls}}
      - use: {tool: get_weather, input: {city: Bern}}
      - tool: {name: Bash, ask: true, result: done}
      - usage: {input_tokens: 2, credits: 0.5}
      - custom_tool: {name: get_weather, input: {city: Rome}}
      - say: "{{result}}"
`).Runner(nil)
	})
}

func parse(t testing.TB, text string) *turn.Script {
	t.Helper()
	return must(turn.ParseScript("test.yaml", []byte(text)))(t)
}

func TestExampleScript(t *testing.T) {
	t.Parallel()
	script := must(turn.LoadScript("testdata/example.yaml"))(t)
	for message, c := range map[string]struct {
		settle   turntest.Settle
		messages []string
		outcome  turn.Outcome
		err      string
		usage    turn.Usage
		slept    []time.Duration
	}{
		"How is the weather?": {
			messages: []string{"Let me look outside.", "The weather: result of get_weather."},
			usage:    turn.Usage{InputTokens: 12, OutputTokens: 7, CreditCents: 25},
		},
		"DELETE build":  {messages: []string{"Done."}},
		"delete build":  {settle: turntest.Deny, messages: []string{"I leave it, as you say: not Bash."}},
		"slowly":        {messages: []string{"One two three."}, slept: []time.Duration{2e8, 5e7, 5e7}},
		"read":          {messages: []string{"I could not read it: no such file."}},
		"be verbose":    {messages: []string{"And so on, and"}, outcome: turn.MaxTokens},
		"fail":          {err: "the model is overloaded"},
		"anything else": {messages: []string{"I have no answer to: anything else"}},
	} {
		t.Run(message, func(t *testing.T) {
			var (
				clock turntest.Clock
				rec   turntest.Recorder
			)
			if c.settle == nil {
				c.settle = turntest.Allow
			}
			outcome, err := turntest.Play(t.Context(), script.Runner(&clock), turntest.Input(message), &rec, c.settle)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if c.outcome == "" {
				c.outcome = turn.EndTurn
			}
			if err != nil || outcome != c.outcome {
				t.Errorf("outcome %q with error %v, want %q", outcome, err, c.outcome)
			}
			if got := rec.Messages(); !slices.Equal(got, c.messages) {
				t.Errorf("messages %q, want %q", got, c.messages)
			}
			if got := rec.Usage(); got != c.usage {
				t.Errorf("usage %+v, want %+v", got, c.usage)
			}
			if got := clock.Slept(); !slices.Equal(got, c.slept) {
				t.Errorf("slept %v, want %v", got, c.slept)
			}
		})
	}
	t.Run("panic", func(t *testing.T) {
		defer func() {
			if got := recover(); got != turn.ScriptPanic("a bug") {
				t.Errorf("panic %v, want the script's", got)
			}
		}()
		_, err := script.Runner(nil).Run(t.Context(), turntest.Input("panic"), &turntest.Recorder{})
		t.Errorf("error %v, want a panic", err)
	})
}

func TestScriptCalls(t *testing.T) {
	t.Parallel()
	script := parse(t, `
rules:
  - steps:
      - think:
      - say: ["{{text}}", "."]
      - tool: {name: Read, input: {n: 1, list: [a, true, null, 1.5], day: 2026-01-02, o: {}}, result: "{{text}}", failed: true}
      - say: "{{result}}|{{text}}"
      - custom_tool: {name: get_weather}
      - tool: {name: Bash, ask: true, result: "yes"}
      - usage:
          input_tokens: 1
          output_tokens: 2
          cache_read_input_tokens: 3
          cache_creation: {ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 5}
          credits: 6
`)
	var rec turntest.Recorder
	// A placeholder in the user's message is text like any other.
	if _, err := turntest.Play(t.Context(), script.Runner(nil), turntest.Input("{{result}}"), &rec, turntest.Allow); err != nil {
		t.Fatal(err)
	}
	want := []turntest.Call{
		{Method: turntest.Thinking},
		{Method: turntest.Say, Text: "{{result}}"}, {Method: turntest.Say, Text: "."}, {Method: turntest.EndMessage},
		{Method: turntest.UseTool, ID: "evt_000001", Name: "Read", Input: `{"day":"2026-01-02","list":["a",true,null,1.5],"n":1,"o":{}}`},
		{Method: turntest.ToolResult, ID: "evt_000001", Text: "{{text}}", Failed: true},
		{Method: turntest.Say, Text: "{{text}}|{{result}}"}, {Method: turntest.EndMessage},
		{Method: turntest.UseCustomTool, ID: "evt_000002", Name: "get_weather", Input: "{}"},
		{Method: turntest.UseTool, ID: "evt_000003", Name: "Bash", Input: "{}", Ask: true},
		{Method: turntest.ToolResult, ID: "evt_000003", Text: "yes"},
		{Method: turntest.Spend, Usage: turn.Usage{
			InputTokens: 1, OutputTokens: 2, CacheReadInputTokens: 3, CacheCreation5m: 4, CacheCreation1h: 5, CreditCents: 600,
		}},
	}
	if diff := cmp.Diff(want, rec.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestScriptDenied(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tool string
		want []string
	}{
		"goes on":       {`{name: Bash, ask: true, result: ok}`, []string{"after: not Bash"}},
		"ends":          {`{name: Bash, ask: true, denied: []}`, nil},
		"other steps":   {`{name: Bash, ask: true, denied: [say: so be it]}`, []string{"so be it"}},
		"another tool":  {`{name: Bash, ask: true, denied: [custom_tool: {name: x}, say: "{{result}}"]}`, []string{"not x"}},
		"denied within": {`{name: Bash, ask: true, denied: [tool: {name: Read, ask: true, denied: [say: no more]}]}`, []string{"no more"}},
	} {
		t.Run(name, func(t *testing.T) {
			script := parse(t, fmt.Sprintf("rules: [{steps: [{tool: %s}, {say: 'after: {{result}}'}]}]", c.tool))
			var rec turntest.Recorder
			outcome, err := turntest.Play(t.Context(), script.Runner(nil), turntest.Input("x"), &rec, turntest.Deny)
			if err != nil || outcome != turn.EndTurn || !slices.Equal(rec.Messages(), c.want) {
				t.Errorf("outcome %q, error %v, messages %q; want %q", outcome, err, rec.Messages(), c.want)
			}
			for _, call := range rec.Calls() {
				if call.Method == turntest.ToolResult {
					t.Errorf("a result %+v of a denied use", call)
				}
			}
		})
	}
}

func TestScriptWaits(t *testing.T) {
	t.Parallel()
	script := parse(t, `
rules:
  - match: {text: ask}
    steps: [{tool: {name: Bash, ask: true, result: ok}}]
  - steps: [{custom_tool: {name: get}}, {say: more}]
`)
	message := func(text string) turn.Entry { return turn.Entry{Kind: turn.UserMessage, Text: text} }
	for name, c := range map[string]struct {
		entries []turn.Entry
		outcome turn.Outcome
		err     string
		calls   int
	}{
		"custom":     {[]turn.Entry{message("x"), {Kind: turn.CustomToolUse, ID: "1", Name: "get"}}, turn.RequiresAction, "", 0},
		"built-in":   {[]turn.Entry{message("ask"), {Kind: turn.ToolUse, ID: "1", Name: "Bash"}}, turn.RequiresAction, "", 0},
		"other name": {[]turn.Entry{message("x"), {Kind: turn.CustomToolUse, ID: "1", Name: "put"}}, "", `test.yaml: the rule at line 5: the turn has used "put" where the script does not`, 0},
		"other kind": {[]turn.Entry{message("x"), {Kind: turn.ToolUse, ID: "1", Name: "get"}}, "", `test.yaml: the rule at line 5: the turn has used "get" where the script does not`, 0},
		"too many": {[]turn.Entry{
			message("x"), {Kind: turn.CustomToolUse, ID: "1", Name: "get"}, {Kind: turn.CustomToolResult, UseID: "1"},
			{Kind: turn.CustomToolUse, ID: "2", Name: "get"},
		}, "", `test.yaml: the rule at line 5: the turn has used "get" where the script does not`, 0},
		"result there": {[]turn.Entry{
			message("ask"), {Kind: turn.ToolUse, ID: "1", Name: "Bash"},
			{Kind: turn.ToolConfirmation, UseID: "1"}, {Kind: turn.ToolResult, UseID: "1"},
		}, turn.EndTurn, "", 0},
		"result due": {[]turn.Entry{
			message("ask"), {Kind: turn.ToolUse, ID: "1", Name: "Bash"}, {Kind: turn.ToolConfirmation, UseID: "1"},
		}, turn.EndTurn, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			in := turntest.Input("")
			in.Entries = c.entries
			var rec turntest.Recorder
			outcome, err := script.Runner(nil).Run(t.Context(), in, &rec)
			if outcome != c.outcome || len(rec.Calls()) != c.calls {
				t.Errorf("outcome %q, calls %+v; want %q and %d calls", outcome, rec.Calls(), c.outcome, c.calls)
			}
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestScriptRules(t *testing.T) {
	t.Parallel()
	script := parse(t, `
rules:
  - {match: {text: ""}, steps: [{say: empty}]}
  - {match: {text: hi}, model: other, steps: [{say: other model}]}
  - {match: {text: hi}, agent: other, steps: [{say: other agent}]}
  - {match: {text: hi}, agent: agent_01, model: te*, steps: [{say: by id}]}
  - {match: {regexp: 'a+b$'}, steps: [{say: regexp}]}
  - {model: other, steps: []}
`)
	in := turntest.Input("hi")
	in.Agent.Model = "other"
	for name, c := range map[string]struct {
		in   turn.Input
		want string
	}{
		"empty":   {turntest.Input(""), "empty"},
		"by id":   {turntest.Input("hi"), "by id"},
		"model":   {in, "other model"},
		"regexp":  {turntest.Input("xaab"), "regexp"},
		"nothing": {turntest.Input("Hi"), `test.yaml: no rule fits the message "Hi" to the agent "gopher" (agent_01) with the model "test"`},
		"long":    {turntest.Input(strings.Repeat("ü", 300)), `test.yaml: no rule fits the message "` + strings.Repeat("ü", 200) + `" (cut) to the agent`},
	} {
		t.Run(name, func(t *testing.T) {
			var rec turntest.Recorder
			_, err := script.Runner(nil).Run(t.Context(), c.in, &rec)
			got := strings.Join(rec.Messages(), "")
			if err != nil {
				got = err.Error()
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLoadScriptErrors(t *testing.T) {
	t.Parallel()
	if _, err := turn.LoadScript("testdata/missing.yaml"); err == nil {
		t.Error("no error for a file that is not there")
	}
	_, err := turn.LoadScript("script_test.go")
	var wrong *turn.ScriptError
	if !errors.As(err, &wrong) || wrong.File != "script_test.go" {
		t.Errorf("error %v, want a ScriptError of that file", err)
	}
}
