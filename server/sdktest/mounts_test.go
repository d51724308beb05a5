package sdktest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go/lib/environments"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/servertest"
)

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
	own := newWorkplace(t, c)
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: own.agent}, EnvironmentID: own.environment, MemoryStoreIDs: []client.MemoryStoreID{notes},
		Resources: []client.SessionResourceInput{client.NewSessionResourceInput(client.MemoryStoreResourceInput{MemoryStoreID: fixed, Access: new(client.MemoryAccessReadOnly)})},
	})
	if err != nil {
		t.Fatal(err)
	}
	moved := option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := next(r)
		if err == nil && strings.HasSuffix(r.URL.Path, session.ID) {
			body, _ := io.ReadAll(resp.Body)
			resp.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte(`"/mnt/`), []byte(`"`+folder+`/mnt/`))))
		}
		return resp, err
	})
	stop := own.work(t, s.URL, 200*time.Millisecond, func(o *environments.EnvironmentWorkerOptions) {
		o.Workdir, o.RequestOptions = t.TempDir(), []option.RequestOption{moved}
	})
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
