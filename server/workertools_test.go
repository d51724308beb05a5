package server_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/turn"
)

// workerScript uses the tools that a worker runs.
const workerScript = `
rules:
  - match: {text: list}
    steps:
      - use: {tool: bash, input: {command: ls}}
      - say: "It says: {{result}}"
  - match: {text: erase}
    steps:
      - use: {tool: write, input: {file_path: a, content: ""}, denied: [say: "Not done: {{result}}"]}
      - say: "It says: {{result}}"
  - steps: [say: ok]
`

// workerSession creates a session in a self-hosted environment, whose agent asks before it writes.
func (h *harness) workerSession() (path string) {
	h.t.Helper()
	environment := h.mustCreate("/environments", `{"name":"own","config":{"type":"self_hosted"}}`)
	agent := h.mustCreate("/agents", `{"name":"a","model":"ultimate","tools":[{"type":"agent_toolset_20260401","configs":[{"name":"Write","permission_policy":"always_ask"}]}]}`)
	return "/sessions/" + h.mustCreate("/sessions", fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, agent, environment))
}

// toolResult is a worker's request with a result.
func toolResult(use, content string) string {
	return fmt.Sprintf(`{"events":[{"type":"user.tool_result","tool_use_id":%q,"is_error":false,"content":%s}]}`, use, content)
}

// useIn returns the id of the last event of a type.
func useIn(t *testing.T, frames []frame, kind string) string {
	t.Helper()
	for _, f := range slices.Backward(frames) {
		if f.Event == kind {
			return f.ID
		}
	}
	t.Fatalf("no %s in %v", kind, events(frames))
	return ""
}

// TestAWorkersResult lets a worker run a tool: the turn waits for it, and continues with what it printed.
func TestAWorkersResult(t *testing.T) {
	h := start(t, scripted(t, workerScript))
	path := h.workerSession()
	live := h.stream(path, "", nil)
	h.say(path, "list")
	asked := live.until("session.status_idle")
	use := useIn(t, asked, "agent.tool_use")
	reason := asked[len(asked)-1].Data["stop_reason"]
	if diff := cmp.Diff(map[string]any{"type": "requires_action", "event_ids": []any{use}}, reason); diff != "" {
		t.Error(diff)
	}
	body := toolResult(use, `[{"type":"text","text":""},{"type":"text","text":"a\u0000b\n\n"}]`)
	first := h.post(path+"/events", body)
	if first.status != 200 {
		t.Fatalf("%d %s", first.status, first.body)
	}
	want := []string{
		"user.tool_result", "agent.tool_result", "session.status_running", "span.model_request_start", `agent.message "It says: ab\n\n"`,
		"span.model_request_end", "session.status_idle end_turn",
	}
	if diff := cmp.Diff(want, events(live.until("session.status_idle"))); diff != "" {
		t.Error(diff)
	}
	// The same again, and another one: the first counts.
	for _, body := range []string{body, toolResult(use, `"other"`)} {
		if again := h.post(path+"/events", body); again.status != 200 || string(again.body) != string(first.body) {
			t.Errorf("%d %s, want %s", again.status, again.body, first.body)
		}
	}
	if got := len(h.events(path)); got != len(asked)+len(want) {
		t.Errorf("%d events", got)
	}
	for id, param := range map[string]string{
		"evt_1": "events[0].tool_use_id", useIn(t, asked, "user.message"): "events[0].tool_use_id",
	} {
		h.expectRefusal(t, request{method: "POST", path: path + "/events", body: toolResult(id, `""`)},
			badRequest(param, "'tool_use_id' is not the id of an agent.tool_use that waits for a user.tool_result."))
	}
	expect(t, h.get(path+"/events?limit=1000&order=asc"), 200, nil)
}

// TestAConfirmedWorkersResult confirms and denies a tool that a worker runs.
func TestAConfirmedWorkersResult(t *testing.T) {
	h := start(t, scripted(t, workerScript))
	path := h.workerSession()
	live := h.stream(path, "", nil)
	decide := func(use, result string) {
		expect(t, h.post(path+"/events", fmt.Sprintf(`{"events":[{"type":"user.tool_confirmation","tool_use_id":%q,"result":%q}]}`, use, result)), 200, nil)
	}
	h.say(path, "erase")
	use := useIn(t, live.until("session.status_idle"), "agent.tool_use")
	h.expectRefusal(t, request{method: "POST", path: path + "/events", body: toolResult(use, `"x"`)}, // it may not run yet
		badRequest("events[0].tool_use_id", "'tool_use_id' is not the id of an agent.tool_use that waits for a user.tool_result."))
	decide(use, "allow")
	expect(t, h.post(path+"/events", toolResult(use, `"wrote"`)), 200, nil)
	want := []string{
		"user.tool_confirmation", "user.tool_result", "agent.tool_result", "session.status_running", "span.model_request_start",
		`agent.message "It says: wrote"`, "span.model_request_end", "session.status_idle end_turn",
	}
	if diff := cmp.Diff(want, events(live.until("session.status_idle"))); diff != "" {
		t.Error(diff)
	}
	h.say(path, "erase")
	decide(useIn(t, live.until("session.status_idle"), "agent.tool_use"), "deny")
	want = []string{
		"user.tool_confirmation", "user.tool_result", "agent.tool_result", "session.status_running", "span.model_request_start",
		`agent.message "Not done: The user did not allow this tool use."`, "span.model_request_end", "session.status_idle end_turn",
	}
	if diff := cmp.Diff(want, events(live.until("session.status_idle"))); diff != "" {
		t.Error(diff)
	}
}

// TestAnEarlyResult sends the results of two tools before the turn has stopped for them.
func TestAnEarlyResult(t *testing.T) {
	stored, answered := make(chan string, 2), make(chan struct{})
	h := start(t, withRunner(answering(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
		tools, _, err := in.Tools(ctx)
		if err != nil {
			return "", err
		}
		if len(in.Entries) == 1 {
			for _, name := range []string{"bash", "read"} {
				use, err := tools.Named(name).Use(ctx, nil, out)
				if err != nil {
					return "", err
				}
				stored <- use.ID
			}
			out.Spend(turn.Usage{InputTokens: 3})
			<-answered
			return turn.RequiresAction, nil
		}
		out.Spend(turn.Usage{InputTokens: 4})
		return turn.EndTurn, out.Say(ctx, fmt.Sprint(len(in.Entries)))
	})))
	path := h.workerSession()
	live := h.stream(path, "", nil)
	h.say(path, "go")
	for _, use := range []string{<-stored, <-stored} {
		expect(t, h.post(path+"/events", toolResult(use, `"x"`)), 200, nil)
	}
	close(answered)
	all := live.until("session.status_idle")
	want := []string{
		"session.status_running", `user.message "go"`, "span.model_request_start", "agent.tool_use", "agent.tool_use",
		"user.tool_result", "agent.tool_result", "user.tool_result", "agent.tool_result",
		"span.model_request_end", "span.model_request_start", `agent.message "5"`, "span.model_request_end", "session.status_idle end_turn",
	}
	if diff := cmp.Diff(want, events(all)); diff != "" {
		t.Error(diff)
	}
	expect(t, h.get(path), 200, map[string]any{"usage.input_tokens": 7.0})
}

// TestWhatEndsAWaitingTurn interrupts a turn that waits for a worker, and sends another message: the uses have results, so
// that a worker stops waiting, and a late result changes nothing.
func TestWhatEndsAWaitingTurn(t *testing.T) {
	h := start(t, scripted(t, workerScript))
	path := h.workerSession()
	live := h.stream(path, "", nil)
	for event, want := range map[string][]string{
		`{"type":"user.interrupt"}`: {"user.interrupt", "user.tool_result", "agent.tool_result", "session.status_idle interrupted"},
		`{"type":"user.message","content":"never mind"}`: {"user.tool_result", "agent.tool_result", "session.status_running", `user.message "never mind"`,
			"span.model_request_start", `agent.message "ok"`, "span.model_request_end", "session.status_idle end_turn"},
	} {
		h.say(path, "list")
		use := useIn(t, live.until("session.status_idle"), "agent.tool_use")
		expect(t, h.post(path+"/events", `{"events":[`+event+`]}`), 200, nil)
		frames := live.until("session.status_idle")
		if diff := cmp.Diff(want, events(frames)); diff != "" {
			t.Error(diff)
		}
		late := h.post(path+"/events", toolResult(use, `"late"`))
		if late.status != 200 || !strings.Contains(string(late.body), `"is_error":true`) {
			t.Errorf("a late result: %d %s", late.status, late.body)
		}
	}
	var interrupted time.Time
	for _, f := range h.events(path) { // a worker compares the times of interrupts and uses
		at, err := time.Parse(time.RFC3339Nano, f.Data["processed_at"].(string))
		if err != nil || f.Event == "agent.tool_use" && !at.After(interrupted) {
			t.Errorf("%s has the time of an interrupt before it: %v", f.ID, err)
		}
		if f.Event == "user.interrupt" {
			interrupted = at
		}
	}
}

// TestWorkerToolsElsewhere starts a turn in an environment that is not self-hosted: the tools are not there, and no result
// of a worker is accepted.
func TestWorkerToolsElsewhere(t *testing.T) {
	var system atomic.Value
	h := start(t, withRunner(answering(func(ctx context.Context, in turn.Input, _ turn.Sink) (turn.Outcome, error) {
		tools, _, err := in.Tools(ctx)
		if len(tools) > 0 {
			t.Errorf("%d tools", len(tools))
		}
		system.Store(in.System())
		return turn.EndTurn, err
	})))
	h.agent = h.mustCreate("/agents", `{"name":"a","model":"ultimate","tools":[{"type":"agent_toolset_20260401","enabled_tools":["Bash","WebFetch"]}]}`)
	for range 2 {
		path := h.session()
		h.say(path, "go")
		h.settled(path)
		h.expectRefusal(t, request{method: "POST", path: path + "/events", body: toolResult("evt_1", `"x"`)},
			badRequest("events[0].type", "Only sessions of environments of the type self_hosted accept a user.tool_result."))
	}
	if system.Load() != "You cannot run commands or use files: the tools bash are not available in this session." {
		t.Errorf("system text %q", system.Load())
	}
	if n := strings.Count(h.log.String(), "built-in tools are not offered"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}
