package server_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Pieces of a message come after the events before it and before the message, also when all of it is stored in one step.
func TestDeltasKeepTheirPlace(t *testing.T) {
	h := start(t)
	path := h.session()
	live := h.stream(path, "?event_deltas[]=agent.message", nil)
	for range 30 {
		h.say(path, "Hi")
		var kinds []string
		text := ""
		for _, f := range live.until("session.status_idle") {
			if delta, ok := f.Data["delta"].(map[string]any); ok {
				text += delta["content"].(map[string]any)["text"].(string)
			}
			if f.Event != "event_delta" { // there may be several
				kinds = append(kinds, f.Event)
			}
		}
		want := []string{"session.status_running", "user.message", "span.model_request_start", "agent.thinking", "event_start", "agent.message", "span.model_request_end", "session.status_idle"}
		if diff := cmp.Diff(want, kinds); diff != "" || text != "You said: Hi" {
			t.Fatalf("%q %s", text, diff)
		}
	}
}
