package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	turns "github.com/cloud-sessions/sessions/server/turn"
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

// TestSendWaitsForAWorker sends where no worker is, and stops the turn once it says so.
func TestSendWaitsForAWorker(t *testing.T) {
	t.Parallel()
	const name = "../../../server/turn/testdata/worker.yaml"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	script, err := turns.ParseScript(name, data)
	if err != nil {
		t.Fatal(err)
	}
	api := demo(t, func(c *server.Config) { c.Runner = script.Runner(nil) })
	environment := id(t, api, "environments", "create", "--name", "own", "--type", "self_hosted")
	p := prepare(t, api, "agents", "create", "--file", "-", "-o", "id")
	p.Stdin = strings.NewReader("{name: coder, model: ultimate, tools: [{type: agent_toolset_20260401}]}")
	agent := strings.TrimSpace(okWith(t, p))
	p = prepare(t, api, "send", id(t, api, "create", "--agent", agent, "--environment", environment), "Write a program.")
	p.Stderr = nil
	pipe := p.start(t, p.StderrPipe)
	lines := bufio.NewScanner(pipe)
	if !lines.Scan() || lines.Text() != "sessions: waiting for a worker of "+environment {
		t.Errorf("%q", lines.Text())
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	_ = p.end(t)
}
