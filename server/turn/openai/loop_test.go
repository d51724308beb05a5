package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// tool is a tool of the server that counts its runs.
func tool(name string, runs *[]string, change func(*turn.Tool)) turn.Tool {
	t := turn.Tool{Name: name, Description: "Does " + name + ".", Run: func(_ context.Context, input json.RawMessage) (turn.Output, error) {
		*runs = append(*runs, name+" "+string(input))
		return turn.Output{Text: "result of " + name}, nil
	}}
	if change != nil {
		change(&t)
	}
	return t
}

// roles returns the messages of a request without its system text, each as its role and what it says.
func (r received) roles() (list []string) {
	messages, _ := r.body["messages"].([]any)
	for _, m := range messages {
		message, _ := m.(map[string]any)
		line := fmt.Sprint(message["role"], " ", message["content"])
		calls, _ := message["tool_calls"].([]any)
		for _, c := range calls {
			function, _ := c.(map[string]any)["function"].(map[string]any)
			line += fmt.Sprint(" ", function["name"], function["arguments"])
		}
		if message["role"] != "system" {
			list = append(list, line)
		}
	}
	return list
}

// TestTheServersToolsAreRun lets a model use two tools at once and one more after their results.
func TestTheServersToolsAreRun(t *testing.T) {
	t.Parallel()
	var runs []string
	e := newEndpoint(t, func(n int, w http.ResponseWriter, _ received) {
		switch n {
		case 0:
			stream(w, said("Let me see."), called(0, "c1", "read", `{"n":1}`), called(1, "c2", "t_library__find_book_a105c47c", `{}`), finished("tool_calls"), used(10, 0, 1))
		case 1:
			stream(w, called(0, "c3", "read", `{"n":2}`), finished("tool_calls"), used(20, 0, 2))
		default:
			stream(w, said("Done."), finished("stop"), used(30, 0, 3))
		}
	})
	in := turntest.Input("Hi")
	in.Toolboxes = []turn.Toolbox{
		{System: "There are files.", Tools: []turn.Tool{tool("read", &runs, nil)}}, {},
		{System: "There are books.", Tools: []turn.Tool{tool("find.book", &runs, func(t *turn.Tool) { t.MCPServer = "library" })}},
	}
	var rec turntest.Recorder
	outcome, err := e.runner(t, nil).Run(t.Context(), in, &rec)
	if err != nil || outcome != turn.EndTurn {
		t.Fatalf("%q, %v", outcome, err)
	}
	if diff := cmp.Diff([]string{`read {"n":1}`, `find.book {}`, `read {"n":2}`}, runs); diff != "" {
		t.Error(diff)
	}
	var methods []string
	for _, c := range rec.Calls() {
		if c.Method != turntest.Keep {
			methods = append(methods, strings.TrimSpace(fmt.Sprint(c.Method, " ", c.Server, c.Name, c.Text)))
		}
	}
	want := []string{
		"Thinking", "Say Let me see.", "Spend", "EndMessage", "UseTool read", "UseMCPTool libraryfind.book", "EndRequest",
		"ToolResult result of read", "MCPToolResult result of find.book", "BeginRequest",
		"Thinking", "Spend", "EndMessage", "UseTool read", "EndRequest", "ToolResult result of read", "BeginRequest",
		"Thinking", "Say Done.", "Spend", "EndMessage",
	}
	if diff := cmp.Diff(want, methods); diff != "" {
		t.Error(diff)
	}
	last := e.seen()[2]
	want = []string{
		"user Hi", `assistant Let me see. read{"n":1} t_library__find_book_a105c47c{}`, "tool result of read", "tool result of find.book",
		`assistant  read{"n":2}`, "tool result of read",
	}
	if diff := cmp.Diff(want, last.roles()); diff != "" {
		t.Error(diff)
	}
	system := last.body["messages"].([]any)[0].(map[string]any)["content"]
	if system != "Be brief.\n\nThere are files.\n\nThere are books." {
		t.Errorf("system text %q", system)
	}
	if n := len(last.body["tools"].([]any)); n != 3 {
		t.Errorf("%d tools are offered", n)
	}
}

// TestUsesThatWait lets a model use tools of which one runs, one needs a confirmation and one is the caller's.
func TestUsesThatWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settle turntest.Settle
		runs   []string
		result string
	}{
		"allowed": {turntest.Allow, []string{"read {}", "erase {}"}, "tool result of erase"},
		"denied":  {turntest.Deny, []string{"read {}"}, "tool The user did not allow this tool use. not erase"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var runs []string
			e := newEndpoint(t, func(n int, w http.ResponseWriter, _ received) {
				if n == 0 {
					stream(w, called(0, "c1", "erase", `{}`), called(1, "c2", "get_weather", `{}`), called(2, "c3", "read", `{}`), finished("tool_calls"))
				} else {
					stream(w, said("Done."), finished("stop"))
				}
			})
			in := turntest.Input("Hi")
			in.Toolboxes = []turn.Toolbox{{Tools: []turn.Tool{tool("read", &runs, nil), tool("erase", &runs, func(t *turn.Tool) { t.Ask = true })}}}
			var rec turntest.Recorder
			outcome, err := turntest.Play(t.Context(), e.runner(t, nil), in, &rec, c.settle)
			if err != nil || outcome != turn.EndTurn || len(e.seen()) != 2 {
				t.Fatalf("%q, %v, %d requests", outcome, err, len(e.seen()))
			}
			if diff := cmp.Diff(c.runs, runs); diff != "" {
				t.Error(diff)
			}
			if got := e.seen()[1].roles()[2]; got != c.result {
				t.Errorf("%q, want %q", got, c.result)
			}
		})
	}
}

// TestAfterACrash continues turns whose process died between a use and its result.
func TestAfterACrash(t *testing.T) {
	t.Parallel()
	use := func(id, name string) turn.Entry {
		return turn.Entry{Kind: turn.ToolUse, ID: id, Name: name, Input: json.RawMessage(`{}`)}
	}
	const nobodyKnows = "failed: The server was restarted while the tool was running. Nobody knows whether it has done its work."
	for name, c := range map[string]struct {
		uses        []turn.Entry
		rescheduled bool
		runs        []string
		results     []string
	}{
		"it only reads":                {[]turn.Entry{use("a", "read")}, true, []string{"read {}"}, []string{"result of read"}},
		"it changes something":         {[]turn.Entry{use("a", "write")}, true, nil, []string{nobodyKnows}},
		"no crash":                     {[]turn.Entry{use("a", "write")}, false, []string{"write {}"}, []string{"result of write"}},
		"only the first was running":   {[]turn.Entry{use("a", "write"), use("b", "write")}, true, []string{"write {}"}, []string{nobodyKnows, "result of write"}},
		"the first was done":           {[]turn.Entry{use("a", "write"), {Kind: turn.ToolResult, UseID: "a"}, use("b", "write")}, true, nil, []string{nobodyKnows}},
		"a tool that is not there now": {[]turn.Entry{use("a", "gone"), use("b", "read")}, false, []string{"read {}"}, []string{"failed: The tool is not available now.", "result of read"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var runs, results []string
			e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) { stream(w, said("Done."), finished("stop")) })
			in := turntest.Input("Hi")
			in.Entries, in.Rescheduled = append(in.Entries, c.uses...), c.rescheduled
			in.Toolboxes = []turn.Toolbox{{Tools: []turn.Tool{
				tool("read", &runs, func(t *turn.Tool) { t.Repeatable = true }), tool("write", &runs, nil),
			}}}
			var rec turntest.Recorder
			if outcome, err := e.runner(t, nil).Run(t.Context(), in, &rec); err != nil || outcome != turn.EndTurn {
				t.Fatalf("%q, %v", outcome, err)
			}
			for _, c := range rec.Calls() {
				if c.Method == turntest.ToolResult {
					results = append(results, map[bool]string{true: "failed: "}[c.Failed]+c.Text)
				}
			}
			if diff := cmp.Diff(c.runs, runs); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.results, results); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNamesOfTools offers tools whose names are taken, and more than endpoints accept.
func TestNamesOfTools(t *testing.T) {
	t.Parallel()
	var runs []string
	e := newEndpoint(t, func(_ int, w http.ResponseWriter, _ received) { stream(w, said("Done."), finished("stop")) })
	in := turntest.Input("Hi")
	box := turn.Toolbox{Tools: []turn.Tool{tool("get_weather", &runs, nil), tool("get_weather", &runs, func(t *turn.Tool) { t.MCPServer = "library" })}}
	for i := range 130 {
		box.Tools = append(box.Tools, tool(fmt.Sprintf("t%d", i), &runs, nil))
	}
	in.Toolboxes = []turn.Toolbox{box}
	var rec turntest.Recorder
	if _, err := e.runner(t, nil).Run(t.Context(), in, &rec); err != nil {
		t.Fatal(err)
	}
	var problems []string
	for _, c := range rec.Calls() {
		if c.Method == turntest.Problem {
			problems = append(problems, c.Text)
		}
	}
	want := []string{`The tool "get_weather" is left out, since the agent has another tool of that name.`, "4 tools are left out, since a turn has at most 128."}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
	tools, _ := e.seen()[0].body["tools"].([]any)
	first, _ := tools[0].(map[string]any)["function"].(map[string]any)
	if len(tools) != 128 || first["description"] != "The weather of a city." {
		t.Errorf("%d tools, the first is %v", len(tools), first)
	}
}

// TestRequestsOfATurnAreBounded lets a model use a tool again and again, in a turn that goes on after a run which asked 190 times.
func TestRequestsOfATurnAreBounded(t *testing.T) {
	t.Parallel()
	var runs []string
	e := newEndpoint(t, func(n int, w http.ResponseWriter, _ received) {
		stream(w, called(0, fmt.Sprint("c", n), "read", `{}`), finished("tool_calls"))
	})
	in := turntest.Input("Hi")
	in.Toolboxes = []turn.Toolbox{{Tools: []turn.Tool{tool("read", &runs, nil)}}}
	for n := range 190 {
		id := fmt.Sprint("use", n)
		in.Entries = append(in.Entries, turn.Entry{Kind: turn.ToolUse, ID: id, Name: "read"}, turn.Entry{Kind: turn.ToolResult, UseID: id, Text: "a"})
	}
	_, err := e.runner(t, nil).Run(t.Context(), in, &turntest.Recorder{})
	var failure *turn.Failure
	if !errors.As(err, &failure) || !strings.HasPrefix(failure.Message, "The agent asked its model 200 times in one turn") || len(e.seen()) != 10 || len(runs) != 10 {
		t.Errorf("%v after %d requests and %d runs", err, len(e.seen()), len(runs))
	}
}
