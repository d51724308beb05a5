package server_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

// TestAnInterruptedMessageKeepsItsID interrupts a message that readers have seen begin: its event has the id of its
// event_start, although the interrupt, with a later id, comes before it in the log. Streams and lists continue from either
// without a gap or a repeat.
func TestAnInterruptedMessageKeepsItsID(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "sessions.db") },
		"PostgreSQL": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runner := newWaiting()
			h := startOn(t, database(t), withRunner(runner))
			path := h.session()
			const deltas = "?event_deltas[]=agent.message"
			live := h.stream(path, deltas, nil)
			h.say(path, "Hi")
			<-runner.started
			before := live.until("event_delta")
			expect(t, h.post(path+"/events", `{"events":[{"type":"user.interrupt"}]}`), 200, nil)
			frames := append(before, live.until("session.status_idle")...)
			want := []string{
				"session.status_running", `user.message "Hi"`, "span.model_request_start", "event_start", "event_delta", "user.interrupt",
				`agent.message "Hold on."`, "span.model_request_end", "session.status_idle interrupted",
			}
			if diff := cmp.Diff(want, events(frames)); diff != "" {
				t.Fatal(diff)
			}
			begun, interrupt, message := frames[3].Data["event"].(map[string]any)["id"], frames[5].ID, frames[6].ID
			if begun != message || message >= interrupt {
				t.Errorf("%v was begun, %s interrupted it, %s is stored", begun, interrupt, message)
			}

			log := h.events(path)
			stored := slices.DeleteFunc(slices.Clone(frames), func(f frame) bool { return f.ID == "" })
			if diff := cmp.Diff(stored, log); diff != "" {
				t.Errorf("the log is not what was streamed: %s", diff)
			}
			for i, f := range log {
				for _, query := range []string{"?after_id=" + f.ID, deltas + "&after_id=" + f.ID} {
					s := h.stream(path, query, nil)
					for _, want := range log[i+1:] {
						got, ok := s.next()
						for ok && got.ID == "" { // of a message that was made just now, its increments may come again
							got, ok = s.next()
						}
						if !ok || !cmp.Equal(want, got) {
							t.Fatalf("stream%s: %v, %v, want %v", query, got, ok, want)
						}
					}
					s.close()
				}
				if diff := cmp.Diff(append([]string{}, ids(log[i+1:])...), h.get(path+"/events?order=asc&after_id="+f.ID).ids()); diff != "" {
					t.Errorf("after %s: %s", f.ID, diff)
				}
				if diff := cmp.Diff(append([]string{}, ids(log[:i])...), h.get(path+"/events?order=asc&before_id="+f.ID).ids()); diff != "" {
					t.Errorf("before %s: %s", f.ID, diff)
				}
			}
			last := h.stream(path, deltas+"&after_id="+log[len(log)-1].ID, nil)
			h.say(path, "Hi again") // nothing of the first message comes with the next turn
			<-runner.started
			runner.goOn <- struct{}{}
			want = []string{
				"session.status_running", `user.message "Hi again"`, "span.model_request_start", "event_start", "event_delta",
				`agent.message "Hold on."`, "span.model_request_end", "session.status_idle end_turn",
			}
			if diff := cmp.Diff(want, events(last.until("session.status_idle"))); diff != "" {
				t.Errorf("the next turn: %s", diff)
			}
		})
	}
}
