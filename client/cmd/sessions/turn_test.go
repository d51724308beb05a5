package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
)

// TestATurnWaitsForAWorker tests that a turn says that it waits for a worker only while no worker has its work.
func TestATurnWaitsForAWorker(t *testing.T) {
	t.Parallel()
	states := []string{"active", "active", "queued"}
	asked := 0 // by one request at a time
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/work") {
			answer(http.StatusOK, `{"id":"sess_1","environment_id":"env_1"}`)(w, r)
			return
		}
		state := states[min(asked, len(states)-1)]
		asked++
		answer(http.StatusOK, fmt.Sprintf(`{"data":[{"state":"active","data":{"id":"sess_2"}},{"state":%q,"data":{"id":"sess_1"}}]}`, state))(w, r)
	})
	c, err := client.New(client.WithBaseURL(api), client.WithToken(token))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	waits := &turn{
		a: &app{err: stream{to: &said}}, c: c, session: "sess_1", spinner: func() {},
		uses: map[client.EventID]any{"event_1": client.AgentToolUseEvent{EvaluatedPermission: client.EvaluatedPermissionAllow}},
	}
	stop := client.StopReason{Type: client.StopReasonTypeRequiresAction, EventIDs: []client.EventID{"event_1"}}
	waits.waitForWorker(t.Context(), stop, time.Hour)
	waits.settle() // a result came
	if said.Len() > 0 || asked > 0 {
		t.Errorf("%q after a result", &said)
	}
	ended := make(chan struct{})
	waits.spinner = func() { close(ended) } // it is about to say something
	waits.waitForWorker(t.Context(), stop, time.Millisecond)
	<-ended
	waits.settle()
	if said.String() != "sessions: waiting for a worker of env_1\n" || asked != len(states) {
		t.Errorf("%q after %d questions", &said, asked)
	}
}
