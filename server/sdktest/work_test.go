package sdktest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
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

// selfHosted creates a self-hosted environment with a key, and an agent with the built-in tools.
func selfHosted(t *testing.T, c *client.Client) (environmentID client.EnvironmentID, secret string, agentID client.AgentID) {
	t.Helper()
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
	return environment.ID, *key.Key, agent.ID
}

// workedTurn runs a turn with tools at one server, with a worker at another one.
func workedTurn(t *testing.T, at, workers *servertest.Server) {
	t.Helper()
	at.Script(writesAndRuns)
	workers.Script(writesAndRuns)
	c := at.Client()
	environment, key, agent := selfHosted(t, c)
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: agent}, EnvironmentID: environment})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	defer work(t, workers.URL, environment, key, folder)()

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
	for item, err := range c.Environments.Work.All(t.Context(), environment, nil) {
		if err != nil || item.Data.ID != session.ID || item.State != client.WorkStateActive && item.State != client.WorkStateStopped {
			t.Errorf("%+v %v", item, err)
		}
	}
}

// TestWorkerMountsMemory runs a turn in a session with memory stores: the official worker mounts them at the paths of the
// session's resources, which the test moves into a folder of its own, and syncs what the agent writes.
func TestWorkerMountsMemory(t *testing.T) {
	t.Parallel()
	s, folder := servertest.New(t, func(c *server.Config) { c.Features = []string{"m3"} }), t.TempDir()
	c := s.Client()
	at := func(path string) string { return filepath.Join(folder, path) }
	s.Script(fmt.Sprintf(`
rules:
  - steps:
      - use: {tool: read, input: {file_path: %q}}
      - say: "{{result}}"
      - use: {tool: write, input: {file_path: %q, content: new}}
      - say: "{{result}}"
      - use: {tool: write, input: {file_path: %q, content: new}}
      - say: "{{result}}"
`, at("/mnt/memory/notes/a/b.md"), at("/mnt/memory/notes/new.md"), at("/mnt/memory/fixed/new.md")))
	notes, fixed := memoryStore(t, c, "Notes"), memoryStore(t, c, "Fixed")
	environment, key, agent := selfHosted(t, c)
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: agent}, EnvironmentID: environment, MemoryStoreIDs: []client.MemoryStoreID{notes},
		Resources: []client.SessionResourceInput{client.NewSessionResourceInput(client.MemoryStoreResourceInput{MemoryStoreID: fixed, Access: new(client.MemoryAccessReadOnly)})},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := work(t, s.URL, environment, key, t.TempDir(), option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := next(r)
		if err == nil && strings.HasSuffix(r.URL.Path, session.ID) {
			body, _ := io.ReadAll(resp.Body)
			resp.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte(`"/mnt/`), []byte(`"`+folder+`/mnt/`))))
		}
		return resp, err
	}))
	var said []string
	for event, err := range c.Sessions.Run(t.Context(), session.ID, "Remember.", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := event.Value.(client.AgentMessageEvent); ok {
			said = append(said, event.Text())
		}
	}
	stop()
	if len(said) != 3 || said[0] != "remembered" || !strings.HasPrefix(said[1], "wrote 3 bytes") || !strings.Contains(said[2], "read-only") {
		t.Errorf("said %q", said)
	}
	for store, want := range map[string]int{notes: 2, fixed: 1} {
		if page, err := c.MemoryStores.Memories.List(t.Context(), store, nil); err != nil || len(page.Data) != want {
			t.Errorf("%d memories, %v", len(page.Data), err)
		}
	}
}

// memoryStore creates a memory store with a memory.
func memoryStore(t *testing.T, c *client.Client, name string) client.MemoryStoreID {
	t.Helper()
	store, err := c.MemoryStores.Create(t.Context(), &client.CreateMemoryStoreRequest{Name: name})
	if err == nil {
		_, err = c.MemoryStores.Memories.Create(t.Context(), store.ID, &client.CreateMemoryRequest{Path: "a/b.md", Content: "remembered"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return store.ID
}

// work runs the official worker until stop is called.
func work(t *testing.T, url, environment, key, folder string, options ...option.RequestOption) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	idle := 200 * time.Millisecond
	worker := environments.NewEnvironmentWorker(anthropic.NewClient(option.WithBaseURL(url), option.WithAPIKey("unused")), environments.EnvironmentWorkerOptions{
		EnvironmentID: environment, EnvironmentKey: key, Workdir: folder, MaxIdle: &idle, RequestOptions: options,
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
