package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/turn"
)

// hidden is what the runner of the test keeps, and what no caller may see.
const hidden = "kept-for-the-runner-alone"

// TestMemosAreHidden tests that what a runner keeps with messages and uses comes back to it, and reaches nobody else: no
// response, stream or log has it.
func TestMemosAreHidden(t *testing.T) {
	inputs := make(chan turn.Input, 10)
	h := start(t, withRunner(answering(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
		past, err := in.Past(ctx)
		if err != nil {
			return "", err
		}
		in.History = turn.InMemory(past)
		inputs <- in
		keep := func(n int) error { return out.Keep(ctx, json.RawMessage(fmt.Sprintf(`{"%s":%d}`, hidden, n))) }
		if len(in.Entries) > 1 {
			return turn.EndTurn, out.Say(ctx, "Done.")
		}
		if err := out.Say(ctx, "Let me look."); err != nil {
			return "", err
		}
		for n := range 3 { // with the message, with the first use, with nothing that is ever stored
			if err := keep(n); err != nil {
				return "", err
			}
			if n == 2 {
				break
			}
			if err := out.EndMessage(ctx); err != nil {
				return "", err
			}
			if n == 1 {
				for _, name := range []string{"first", "second"} {
					if _, err := out.UseCustomTool(ctx, name, json.RawMessage(`{}`)); err != nil {
						return "", err
					}
				}
			}
		}
		return turn.RequiresAction, nil
	})))
	path := h.session()
	s := h.stream(path, "?event_deltas[]=agent.message", nil)
	var seen strings.Builder
	read := func(until string) {
		for _, f := range s.until(until) {
			fmt.Fprintln(&seen, f)
		}
	}
	h.say(path, "Hi")
	read("session.status_idle")
	if in := <-inputs; in.Agent.MaxInputTokens != 1_000_000 {
		t.Errorf("the model's window is %d tokens", in.Agent.MaxInputTokens)
	}
	list := h.get(path + "/events?limit=100")
	var results []string
	for _, e := range list.field("data").([]any) {
		if event := e.(map[string]any); event["type"] == "agent.custom_tool_use" {
			results = append(results, fmt.Sprintf(`{"type":"user.custom_tool_result","custom_tool_use_id":%q,"content":"x"}`, event["id"]))
		}
	}
	expect(t, h.post(path+"/events", `{"events":[`+strings.Join(results, ",")+`]}`), 200, nil)
	read("session.status_idle")
	h.say(path, "Thanks")
	read("session.status_idle")

	second, third := <-inputs, <-inputs
	past, _ := third.Past(t.Context())
	for _, entries := range [][]turn.Entry{second.Entries, past} {
		var memos []string
		for _, e := range entries {
			if e.Kind == turn.AgentMessage && e.Text == "Let me look." || e.Kind == turn.CustomToolUse || len(e.Memo) > 0 {
				memos = append(memos, e.Name+string(e.Memo))
			}
		}
		want := []string{`{"` + hidden + `":0}`, `first{"` + hidden + `":1}`, "second"}
		if diff := cmp.Diff(want, memos); diff != "" {
			t.Errorf("memos (-want +got):\n%s", diff)
		}
	}
	for _, got := range []string{path, path + "/events?limit=100", "/sessions"} {
		fmt.Fprintln(&seen, string(h.get(got).body))
	}
	if all := seen.String() + h.log.String(); strings.Contains(all, hidden) || !strings.Contains(all, "Let me look.") {
		t.Errorf("a caller or the log sees a memo, or nothing at all:\n%s", all)
	}
}

// TestBadMemos tests that what is no memo fails the turn, and is not stored.
func TestBadMemos(t *testing.T) {
	for name, memo := range map[string]string{
		"long": `"` + strings.Repeat("x", turn.MaxMemo) + `"`, "cut": `{"a":`, "not UTF-8": "\"\xff\"",
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, withRunner(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
				return turn.EndTurn, out.Keep(ctx, json.RawMessage(memo))
			})))
			path := h.session()
			s := h.stream(path, "", nil)
			h.say(path, "Hi")
			frames := s.until("session.status_idle")
			if stop, _ := frames[len(frames)-1].Data["stop_reason"].(map[string]any); stop["type"] != "error" {
				t.Errorf("%v", frames)
			}
		})
	}
}
