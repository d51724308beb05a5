package sdktest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go/lib/environments"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/servertest"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

// writesAndRuns makes the agent write a file, run it, and tell the result.
const writesAndRuns = `
rules:
  - steps:
      - use: {tool: write, input: {file_path: hello.sh, content: "echo 你好 from $((6*7))\n"}}
      - use: {tool: bash, input: {command: sh hello.sh}}
      - say: "It says: {{result}}"
`

// TestWorker runs a turn with tools by the official worker on SQLite.
func TestWorker(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	workedTurn(t, s, s)
}

// TestWorkerOfAnotherReplica runs a turn at one replica whose worker is connected to another one.
func TestWorkerOfAnotherReplica(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	replica := func(c *server.Config) { c.DB, c.DemoToken = dsn, "pt-demo" }
	workedTurn(t, servertest.New(t, replica), servertest.New(t, replica))
}

// workedTurn runs a turn with tools at one server, with a worker at another one.
func workedTurn(t *testing.T, at, workers *servertest.Server) {
	t.Helper()
	at.Script(writesAndRuns)
	workers.Script(writesAndRuns)
	c := at.Client()
	own := newWorkplace(t, c)
	session := own.session(t)
	folder := t.TempDir()
	defer own.work(t, workers.URL, 200*time.Millisecond, func(o *environments.EnvironmentWorkerOptions) { o.Workdir = folder })()

	var said []string
	uses, results := 0, 0
	for event, err := range c.Sessions.Run(t.Context(), session, "Write it and run it.", nil) {
		if err != nil {
			t.Fatal(err)
		}
		switch v := event.Value.(type) {
		case client.AgentToolUseEvent:
			uses++
		case client.UserToolResultEvent:
			results++
		case client.AgentMessageEvent:
			said = append(said, event.Text())
		case client.SessionErrorEvent:
			t.Errorf("%+v", v)
		}
	}
	if uses != 2 || results != 2 || len(said) != 1 || !strings.Contains(said[0], "It says: 你好 from 42") {
		t.Errorf("%d uses, %d results, said %q", uses, results, said)
	}
	if text, err := os.ReadFile(filepath.Join(folder, "hello.sh")); err != nil || !strings.Contains(string(text), "你好") {
		t.Errorf("%q %v", text, err)
	}
	for item, err := range c.Environments.Work.All(t.Context(), own.environment, nil) {
		if err != nil || item.Data.ID != session || item.State != client.WorkStateActive && item.State != client.WorkStateStopped {
			t.Errorf("%+v %v", item, err)
		}
	}
}
