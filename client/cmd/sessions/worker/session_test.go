package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/cmd/sessions/worker"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/servertest"
	"github.com/cloud-sessions/sessions/server/turn"
)

// place is a server with a self-hosted environment, an agent with the built-in tools, and a worker's folder.
type place struct {
	*servertest.Server
	*client.Client
	t                            *testing.T
	environment, key, agent, dir string

	maxIdle time.Duration
	mu      sync.Mutex
	lines   []string // what the workers reported
}

func newPlace(t *testing.T, change ...func(*server.Config)) *place {
	t.Helper()
	s := servertest.New(t, append(change, func(c *server.Config) { c.Features = []string{"m3"} })...)
	p := &place{Server: s, Client: s.Client(), t: t, dir: t.TempDir(), maxIdle: time.Minute}
	environment, err := p.Environments.Create(t.Context(), &client.CreateEnvironmentRequest{
		Name: "own", Config: client.NewEnvironmentConfig(client.SelfHostedConfig{}),
	})
	p.must(err)
	key, err := p.Environments.Keys.Create(t.Context(), environment.ID, &client.CreateEnvironmentKeyRequest{Name: "worker"})
	p.must(err)
	agent, err := p.Agents.Create(t.Context(), &client.CreateAgentRequest{
		Name: "coder", Model: "ultimate", Tools: []client.AgentTool{client.NewAgentTool(client.BuiltinToolset{})},
	})
	p.must(err)
	p.environment, p.key, p.agent = environment.ID, *key.Key, agent.ID
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// file uploads a file.
func (p *place) file(content string) client.FileID {
	p.t.Helper()
	file, err := p.Files.Upload(p.t.Context(), strings.NewReader(content), client.FileUpload{Name: "a.txt"})
	p.must(err)
	return file.ID
}

// work runs a worker until stop is called, which waits for its end.
func (p *place) work(bash worker.Bash) (stop, wait func()) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	w, err := worker.New(ctx, worker.Options{
		BaseURL: p.BaseURL, EnvironmentID: p.environment, Key: p.key, Dir: p.dir, Bash: bash, MaxIdle: p.maxIdle,
		Log: slog.New(slog.NewTextHandler(p.t.Output(), nil)),
		Report: func(line string) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.lines = append(p.lines, line)
		},
	})
	p.must(err)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	wait = func() {
		p.t.Helper()
		if err := <-ended; err != nil {
			p.t.Errorf("the worker: %v", err)
		}
	}
	return cancel, wait
}

// says runs a turn and returns the agent's last message.
func (p *place) says(session client.SessionID, message string) (said string) {
	p.t.Helper()
	for event, err := range p.Sessions.Run(p.t.Context(), session, message, nil) {
		p.must(err)
		switch v := event.Value.(type) {
		case client.AgentMessageEvent:
			said = event.Text()
		case client.SessionErrorEvent:
			p.t.Errorf("%+v", v)
		}
	}
	return said
}

// toolRunner makes the agent use the tools that the message names.
type toolRunner struct{}

// Run implements turn.Runner: a message is a JSON list of uses, [{"tool": …, "input": …}]; all are used at once, and the agent
// says their results.
func (toolRunner) Run(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	results, uses := "", 0
	for _, e := range in.Entries {
		switch {
		case e.IsUse():
			uses++
		case e.IsResult():
			results += e.Text + "|"
			uses--
		}
	}
	switch {
	case uses > 0:
		return turn.RequiresAction, nil
	case results != "":
		return turn.EndTurn, out.Say(ctx, results)
	}
	var wanted []struct {
		Tool  string
		Input json.RawMessage
	}
	if err := json.Unmarshal([]byte(in.Message()), &wanted); err != nil {
		return "", err
	}
	for _, w := range wanted {
		if _, err := out.UseWorkerTool(ctx, w.Tool, w.Input, false); err != nil {
			return "", err
		}
	}
	return turn.RequiresAction, nil
}

func usesTools(c *server.Config) { c.Runner = toolRunner{} }

func reads(at string) string {
	return fmt.Sprintf(`[{"tool":"read","input":{"file_path":%q}}]`, at)
}

// TestResourcesOfASession reads what a session has, before and after it changes, by the paths that an agent knows.
func TestResourcesOfASession(t *testing.T) {
	t.Parallel()
	p := newPlace(t, usesTools)
	store, err := p.MemoryStores.Create(t.Context(), &client.CreateMemoryStoreRequest{Name: "Notes"})
	p.must(err)
	_, err = p.MemoryStores.Memories.Create(t.Context(), store.ID, &client.CreateMemoryRequest{Path: "a/b.md", Content: "remembered"})
	p.must(err)
	first, taken := p.file("first"), p.file("taken")
	p.must(os.WriteFile(filepath.Join(p.dir, "own.txt"), []byte("of the user"), 0o600))
	session, err := p.Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: p.agent}, EnvironmentID: p.environment, MemoryStoreIDs: []client.MemoryStoreID{store.ID},
		Resources: []client.SessionResourceInput{
			client.NewSessionResourceInput(client.FileResourceInput{FileID: first}),
			client.NewSessionResourceInput(client.FileResourceInput{FileID: taken, MountPath: new("/own.txt")}),
		},
	})
	p.must(err)
	stop, wait := p.work(worker.NoBash)
	uploaded := "/mnt/session/uploads/" + first
	for _, test := range []struct{ message, want string }{
		{reads(uploaded), "first|"},
		{reads("/mnt/memory/notes/a/b.md"), "remembered|"},
		{reads("/own.txt"), "The file at /own.txt is not on this machine: another file is there, which the worker does not overwrite.|"},
		{reads("own.txt"), "of the user|"},
		{`[{"tool":"edit","input":{"file_path":"` + uploaded + `","old_string":"first","new_string":"edited"}}]`, "edited mnt/session/uploads/" + first + " (1 replacement(s))|"},
		{reads(uploaded), "edited|"},
		{`[{"tool":"write","input":{"file_path":"/mnt/memory/notes/new.md","content":"by the agent"}}]`, "wrote 12 bytes to mnt/memory/notes/new.md|"},
	} {
		if got := p.says(session.ID, test.message); got != test.want {
			t.Errorf("%s: %q, want %q", test.message, got, test.want)
		}
	}
	// A file that is attached later is there before the next call, and one that is detached is gone.
	later := p.file("later")
	added, err := p.Sessions.Resources.Add(t.Context(), session.ID, &client.FileResourceInput{FileID: later, MountPath: new("/data/later.txt")})
	p.must(err)
	if got := p.says(session.ID, reads("/data/later.txt")); got != "later|" {
		t.Errorf("%q", got)
	}
	_, err = p.Sessions.Resources.Delete(t.Context(), session.ID, added.ID)
	p.must(err)
	if got := p.says(session.ID, reads("/data/later.txt")); !strings.Contains(got, "no such file") {
		t.Errorf("%q", got)
	}
	stop()
	wait()
	memories := ""
	for m, err := range p.MemoryStores.Memories.All(t.Context(), store.ID, nil) {
		p.must(err)
		memory, _ := m.AsAny().(client.Memory)
		memories += memory.Path + " "
	}
	if memories != "new.md a/b.md " {
		t.Errorf("memories: %s", memories)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "mnt", "memory", "notes")); !os.IsNotExist(err) {
		t.Errorf("the memory store is left: %v", err)
	}
}

// TestASessionWithoutATurnKeepsNoWorker runs a turn of one session while another one waits for its first message, and one of that
// session afterwards.
func TestASessionWithoutATurnKeepsNoWorker(t *testing.T) {
	t.Parallel()
	p := newPlace(t, usesTools)
	p.maxIdle = 50 * time.Millisecond
	p.must(os.WriteFile(filepath.Join(p.dir, "a.txt"), []byte("here"), 0o600))
	var sessions []client.SessionID
	for range 2 {
		session, err := p.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: p.agent}, EnvironmentID: p.environment})
		p.must(err)
		sessions = append(sessions, session.ID)
	}
	stop, wait := p.work(worker.NoBash)
	p.reports(sessions[0] + ": ended")
	for _, session := range []client.SessionID{sessions[1], sessions[0]} {
		if got := p.says(session, reads("a.txt")); got != "here|" {
			t.Errorf("%q", got)
		}
	}
	stop()
	wait()
}

// TestAnAgentTakesTheFolderOfStores makes a file where the memory stores of later sessions go: they are elsewhere then.
func TestAnAgentTakesTheFolderOfStores(t *testing.T) {
	t.Parallel()
	p := newPlace(t, usesTools)
	store, err := p.MemoryStores.Create(t.Context(), &client.CreateMemoryStoreRequest{Name: "Notes"})
	p.must(err)
	_, err = p.MemoryStores.Memories.Create(t.Context(), store.ID, &client.CreateMemoryRequest{Path: "a.md", Content: "remembered"})
	p.must(err)
	p.must(os.WriteFile(filepath.Join(p.dir, "mnt"), []byte("by the agent of another session"), 0o600))
	session, err := p.Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: p.agent}, EnvironmentID: p.environment, MemoryStoreIDs: []client.MemoryStoreID{store.ID},
	})
	p.must(err)
	stop, wait := p.work(worker.NoBash)
	if got := p.says(session.ID, reads("/mnt/memory/notes/a.md")); got != "remembered|" {
		t.Errorf("%q", got)
	}
	stop()
	wait()
}

// TestAWorkerEndsBetweenCalls stops a worker while it runs one of two calls: the result of that one is sent, the other one is
// left to the next worker.
func TestAWorkerEndsBetweenCalls(t *testing.T) {
	t.Parallel()
	p := newPlace(t, usesTools)
	session, err := p.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: p.agent}, EnvironmentID: p.environment})
	p.must(err)
	_, err = p.Sessions.Events.SendMessage(t.Context(), session.ID,
		`[{"tool":"bash","input":{"command":"touch began; until [ -e go ]; do sleep 0.02; done; echo first"}},{"tool":"bash","input":{"command":"echo second"}}]`)
	p.must(err)
	stop, wait := p.work(worker.NoSandbox)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(p.dir, "began")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no call began")
		}
	}
	stop()
	p.reports("the worker ends after this tool") // so that it knows before the tool is done
	p.must(os.WriteFile(filepath.Join(p.dir, "go"), nil, 0o600))
	wait()
	if got := p.results(session.ID); strings.Join(got, "|") != "first" {
		t.Errorf("results: %q", got)
	}
	stop, wait = p.work(worker.NoSandbox)
	for event, err := range p.Sessions.Events.Stream(t.Context(), session.ID, nil) {
		p.must(err)
		if _, ok := event.Value.(client.AgentMessageEvent); ok {
			break
		}
	}
	stop()
	wait()
	if got := p.results(session.ID); strings.Join(got, "|") != "first|second" {
		t.Errorf("results: %q", got)
	}
	if all := strings.Join(p.lines, "\n"); strings.Count(all, ": bash echo second: done in ") != 1 || strings.Count(all, ": began") < 2 {
		t.Errorf("reported: %s", all)
	}
}

// reports waits until the worker has reported something.
func (p *place) reports(what string) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		p.mu.Lock()
		said := strings.Join(p.lines, "\n")
		p.mu.Unlock()
		if strings.Contains(said, what) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the worker did not report %q: %s", what, said)
		}
	}
}

// results returns the results of a session's calls.
func (p *place) results(session client.SessionID) (texts []string) {
	p.t.Helper()
	for event, err := range p.Sessions.Events.All(p.t.Context(), session, nil) {
		p.must(err)
		if v, ok := event.Value.(client.UserToolResultEvent); ok {
			texts = append(texts, strings.TrimSpace(v.Content.Text()))
		}
	}
	return texts
}
