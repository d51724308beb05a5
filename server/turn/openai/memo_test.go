package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/openai"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// TestMemoOrigin tests that what an endpoint wants back goes to that endpoint and model only.
func TestMemoOrigin(t *testing.T) {
	t.Parallel()
	var sent []string
	e := newEndpoint(t, func(n int, w http.ResponseWriter, r received) {
		sent = append(sent, string(encode(r.body["messages"])))
		if n == 0 {
			stream(w, delta(`{"reasoning_content":"secret thought","tool_calls":[{"index":0,"id":"call_mine","function":{"name":"get_weather","arguments":"{}"}}]}`), finished("tool_calls"))
			return
		}
		stream(w, said("a"), finished("stop"))
	})
	var rec turntest.Recorder
	in := turntest.Input("hi")
	if _, err := e.runner(t, nil).Run(t.Context(), in, &rec); err != nil {
		t.Fatal(err)
	}
	in.Entries = append(in.Entries, rec.Entries()...)
	in.Entries = append(in.Entries, turn.Entry{Kind: turn.CustomToolResult, UseID: rec.Entries()[0].ID, Text: "sunny"})
	for name, c := range map[string]struct {
		change func(o *openai.Options)
		want   bool
	}{
		"the same":         {nil, true},
		"another model":    {func(o *openai.Options) { o.Model = "other" }, false},
		"another endpoint": {func(o *openai.Options) { o.BaseURL = e.URL + "/v2" }, false},
		"not returned":     {func(o *openai.Options) { o.Compat = []string{"no-returned-fields", "derived-ids"} }, false},
	} {
		if _, err := e.runner(t, c.change).Run(t.Context(), in, &turntest.Recorder{}); err != nil {
			t.Fatal(err)
		}
		last := sent[len(sent)-1]
		if strings.Contains(last, "secret thought") != c.want || strings.Contains(last, "call_mine") != c.want {
			t.Errorf("%s: messages %s", name, last)
		}
	}
}

// TestLongMemo tests that what is too long to keep is left out, and the rest is kept.
func TestLongMemo(t *testing.T) {
	t.Parallel()
	for _, pieces := range []int{3, 40, 60} { // of 10 kB: few, more than a memo may have, more than are collected
		e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) {
			var events []string
			for range pieces {
				events = append(events, delta(fmt.Sprintf(`{"reasoning":%q}`, strings.Repeat("x", 10_000))))
			}
			stream(w, append(events, called(0, "a", "get_weather", "{}"), finished("tool_calls"))...)
		})
		var rec turntest.Recorder
		if _, err := e.runner(t, nil).Run(t.Context(), turntest.Input("hi"), &rec); err != nil {
			t.Fatal(err)
		}
		memo := rec.Entries()[0].Memo
		if kept := strings.Count(string(memo), "x"); (kept == pieces*10_000) != (pieces == 3) || kept > 0 && pieces > 3 || !strings.Contains(string(memo), `"id":"a"`) {
			t.Errorf("%d pieces: %d bytes are kept in %.100s", pieces, kept, memo)
		}
	}
}

// TestTools tests the form in which tools are offered: names and schemas that strict endpoints accept, and which lead back
// to the agent's tool.
func TestTools(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long-name-", 12)
	in := turntest.Input("hi")
	in.Agent.Tools = json.RawMessage(`[{"type":"custom","name":"` + long + `","input_schema":{"$defs":{"a":{"type":"array"}},
		"properties":{"items":{"type":"array"},"tuple":{"type":"array","prefixItems":[{"type":"array"}]},"any":{"anyOf":[{"type":"array"},{"type":"null"}]},"title":{"type":"string"}}}},
		{"type":"custom","name":"1st","input_schema":{"type":"string"}}]`)
	var name string
	e := newEndpoint(t, func(_ int, w http.ResponseWriter, r received) {
		first, _ := r.body["tools"].([]any)[0].(map[string]any)["function"].(map[string]any)
		name, _ = first["name"].(string)
		stream(w, called(0, "a", name, "{}"), finished("tool_calls"))
	})
	var rec turntest.Recorder
	if _, err := e.runner(t, nil).Run(t.Context(), in, &rec); err != nil {
		t.Fatal(err)
	}
	if use := rec.Entries()[0]; use.Name != long || !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`).MatchString(name) {
		t.Errorf("the tool is used as %q and offered as %q", use.Name, name)
	}
	var parameters []string
	for _, tool := range e.seen()[0].body["tools"].([]any) {
		function := tool.(map[string]any)["function"].(map[string]any)
		parameters = append(parameters, string(encode(function["parameters"])))
	}
	want := `{"$defs":{"a":{"items":{},"type":"array"}},"properties":{"any":{"anyOf":[{"items":{},"type":"array"},{"type":"null"}]},` +
		`"items":{"items":{},"type":"array"},"title":{"type":"string"},"tuple":{"prefixItems":[{"items":{},"type":"array"}],"type":"array"}},"type":"object"}` +
		"\n" + `{"properties":{},"type":"object"}`
	if got := strings.Join(parameters, "\n"); got != want {
		t.Errorf("parameters\n%s, want\n%s", got, want)
	}
}

// TestCompat tests that what an operator names is changed from the first request on.
func TestCompat(t *testing.T) {
	t.Parallel()
	if _, err := openai.New(openai.Options{BaseURL: "http://a", Compat: []string{"magic"}}); err == nil ||
		!strings.HasPrefix(err.Error(), `openai: Compat: unknown name "magic"; use no-stream-options, no-stream, `) {
		t.Errorf("error %v", err)
	}
	in := turntest.Input("now")
	in.Agent.Tools = json.RawMessage(`[{"type":"custom","name":"bare","input_schema":{}}]`)
	in.History = turn.InMemory([]turn.Entry{{Kind: turn.UserMessage, Text: "a"}, {Kind: turn.CustomToolUse, ID: "b", Name: "bare"}})
	for name, want := range map[string]string{
		"":                    `"content":"","role":"assistant","tool_calls"`,
		"no-stream-options":   `"stream":true,"tools"`,
		"no-stream":           `"model":"test","tools"`,
		"system-as-user":      `"content":"Be brief.\n\na","role":"user"`,
		"no-returned-fields":  `"content":"","role":"assistant","tool_calls"`,
		"derived-ids":         `"id":"5kLOhMcMK"`,
		"no-empty-parameters": `"function":{"name":"bare"}`,
		"calls-as-text":       `"content":"[Called the tool bare with {}]"`,
		"content-omitted":     `{"role":"assistant","tool_calls"`,
		"content-null":        `"content":null,"role":"assistant","tool_calls"`,
	} {
		e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) { stream(w, said("a"), finished("stop")) })
		runner := e.runner(t, func(o *openai.Options) {
			if name != "" {
				o.Compat = []string{name}
			}
		})
		if _, err := runner.Run(t.Context(), in, &turntest.Recorder{}); err != nil {
			t.Fatal(err)
		}
		if got := string(encode(e.seen()[0].body)); !strings.Contains(got, want) {
			t.Errorf("%s: request %s, want %s", name, got, want)
		}
	}
	for _, name := range openai.CompatNames() {
		if _, err := openai.New(openai.Options{BaseURL: "http://a", Compat: []string{name}}); err != nil {
			t.Error(err)
		}
	}
}
