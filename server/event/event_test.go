package event_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/usage"
)

func TestWire(t *testing.T) {
	t.Parallel()
	e := store.Event{
		Position: 7, ID: "evt_1", SessionID: "sess_1", TurnID: "turn_1", Type: event.AgentMessage,
		Payload: json.RawMessage(`{"content":[{"type":"text","text":"Hi"}]}`), CreatedAt: time.Date(2026, 5, 18, 15, 26, 23, 563_104_000, time.UTC),
	}
	want := `{"id":"evt_1","type":"agent.message","content":[{"type":"text","text":"Hi"}],"session_id":"sess_1","turn_id":"turn_1",` +
		`"schema_version":"1.0","created_at":"2026-05-18T15:26:23.563104Z","processed_at":"2026-05-18T15:26:23.563104Z"}`
	if diff := cmp.Diff(want, string(event.Wire(e))); diff != "" {
		t.Error(diff)
	}
	e.Type, e.TurnID, e.Payload, e.CreatedAt = event.Interrupt, "", json.RawMessage("{}"), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want = `{"id":"evt_1","type":"user.interrupt","session_id":"sess_1","schema_version":"1.0","created_at":"2026-01-02T03:04:05Z","processed_at":"2026-01-02T03:04:05Z"}`
	if diff := cmp.Diff(want, string(event.Wire(e))); diff != "" {
		t.Error(diff)
	}
}

func TestEntry(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct {
		payload string
		want    turn.Entry
	}{
		"user.message":            {`{"content":[{"type":"text","text":"Hi"},{"type":"text","text":" there"}]}`, turn.Entry{Text: "Hi\n there"}},
		"agent.message":           {`{"content":[{"type":"text","text":"Hi"}]}`, turn.Entry{Text: "Hi"}},
		"user.define_outcome":     {`{"outcome_id":"outc_1","description":"A report."}`, turn.Entry{Text: "A report."}},
		"agent.tool_use":          {`{"name":"Bash","input":{"a":1},"evaluated_permission":"ask"}`, turn.Entry{Name: "Bash", Input: json.RawMessage(`{"a":1}`), Ask: true}},
		"agent.custom_tool_use":   {`{"name":"weather","input":{}}`, turn.Entry{Name: "weather", Input: json.RawMessage(`{}`)}},
		"agent.mcp_tool_use":      {`{"mcp_server_name":"tracker","name":"get.issue","input":{}}`, turn.Entry{Name: "get.issue", MCPServer: "tracker", Input: json.RawMessage(`{}`)}},
		"agent.mcp_tool_result":   {`{"mcp_tool_use_id":"evt_5","content":[],"is_error":true}`, turn.Entry{UseID: "evt_5", Failed: true}},
		"agent.tool_result":       {`{"tool_use_id":"evt_2","content":[],"is_error":true}`, turn.Entry{UseID: "evt_2", Failed: true}},
		"user.custom_tool_result": {`{"custom_tool_use_id":"evt_3","content":[{"type":"text","text":"7 °C"}],"is_error":false}`, turn.Entry{UseID: "evt_3", Text: "7 °C"}},
		"user.tool_confirmation":  {`{"tool_use_id":"evt_4","result":"deny","deny_message":"No."}`, turn.Entry{UseID: "evt_4", Text: "No.", Denied: true}},
	} {
		got, ok, err := event.Entry(store.Event{ID: "evt_1", Type: kind, Payload: json.RawMessage(c.payload)})
		c.want.ID, c.want.Kind = "evt_1", turn.EntryKind(kind)
		if diff := cmp.Diff(c.want, got); diff != "" || !ok || err != nil {
			t.Errorf("%s: %v, %v, %s", kind, ok, err, diff)
		}
	}
	for _, kind := range []string{event.Interrupt, event.StatusIdle, event.AgentThinking, event.RequestStart} {
		if got, ok, err := event.Entry(store.Event{Type: kind, Payload: json.RawMessage("{}")}); ok || err != nil || !cmp.Equal(turn.Entry{}, got) {
			t.Errorf("%s: %v, %v, %v", kind, got, ok, err)
		}
	}
	if _, _, err := event.Entry(store.Event{Type: event.AgentMessage, Payload: json.RawMessage("x")}); err == nil {
		t.Error("a payload that is not JSON is no error")
	}
	if got, want := len(event.EntryTypes()), 10; got != want {
		t.Errorf("runners see %d types of events, want %d", got, want)
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(event.Payload{Content: event.Content("a", "", "b")})
	if want := `{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := json.Marshal(event.Payload{Content: event.Content("")}); err != nil || string(got) != `{"content":[]}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	got := event.Usage(usage.Usage{InputTokens: 1, OutputTokens: 2, CacheReadInputTokens: 3, CacheCreation5m: 4, CacheCreation1h: 5, CreditCents: 678}, usage.Bounds{Tokens: 100, Cents: 1000})
	want := &types.EventUsage{InputTokens: 1, OutputTokens: 2, CacheReadInputTokens: 3, CacheCreationInputTokens: 9, Credits: 6.78}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
