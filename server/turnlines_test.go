package server_test

import (
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tracing"
)

// TestTheLinesOfATurnNameItsRequests starts a turn and continues it, each with a request id of its own: the lines of a run have
// the id of the request that led to it, and nothing is left once the turn has ended.
func TestTheLinesOfATurnNameItsRequests(t *testing.T) {
	h := start(t, scripted(t, workerScript))
	path := h.workerSession()
	stored := func() store.Turn {
		t.Helper()
		s, err := h.db.GetSession(t.Context(), "alice", strings.TrimPrefix(path, "/sessions/"))
		if err != nil {
			t.Fatal(err)
		}
		return s.Turn
	}
	send := func(id, body string) {
		t.Helper()
		got := h.do(request{method: "POST", path: path + "/events", body: body, header: map[string]string{"X-Request-Id": id}})
		if got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		eventually(t, "the turn has stopped", func() bool {
			for line := range strings.Lines(h.log.String()) {
				if strings.Contains(line, "turn stopped") && strings.Contains(line, "request_id="+id+" ") && strings.Contains(line, "session="+strings.TrimPrefix(path, "/sessions/")) {
					return true
				}
			}
			return false
		})
	}
	send("first", `{"events":[{"type":"user.message","content":"list"}]}`)
	waiting := stored()
	if tracing.ReadOrigin(waiting.Origin) != (tracing.Origin{RequestID: "first"}) {
		t.Errorf("while it waits: %+v", waiting)
	}
	send("second", toolResult(waiting.Pending[0].EventID, `[{"type":"text","text":"a"}]`))
	if ended := stored(); ended.ID != "" || ended.Origin != "" || ended.Pending != nil {
		t.Errorf("at the end: %+v", ended)
	}
}
