package sdktest_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/lib/environments"
	"github.com/anthropics/anthropic-sdk-go/option"

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
	environment, err := c.Environments.Create(t.Context(), &client.CreateEnvironmentRequest{
		Name: "own", Config: client.NewEnvironmentConfig(client.SelfHostedConfig{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.Environments.Keys.Create(t.Context(), environment.ID, &client.CreateEnvironmentKeyRequest{Name: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	agent, err := c.Agents.Create(t.Context(), &client.CreateAgentRequest{
		Name: "coder", Model: "ultimate", Tools: []client.AgentTool{client.NewAgentTool(client.BuiltinToolset{})},
	})
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: agent.ID}, EnvironmentID: environment.ID})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	defer work(t, workers.URL, environment.ID, *key.Key, folder)()

	var said []string
	uses, results := 0, 0
	for event, err := range c.Sessions.Run(t.Context(), session.ID, "Write it and run it.", nil) {
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
	for item, err := range c.Environments.Work.All(t.Context(), environment.ID, nil) {
		if err != nil || item.Data.ID != session.ID || item.State != client.WorkStateActive && item.State != client.WorkStateStopped {
			t.Errorf("%+v %v", item, err)
		}
	}
}

// work runs the official worker until stop is called.
func work(t *testing.T, url, environment, key, folder string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	idle := 200 * time.Millisecond
	worker := environments.NewEnvironmentWorker(anthropic.NewClient(option.WithBaseURL(url), option.WithAPIKey("unused")), environments.EnvironmentWorkerOptions{
		EnvironmentID: environment, EnvironmentKey: key, Workdir: folder, MaxIdle: &idle,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the worker: %v", err)
		}
	}
}
