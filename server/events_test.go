package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/turn"
)

var echoedTurn = []string{
	"session.status_running", `user.message "Hi there"`, "span.model_request_start", "agent.thinking",
	`agent.message "You said: Hi there"`, "span.model_request_end", "session.status_idle end_turn",
}

func TestATurn(t *testing.T) {
	h := start(t)
	path := h.session()
	live := h.stream(path, "", nil)
	h.say(path, "Hi there")
	frames := live.until("session.status_idle")
	if diff := cmp.Diff(echoedTurn, events(frames)); diff != "" {
		t.Errorf("live: %s", diff)
	}
	if diff := cmp.Diff(frames, h.events(path)); diff != "" {
		t.Errorf("the log is not what was streamed: %s", diff)
	}
	turn := frames[0].Data["turn_id"]
	for i, f := range frames {
		if f.Data["turn_id"] != turn || f.Data["session_id"] != strings.TrimPrefix(path, "/sessions/") || f.Data["schema_version"] != "1.0" || f.Data["id"] != f.ID {
			t.Errorf("%v", f)
		}
		if slices.Contains(ids(frames[:i]), f.ID) {
			t.Errorf("%s is there twice", f.ID)
		}
	}
	expect(t, h.get(path), 200, map[string]any{"status": "idle"})
	usage := h.get(path).field("usage").(map[string]any)
	if usage["input_tokens"] != 2.0 || usage["output_tokens"] != 4.0 || usage["total_credits"] != 0.06 {
		t.Errorf("usage: %v", usage)
	}

	h.say(path, "again")
	h.settled(path)
	if got := h.get(path).field("usage", "output_tokens"); got != 7.0 {
		t.Errorf("the usage of two turns: %v", got)
	}
	for query, want := range map[string][]string{
		"?types[]=agent.message&types[]=no.such":                                                     {`agent.message "You said: Hi there"`, `agent.message "You said: again"`},
		"?types[]=agent.message&order=desc&limit=1":                                                  {`agent.message "You said: again"`},
		"?limit=1&after_id=" + frames[0].ID:                                                          {`user.message "Hi there"`},
		"?limit=1&order=desc&before_id=" + frames[0].ID:                                              {`user.message "Hi there"`},
		"?before_id=" + frames[1].ID:                                                                 {"session.status_running"},
		"?created_at%5Bgt%5D=2100-01-01T00:00:00Z":                                                   nil,
		"?created_at%5Blt%5D=2000-01-01T00:00:00Z":                                                   nil,
		"?created_at%5Bgte%5D=2026-11-24T10:00:00Z&created_at%5Blte%5D=2026-11-24T10:00:00Z&limit=1": {"session.status_running"},
	} {
		got := h.get(path + "/events" + query)
		var list []frame
		for _, e := range got.field("data").([]any) {
			data := e.(map[string]any)
			list = append(list, frame{Event: data["type"].(string), Data: data})
		}
		if diff := cmp.Diff(want, events(list)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

// TestAStreamResumesAnywhere reads a log from after each of its events, with either form of the cursor.
func TestAStreamResumesAnywhere(t *testing.T) {
	h := start(t)
	path := h.session()
	for range 40 { // longer than the part of a log that is kept in memory
		h.say(path, "Hi there")
		h.settled(path)
	}
	all := h.events(path)
	for at := range all {
		query, header := "?after_id="+all[at].ID, map[string]string(nil)
		if at%2 == 1 { // the header wins
			query, header = "?after_id="+all[0].ID, map[string]string{"Last-Event-ID": all[at].ID}
		}
		s := h.stream(path, query, header)
		for _, want := range all[at+1:] {
			f, ok := s.next()
			if !ok || !cmp.Equal(want, f) {
				t.Fatalf("after %d: %v, %v, want %v", at, f, ok, want)
			}
			if at%20 != 0 {
				break // the rest is the same
			}
		}
		s.close()
	}
	h.expectRefusal(t, request{method: "GET", path: path + "/events/stream?after_id=evt_unknown"}, badRequest("after_id", "'after_id' is not the id of an event of this session."))
	other := h.session()
	h.expectRefusal(t, request{method: "GET", path: other + "/events/stream", header: map[string]string{"Last-Event-ID": all[3].ID}},
		badRequest("Last-Event-ID", "'Last-Event-ID' is not the id of an event of this session."))
	h.expectRefusal(t, request{method: "GET", path: other + "/events?after_id=" + all[3].ID}, badRequest("after_id", "Parameter 'after_id' is not the cursor of a record in this list."))
}

func TestDeltas(t *testing.T) {
	runner := newWaiting()
	h := start(t, withRunner(runner))
	path := h.session()
	early := h.stream(path, "?event_deltas[]=agent.message&event_deltas[]=agent.thinking", nil)
	plain := h.stream(path, "", nil)
	h.say(path, "Hi")
	<-runner.started
	late := h.stream(path, "?event_deltas[]=agent.message", nil) // in the middle of the message
	want := []string{
		"session.status_running", `user.message "Hi"`, "span.model_request_start", "event_start", "event_delta",
		`agent.message "Hold on."`, "span.model_request_end", "session.status_idle end_turn",
	}
	begun := late.until("event_delta")
	runner.goOn <- struct{}{}
	for name, frames := range map[string][]frame{
		"early": early.until("session.status_idle"), "late": append(begun, late.until("session.status_idle")...),
	} {
		if diff := cmp.Diff(want, events(frames)); diff != "" {
			t.Fatalf("%s: %s", name, diff)
		}
		start, delta, whole := frames[3], frames[4], frames[5]
		if start.ID != "" || delta.ID != "" || start.Data["event"].(map[string]any)["id"] != whole.ID || delta.Data["event_id"] != whole.ID {
			t.Errorf("%s: %v %v %v", name, start, delta, whole)
		}
		if text := delta.Data["delta"].(map[string]any)["content"].(map[string]any)["text"]; text != "Hold on." {
			t.Errorf("%s: %q", name, text)
		}
	}
	for _, f := range append(plain.until("session.status_idle"), h.events(path)...) {
		if strings.HasPrefix(f.Event, "event_") {
			t.Errorf("%s without being asked for", f.Event)
		}
	}
}

// TestDeltasJoinToTheMessage makes messages faster than a reader is woken.
func TestDeltasJoinToTheMessage(t *testing.T) {
	h := start(t, scripted(t, `rules: [{steps: [say: [One, " two", " three."], say: Four., say: ["Fünf", " 六"]]}]`))
	path := h.session()
	s := h.stream(path, "?event_deltas[]=agent.message", nil)
	for range 20 {
		h.say(path, "go")
		texts := map[string]string{}
		messages := 0
		for _, f := range s.until("session.status_idle") {
			switch f.Event {
			case "event_start":
				texts[f.Data["event"].(map[string]any)["id"].(string)] = ""
			case "event_delta":
				id := f.Data["event_id"].(string)
				if _, begun := texts[id]; !begun {
					t.Fatalf("a delta of %s, which was not begun", id)
				}
				texts[id] += f.Data["delta"].(map[string]any)["content"].(map[string]any)["text"].(string)
			case "agent.message":
				messages++
				whole := f.Data["content"].([]any)[0].(map[string]any)["text"]
				if text, begun := texts[f.ID]; begun && text != whole {
					t.Fatalf("%q is not %q", text, whole)
				}
			}
		}
		if messages != 3 {
			t.Fatalf("%d messages", messages)
		}
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	h := start(t)
	path := h.session() + "/events"
	message := `{"type":"user.message","content":"Hi"}`
	for body, want := range map[string]refusal{
		`{}`:              badRequest("events", "Missing required field: events"),
		message:           badRequest("events", "Missing required field: events"),
		`{"events":[]}`:   badRequest("events", "Field 'events' must be an array of 1 to 50 items."),
		`{"events":[{}]}`: badRequest("events[0]", "Field 'events[0]' must be an object whose 'type' is one of 'user.custom_tool_result', 'user.define_outcome', 'user.interrupt', 'user.message', 'user.tool_confirmation', 'user.tool_result'."),
		`{"events":[{"type":"agent.message","content":"I"}]}`: badRequest("events[0]", "Field 'events[0]' must be an object whose 'type' is one of 'user.custom_tool_result', 'user.define_outcome', 'user.interrupt', 'user.message', 'user.tool_confirmation', 'user.tool_result'."),
		`{"events":[{"type":"user.message"}]}`:                badRequest("events[0].content", "Missing required field: events[0].content"),
		`{"events":[{"type":"user.message","content":[]}]}`:   badRequest("events[0].content", "Field 'events[0].content' must be an array of 1 to 100 items."),
		`{"events":[{"type":"user.message","content":""}]}`:   badRequest("events[0].content", "Field 'events[0].content' must be a string of 1 to 1000000 characters."),
		`{"events":[` + message + `,` + message + `]}`:        badRequest("events[1]", "Only one event of a request may start a turn; send this one once the turn has ended."),
		`{"events":[{"type":"user.define_outcome"}]}`:         badRequest("events[0].description", "An outcome has either 'description' or 'content'; send one of them."),
		`{"events":[` + message + `,{"type":"user.custom_tool_result","custom_tool_use_id":"evt_1"}]}`: badRequest("events[1].custom_tool_use_id",
			"'custom_tool_use_id' is not the id of an agent.custom_tool_use that waits for a user.custom_tool_result."),
		`{"events":[{"type":"user.tool_confirmation","tool_use_id":"evt_1","result":"allow"}]}`: badRequest("events[0].tool_use_id",
			"'tool_use_id' is not the id of an agent.tool_use or agent.mcp_tool_use that waits for a user.tool_confirmation."),
		`{"events":[{"type":"user.message","content":[` + strings.Repeat(`{"type":"text","text":"`+strings.Repeat("x", 100_000)+`"},`, 10) + `{"type":"text","text":"` + strings.Repeat("x", 100_000) + `"}]}]}`: badRequest("events[0]", "Field 'events[0]' must be at most 1048576 bytes of JSON."),
	} {
		h.expectRefusal(t, request{method: "POST", path: path, body: body}, want)
	}
	if got := h.events(strings.TrimSuffix(path, "/events")); len(got) != 0 {
		t.Errorf("stored: %v", events(got))
	}
}

func TestABusySession(t *testing.T) {
	runner := newWaiting()
	h := start(t, withRunner(runner))
	path := h.session()
	h.say(path, "Hi")
	<-runner.started
	h.expectRefusal(t, request{method: "POST", path: path + "/events", body: `{"events":[{"type":"user.interrupt"},{"type":"user.message","content":"again"}]}`},
		refusal{409, "invalid_request_error", "", "Session is currently processing a turn. Cancel the current turn or wait for completion."})
	busy := conflict("Session '"+strings.TrimPrefix(path, "/sessions/")+"' is processing a turn. Cancel it or wait for its end.", "")
	h.expectRefusal(t, request{method: "POST", path: path + "/archive"}, busy)
	h.expectRefusal(t, request{method: "DELETE", path: path}, busy)
	expect(t, h.post(path, `{"title":"while it works"}`), 200, map[string]any{"status": "processing", "title": "while it works"})
	for query, want := range map[string]int{"processing": 1, "idle": 0, "cancelled": 0} {
		if ids := h.get("/sessions?statuses[]=" + query).ids(); len(ids) != want {
			t.Errorf("%s: %s", query, ids)
		}
	}
	runner.goOn <- struct{}{}
	if status := h.settled(path); status != "idle" {
		t.Errorf("%s", status)
	}
}

func TestStoppingATurn(t *testing.T) {
	for how, want := range map[string]struct{ status, reason string }{
		"cancel":    {"cancelled", "cancelled"},
		"interrupt": {"idle", "interrupted"},
	} {
		t.Run(how, func(t *testing.T) {
			runner := newWaiting()
			h := start(t, withRunner(runner))
			path := h.session()
			expect(t, h.post(path+"/cancel", ""), 200, map[string]any{"status": "canceling"}) // nothing to stop
			h.say(path, "Hi")
			<-runner.started
			eventually(t, "the start is stored", func() bool {
				return slices.Contains(events(h.events(path)), "span.model_request_start")
			})
			tail := []string{`agent.message "Hold on."`, "span.model_request_end", "session.status_idle " + want.reason}
			if how == "cancel" {
				expect(t, h.post(path+"/cancel", ""), 202, map[string]any{"type": "session", "status": "canceling"})
			} else {
				expect(t, h.post(path+"/events", `{"events":[{"type":"user.interrupt"}]}`), 200, nil)
				tail = append([]string{"user.interrupt"}, tail...)
			}
			if status := h.settled(path); status != want.status {
				t.Errorf("%s", status)
			}
			got := events(h.events(path))
			if diff := cmp.Diff(tail, got[len(got)-len(tail):]); diff != "" {
				t.Errorf("%s", diff)
			}
			if got := h.get(path).field("usage", "input_tokens"); got != 3.0 {
				t.Errorf("what was spent until the stop: %v", got)
			}
			expect(t, h.get("/sessions?statuses[]="+want.status), 200, map[string]any{"first_id": strings.TrimPrefix(path, "/sessions/")})
			h.say(path, "Hi again")
			<-runner.started
			runner.goOn <- struct{}{}
			if status := h.settled(path); status != "idle" {
				t.Errorf("after the next turn: %s", status)
			}
		})
	}
}

const toolScript = `
rules:
  - match: {text: weather}
    steps:
      - say: Let me look.
      - custom_tool: {name: get_weather, input: {city: Oslo}}
      - say: "It is {{result}}."
  - match: {text: delete}
    steps:
      - tool: {name: Bash, input: {command: rm}, result: gone, ask: true, denied: [say: "Not done: {{result}}"]}
      - say: Done.
  - match: {text: fail}
    steps: [say: "Well", fail: The agent is out of ideas.]
  - match: {text: panic}
    steps: [panic: boom]
  - match: {text: long}
    steps: [say: "So", stop: max_tokens]
`

func TestCustomTools(t *testing.T) {
	h := start(t, scripted(t, toolScript))
	path := h.session()
	live := h.stream(path, "", nil)
	h.say(path, "weather")
	asked := live.until("session.status_idle")
	use := asked[len(asked)-3]
	if use.Event != "agent.custom_tool_use" || use.Data["name"] != "get_weather" {
		t.Fatalf("%v", events(asked))
	}
	reason := asked[len(asked)-1].Data["stop_reason"]
	if diff := cmp.Diff(map[string]any{"type": "requires_action", "event_ids": []any{use.ID}}, reason); diff != "" {
		t.Error(diff)
	}
	expect(t, h.get(path), 200, map[string]any{"status": "idle"})
	expect(t, h.post(path+"/events", fmt.Sprintf(`{"events":[{"type":"user.custom_tool_result","custom_tool_use_id":%q,"content":"rain"}]}`, use.ID)), 200, nil)
	rest := live.until("session.status_idle")
	want := []string{
		"user.custom_tool_result", "session.status_running", "span.model_request_start", `agent.message "It is rain."`,
		"span.model_request_end", "session.status_idle end_turn",
	}
	if diff := cmp.Diff(want, events(rest)); diff != "" {
		t.Error(diff)
	}
	if rest[0].Data["turn_id"] != asked[0].Data["turn_id"] {
		t.Error("the answer began another turn")
	}
	h.expectRefusal(t, request{method: "POST", path: path + "/events", body: fmt.Sprintf(`{"events":[{"type":"user.custom_tool_result","custom_tool_use_id":%q}]}`, use.ID)},
		badRequest("events[0].custom_tool_use_id", "'custom_tool_use_id' is not the id of an agent.custom_tool_use that waits for a user.custom_tool_result."))
}

func TestATurnWaitsForAllToolResults(t *testing.T) {
	var inputs []turn.Input
	h := start(t, withRunner(answering(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
		past, err := in.Past(ctx)
		if err != nil {
			return "", err
		}
		in.History = turn.InMemory(past)
		inputs = append(inputs, in)
		if len(in.Entries) > 1 {
			return turn.EndTurn, out.Say(ctx, "Both are here.")
		}
		for _, tool := range []string{"one", "two"} {
			if _, err := out.UseCustomTool(ctx, tool, json.RawMessage(`{}`)); err != nil {
				return "", err
			}
		}
		return turn.RequiresAction, nil
	})))
	path := h.session()
	live := h.stream(path, "", nil)
	h.say(path, "go")
	asked := live.until("session.status_idle")
	ids := asked[len(asked)-1].Data["stop_reason"].(map[string]any)["event_ids"].([]any)
	answer := func(id any) string {
		return fmt.Sprintf(`{"events":[{"type":"user.custom_tool_result","custom_tool_use_id":%q,"content":[{"type":"text","text":"r"}],"is_error":true}]}`, id)
	}
	expect(t, h.post(path+"/events", answer(ids[1])), 200, nil)
	expect(t, h.get(path), 200, map[string]any{"status": "idle"})
	expect(t, h.post(path+"/events", answer(ids[0])), 200, nil)
	live.until("session.status_idle")
	if len(inputs) != 2 {
		t.Fatalf("%d calls", len(inputs))
	}
	entries := inputs[1].Entries
	if len(entries) != 5 || entries[0].Text != "go" || entries[3].UseID != ids[1] || entries[4].UseID != ids[0] || !entries[4].Failed || entries[4].Text != "r" {
		t.Errorf("%+v", entries)
	}

	// A new message starts a turn, which ends the one that was waiting.
	h.say(path, "go")
	asked = live.until("session.status_idle")
	h.say(path, "never mind")
	live.until("session.status_idle")
	last := inputs[len(inputs)-1]
	if past, _ := last.Past(t.Context()); last.Message() != "never mind" || len(past) != 9 {
		t.Errorf("%+v", last)
	}
	late := asked[len(asked)-1].Data["stop_reason"].(map[string]any)["event_ids"].([]any)[0]
	if got := refusalOf(h.post(path+"/events", answer(late))); got.Status != 400 {
		t.Errorf("a late answer: %+v", got)
	}
	expect(t, h.post(path+"/events", `{"events":[{"type":"user.interrupt"}]}`), 200, nil) // the last one waits as well
	if got := refusalOf(h.post(path+"/events", answer(late))); got.Status != 400 {
		t.Errorf("after an interrupt: %+v", got)
	}
}

func TestConfirmations(t *testing.T) {
	h := start(t, scripted(t, toolScript))
	path := h.session()
	live := h.stream(path, "", nil)
	for answer, want := range map[string][]string{
		`"result":"allow"`:                           {"user.tool_confirmation", "session.status_running", "span.model_request_start", "agent.tool_result", `agent.message "Done."`, "span.model_request_end", "session.status_idle end_turn"},
		`"result":"deny","deny_message":"too risky"`: {"user.tool_confirmation", "agent.tool_result", "session.status_running", "span.model_request_start", `agent.message "Not done: too risky"`, "span.model_request_end", "session.status_idle end_turn"},
	} {
		h.say(path, "delete")
		asked := live.until("session.status_idle")
		use := asked[len(asked)-3]
		if use.Event != "agent.tool_use" || use.Data["evaluated_permission"] != "ask" {
			t.Fatalf("%v", events(asked))
		}
		expect(t, h.post(path+"/events", fmt.Sprintf(`{"events":[{"type":"user.tool_confirmation","tool_use_id":%q,%s}]}`, use.ID, answer)), 200, nil)
		if diff := cmp.Diff(want, events(live.until("session.status_idle"))); diff != "" {
			t.Errorf("%s: %s", answer, diff)
		}
	}
}

func TestTurnsThatFail(t *testing.T) {
	h := start(t, scripted(t, toolScript))
	path := h.session()
	live := h.stream(path, "", nil)
	for message, want := range map[string]struct {
		text   string
		events []string
	}{
		"fail":    {"The agent is out of ideas.", []string{`agent.message "Well"`, "session.error", "span.model_request_end", "session.status_idle error"}},
		"panic":   {"The agent failed. Send the message again.", []string{"session.error", "span.model_request_end", "session.status_idle error"}},
		"unknown": {`test.yaml: no rule fits the message "unknown" to the agent "a" (` + h.agent + `) with the model "ultimate"`, []string{"session.error", "span.model_request_end", "session.status_idle error"}},
		"long":    {"", []string{`agent.message "So"`, "span.model_request_end", "session.status_idle max_tokens"}},
	} {
		h.say(path, message)
		frames := live.until("session.status_idle")[3:]
		if diff := cmp.Diff(want.events, events(frames)); diff != "" {
			t.Errorf("%s: %s", message, diff)
		}
		for _, f := range frames {
			if detail, ok := f.Data["error"].(map[string]any); ok && (detail["message"] != want.text || detail["type"] != "api_error") {
				t.Errorf("%s: %v", message, detail)
			}
		}
	}
	if !strings.Contains(h.log.String(), "boom") {
		t.Error("the log does not have the panic")
	}
}

func TestARunnerThatDoesNotStop(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	started := make(chan struct{})
	h := start(t, withRunner(answering(func(context.Context, turn.Input, turn.Sink) (turn.Outcome, error) {
		close(started)
		<-release
		return turn.EndTurn, errors.New("too late")
	})), func(c *server.Config) { c.TurnPatience = time.Millisecond })
	path := h.session()
	h.say(path, "Hi")
	<-started
	expect(t, h.post(path+"/cancel", ""), 202, nil)
	if status := h.settled(path); status != "cancelled" {
		t.Error(status)
	}
}

func TestTooManyTurns(t *testing.T) {
	runner := newWaiting()
	h := start(t, withRunner(runner), func(c *server.Config) { c.MaxTurns, c.Workers = 2, 1 })
	paths := []string{h.session(), h.session(), h.session()}
	h.say(paths[0], "Hi")
	h.say(paths[1], "Hi") // queued
	got := h.post(paths[2]+"/events", `{"events":[{"type":"user.message","content":"Hi"}]}`)
	if refusalOf(got) != (refusal{429, "rate_limit_error", "", "The account has 2 turns under way already; wait for one to end and try again."}) || got.header.Get("Retry-After") != "1" {
		t.Errorf("%d %s %v", got.status, got.body, got.header)
	}
	expect(t, h.get(paths[2]), 200, map[string]any{"status": "idle"})
	if stored := h.events(paths[2]); len(stored) != 0 {
		t.Errorf("stored: %v", events(stored))
	}
	expect(t, h.post(paths[1]+"/cancel", ""), 202, nil) // while it is queued
	runner.goOn <- struct{}{}
	h.settled(paths[0])
	if status := h.settled(paths[1]); status != "cancelled" {
		t.Error(status)
	}
	if got := events(h.events(paths[1])); !cmp.Equal(got, []string{"session.status_running", `user.message "Hi"`, "session.status_idle cancelled"}) {
		t.Errorf("%v", got)
	}
	h.say(paths[2], "Hi")
	runner.goOn <- struct{}{}
	h.settled(paths[2])
}

func TestAnArchivedSessionAcceptsNoEvents(t *testing.T) {
	h := start(t)
	path := h.session()
	expect(t, h.post(path+"/archive", ""), 200, nil)
	want := conflict("Session '"+strings.TrimPrefix(path, "/sessions/")+"' is archived and takes no new events.", "")
	for _, body := range []string{
		`{"events":[{"type":"user.message","content":"Hi"}]}`, `{"events":[{"type":"user.interrupt"}]}`,
		`{"events":[{"type":"user.tool_confirmation","tool_use_id":"evt_1","result":"allow"}]}`,
	} {
		h.expectRefusal(t, request{method: "POST", path: path + "/events", body: body}, want)
	}
	expect(t, h.get(path+"/events"), 200, map[string]any{"has_more": false})
}

func TestAMessageIsSentOnceForItsKey(t *testing.T) {
	h := start(t)
	path := h.session()
	message := request{method: "POST", path: path + "/events", body: `{"events":[{"type":"user.message","content":"Hi there"}]}`, header: keyed("once")}
	first := h.do(message)
	h.settled(path)
	second := h.do(message)
	if first.status != 200 || string(first.body) != string(second.body) || second.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s\n%s", first.body, second.body)
	}
	if diff := cmp.Diff(echoedTurn, events(h.events(path))); diff != "" {
		t.Error(diff)
	}
}
