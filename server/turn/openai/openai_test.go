package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/openai"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, chatWithTools)
	turntest.Run(t, func(t *testing.T) turn.Runner { return e.runner(t, nil) })
}

func TestTurn(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, chat)
	var rec turntest.Recorder
	outcome, err := turntest.Play(t.Context(), e.runner(t, nil), turntest.Input("How is it?"), &rec, turntest.Allow)
	if err != nil || outcome != turn.EndTurn {
		t.Fatalf("outcome %q with error %v", outcome, err)
	}
	want := []turntest.Call{
		{Method: turntest.Thinking},
		{Method: turntest.Say, Text: "Let me"}, {Method: turntest.Say, Text: " look."},
		{Method: turntest.Spend, Usage: turn.Usage{InputTokens: 5, CacheReadInputTokens: 4, OutputTokens: 5}},
		{Method: turntest.EndMessage},
		{Method: turntest.Keep, Memo: `{"origin":"` + e.URL + `/v1 test","id":"call_1"}`},
		{Method: turntest.UseCustomTool, ID: "evt_000001", Name: "get_weather", Input: `{"city":"Oslo"}`},
		{Method: turntest.Thinking},
		{Method: turntest.Say, Text: "How "}, {Method: turntest.Say, Text: "is "}, {Method: turntest.Say, Text: "it?"},
		{Method: turntest.Spend, Usage: turn.Usage{InputTokens: 20, OutputTokens: 7}},
		{Method: turntest.EndMessage},
	}
	if diff := cmp.Diff(want, rec.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if n := len(e.seen()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	in := turntest.Input("And now?")
	in.Agent.Tools = json.RawMessage(`[{"type":"agent_toolset_20260401"},{"type":"mcp_toolset","mcp_server_name":"x"},
		{"type":"custom","name":"get","description":"Gets.","input_schema":{"type":"object","required":["n"],"maximum":12345678901234567890}},
		{"type":"custom","name":"bare","input_schema":{}}]`)
	in.History = turn.InMemory([]turn.Entry{
		{Kind: turn.DefineOutcome, Text: "goal"},
		{Kind: turn.AgentMessage, Text: "first"},
		{Kind: turn.AgentMessage, Text: "second"},
		{Kind: turn.CustomToolUse, ID: "a", Name: "get", Input: json.RawMessage(`{"n":1}`)},
		{Kind: turn.CustomToolUse, ID: "b", Name: "bare"},
		{Kind: turn.CustomToolResult, UseID: "b", Text: "B", Failed: true},
		{Kind: turn.CustomToolResult, UseID: "a", Text: "A"},
		{Kind: turn.UserMessage, Text: "more"},
		{Kind: turn.ToolUse, ID: "c", Name: "Bash", Input: json.RawMessage(`{}`)},
		{Kind: turn.ToolConfirmation, UseID: "c", Denied: true, Text: "No!"},
		{Kind: turn.UserMessage, Text: "again"},
		{Kind: turn.ToolUse, ID: "d", Name: "Read", Input: json.RawMessage(`{}`)},
		{Kind: turn.ToolConfirmation, UseID: "d"},
		{Kind: turn.ToolResult, UseID: "d", Text: "D"},
		{Kind: turn.CustomToolUse, ID: "e", Name: "get", Input: json.RawMessage(`{}`)},
	})
	want := `{
		"model": "test", "stream": true, "stream_options": {"include_usage": true},
		"tools": [
			{"type": "function", "function": {"name": "get", "description": "Gets.",
				"parameters": {"type": "object", "properties": {}, "required": ["n"], "maximum": 12345678901234567890}}},
			{"type": "function", "function": {"name": "bare", "parameters": {"type": "object", "properties": {}}}}
		],
		"messages": [
			{"role": "system", "content": "Be brief."},
			{"role": "user", "content": "goal"},
			{"role": "assistant", "content": "first\n\nsecond", "tool_calls": [
				{"id": "hoogNODIH", "type": "function", "function": {"name": "get", "arguments": "{\"n\":1}"}},
				{"id": "5kLOhMcMK", "type": "function", "function": {"name": "bare", "arguments": "{}"}}]},
			{"role": "tool", "tool_call_id": "hoogNODIH", "content": "A"},
			{"role": "tool", "tool_call_id": "5kLOhMcMK", "content": "Error: B"},
			{"role": "assistant", "content": "(The turn was stopped before a reply.)"},
			{"role": "user", "content": "more"},
			{"role": "assistant", "content": "", "tool_calls": [{"id": "3ZsuIMCbA", "type": "function", "function": {"name": "Bash", "arguments": "{}"}}]},
			{"role": "tool", "tool_call_id": "3ZsuIMCbA", "content": "The user did not allow this tool use. No!"},
			{"role": "assistant", "content": "(The turn was stopped before a reply.)"},
			{"role": "user", "content": "again"},
			{"role": "assistant", "content": "", "tool_calls": [{"id": "27kDBAuNA", "type": "function", "function": {"name": "Read", "arguments": "{}"}}]},
			{"role": "tool", "tool_call_id": "27kDBAuNA", "content": "D"},
			{"role": "assistant", "content": "", "tool_calls": [{"id": "5rStFPypn", "type": "function", "function": {"name": "get", "arguments": "{}"}}]},
			{"role": "tool", "tool_call_id": "5rStFPypn", "content": "No result: the turn was stopped before the tool was done."},
			{"role": "assistant", "content": "(The turn was stopped before a reply.)"},
			{"role": "user", "content": "And now?"}
		]}`
	e := newEndpoint(t, chat)
	if _, err := e.runner(t, nil).Run(t.Context(), in, &turntest.Recorder{}); err == nil || !strings.Contains(err.Error(), `"get_weather"`) {
		t.Fatalf("error %v, want one about the tool that the agent does not have", err)
	}
	got := e.seen()[0]
	if got.path != "/v1/chat/completions" || got.authorization != "Bearer "+secret {
		t.Errorf("path %q, authorization %q", got.path, got.authorization)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(want), &body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(body, got.body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestRequestOptions(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-from-the-environment")
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/")
	e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) { stream(w, said("a"), finished("stop"), "[DONE]") })
	in := turntest.Input("hi")
	in.Agent.System, in.Agent.Tools = "", nil
	runner := e.runner(t, func(o *openai.Options) { o.APIKey, o.Model, o.BaseURL = "", "other", e.URL+"/" })
	if outcome, err := runner.Run(t.Context(), in, &turntest.Recorder{}); err != nil || outcome != turn.EndTurn {
		t.Fatalf("outcome %q with error %v", outcome, err)
	}
	got := e.seen()[0]
	if got.authorization != "" || got.path != "/chat/completions" || got.body["model"] != "other" {
		t.Errorf("request %+v", got)
	}
	if _, there := got.body["tools"]; there || len(got.body["messages"].([]any)) != 1 {
		t.Errorf("body %v, want no tools and one message", got.body)
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	type uses []string
	for name, c := range map[string]struct {
		events   []string
		outcome  turn.Outcome
		err      string
		messages string
		uses     uses
		usage    turn.Usage
	}{
		"text":          {events: []string{said("a"), said("b"), finished("stop"), "[DONE]"}, outcome: turn.EndTurn, messages: "ab"},
		"no done":       {events: []string{said("a"), finished("stop")}, outcome: turn.EndTurn, messages: "a"},
		"nothing":       {events: []string{finished("stop"), "[DONE]"}, err: "The model's reply was empty. Send the message again."},
		"refusal":       {events: []string{delta(`{"refusal":"I will not."}`), finished("stop")}, outcome: turn.EndTurn, messages: "I will not."},
		"length":        {events: []string{said("a"), finished("length"), used(1, 0, 2)}, outcome: turn.MaxTokens, messages: "a", usage: turn.Usage{InputTokens: 1, OutputTokens: 2}},
		"length, tools": {events: []string{called(0, "1", "get_weather", `{"ci`), finished("length")}, outcome: turn.MaxTokens},
		"filter":        {events: []string{said("a"), finished("content_filter")}, err: "The endpoint's content filter stopped the reply (content_filter).", messages: "a"},
		"several calls, mixed": {events: []string{
			called(0, "1", "get_weather", `{"n"`), called(1, "2", "get_weather", `{"m"`), called(0, "", "", `:1}`), called(1, "", "", `:2}`),
			finished("tool_calls"), "[DONE]",
		}, outcome: turn.RequiresAction, uses: uses{`{"n":1}`, `{"m":2}`}},
		"several calls, one index": {events: []string{
			called(0, "1", "get_weather", `{"n":1}`), called(0, "2", "get_weather", `{"n"`), called(0, "2", "", `:2}`), finished("tool_calls"),
		}, outcome: turn.RequiresAction, uses: uses{`{"n":1}`, `{"n":2}`}},
		"calls, said to stop": {events: []string{called(0, "1", "get_weather", ""), finished("stop")}, outcome: turn.RequiresAction, uses: uses{`{}`}},
		"unknown tool": {events: []string{called(0, "1", "get_weather", "{}"), called(1, "2", "rm", "{}"), finished("tool_calls")},
			err: `The model called the tool "rm", which the agent does not have`},
		"bad arguments":  {events: []string{called(0, "1", "get_weather", `{"a"`), finished("tool_calls")}, err: `The model called the tool "get_weather" with arguments that are not a JSON object`},
		"null arguments": {events: []string{called(0, "1", "get_weather", `null`), finished("tool_calls")}, err: `The model called the tool "get_weather" with arguments that are not a JSON object`},
		"other choice":   {events: []string{`{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"no"},"finish_reason":"stop"}]}`, finished("stop")}, outcome: turn.EndTurn, messages: "a"},
		"running usage": {events: []string{used(3, 0, 1), said("a"), used(3, 9, 2), finished("stop"), `{"choices":[]}`},
			outcome: turn.EndTurn, messages: "a", usage: turn.Usage{CacheReadInputTokens: 3, OutputTokens: 2}},
		"cut":           {events: []string{said("a"), used(1, 0, 1)}, err: "The model's reply ended early. Send the message again.", messages: "a", usage: turn.Usage{InputTokens: 1, OutputTokens: 1}},
		"cut, but done": {events: []string{said("a"), "[DONE]"}, err: "The model's reply ended early. Send the message again.", messages: "a"},
		"error within": {events: []string{said("a"), `{"error":{"message":"overloaded, ` + secret + `","code":503}}`},
			err: "the model endpoint broke off its response: overloaded, [key]", messages: "a"},
		"not JSON":  {events: []string{"nonsense"}, err: "the model endpoint broke off its response: nonsense"},
		"half JSON": {events: []string{said("a"), `{"choices":[{"delta":{"content":"b`}, err: "The model endpoint sent an event that is not JSON.", messages: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) { stream(w, c.events...) })
			var rec turntest.Recorder
			outcome, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &rec)
			if outcome != c.outcome || (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("outcome %q with error %v, want %q with %q", outcome, err, c.outcome, c.err)
			}
			if got := strings.Join(rec.Messages(), "|"); got != c.messages {
				t.Errorf("messages %q, want %q", got, c.messages)
			}
			var inputs uses
			for _, call := range rec.Calls() {
				if call.Method == turntest.UseCustomTool {
					inputs = append(inputs, call.Input)
				}
			}
			if diff := cmp.Diff(c.uses, inputs); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
			if got := rec.Usage(); got != c.usage {
				t.Errorf("usage %+v, want %+v", got, c.usage)
			}
		})
	}
}

func TestManyCalls(t *testing.T) {
	t.Parallel()
	var events []string
	for i := range 129 {
		events = append(events, called(i, fmt.Sprint(i), "get_weather", ""))
	}
	e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) { stream(w, events...) })
	_, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &turntest.Recorder{})
	if err == nil || err.Error() != "The model made more than 128 tool calls in one reply." {
		t.Errorf("error %v", err)
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, chat)
	in := turntest.Input("hi")
	in.Entries = append(in.Entries,
		turn.Entry{Kind: turn.CustomToolUse, ID: "a", Name: "get_weather"},
		turn.Entry{Kind: turn.CustomToolUse, ID: "b", Name: "get_weather"},
		turn.Entry{Kind: turn.CustomToolResult, UseID: "b"})
	var rec turntest.Recorder
	outcome, err := e.runner(t, nil).Run(t.Context(), in, &rec)
	if err != nil || outcome != turn.RequiresAction || len(rec.Calls()) > 0 || len(e.seen()) > 0 {
		t.Errorf("outcome %q, error %v, calls %v, %d requests", outcome, err, rec.Calls(), len(e.seen()))
	}
}

func TestNewErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options openai.Options
		want    string
	}{
		"no URL":   {openai.Options{}, "openai: BaseURL must begin with http:// or https:// and a host"},
		"scheme":   {openai.Options{BaseURL: "ftp://a"}, "openai: BaseURL must begin with http:// or https:// and a host"},
		"host":     {openai.Options{BaseURL: "http:///v1"}, "openai: BaseURL must begin with http:// or https:// and a host"},
		"broken":   {openai.Options{BaseURL: "http://u:p@a:b/\x00"}, "openai: BaseURL is not a URL"},
		"user":     {openai.Options{BaseURL: "http://u:p@a/"}, "openai: BaseURL must not have a user, a query or a fragment"},
		"query":    {openai.Options{BaseURL: "http://a/?key=b"}, "openai: BaseURL must not have a user, a query or a fragment"},
		"negative": {openai.Options{BaseURL: "http://a", MaxRetries: -1}, "openai: MaxRetries must be 0 to 10, not -1"},
		"many":     {openai.Options{BaseURL: "http://a", MaxRetries: 11}, "openai: MaxRetries must be 0 to 10, not 11"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := openai.New(c.options); err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
