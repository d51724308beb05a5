package memorytools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/memory"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/tools/memorytools"
	"github.com/cloud-sessions/sessions/server/turn"
)

// bed is a store with an agent and an environment.
type bed struct {
	*testing.T
	store.Store
	rules              *memory.Rules
	agent, environment string
}

func newBed(t *testing.T, environment string) *bed {
	t.Parallel()
	db, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	api, err := contract.Load()
	check(t, err)
	none := json.RawMessage("[]")
	agent, err := db.CreateAgent(t.Context(), "acme", store.AgentSpec{Name: "a", Model: "m", Tools: none, MCPServers: none, Skills: none})
	check(t, err)
	env, err := db.CreateEnvironment(t.Context(), "acme", store.EnvironmentSpec{Name: "e", Config: json.RawMessage(`{"type":"` + environment + `"}`)})
	check(t, err)
	return &bed{t, db, memory.New(api, 1<<30), agent.ID, env.ID}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bed) memoryStore(name, description string) string {
	b.Helper()
	m, err := b.CreateMemoryStore(b.Context(), "acme", store.MemoryStoreSpec{Name: name, Description: description})
	check(b.T, err)
	return m.ID
}

// open opens the toolbox of a new session with memory stores.
func (b *bed) open(uses ...store.MemoryStoreUse) (turn.Toolbox, store.Session) {
	b.Helper()
	s, err := b.CreateSession(b.Context(), "acme", store.SessionSpec{AgentID: b.agent, EnvironmentID: b.environment, MemoryStores: uses})
	check(b.T, err)
	box, err := memorytools.Source(b, b.rules)(b.Context(), "acme", s)
	check(b.T, err)
	return box, s
}

// use uses a tool, which must not end the turn.
func use(t *testing.T, box turn.Toolbox, name string, input map[string]any) turn.Output {
	t.Helper()
	data, err := json.Marshal(input)
	check(t, err)
	for _, tool := range box.Tools {
		if tool.Name == name {
			got, err := tool.Run(t.Context(), data)
			check(t, err)
			return got
		}
	}
	t.Fatalf("there is no tool %s", name)
	return turn.Output{}
}

// says fails the test unless a use says all of want, and has failed if it should.
func says(t *testing.T, got turn.Output, failed bool, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got.Text, w) {
			t.Errorf("%q does not say %q", got.Text, w)
		}
	}
	if got.Failed != failed {
		t.Errorf("failed is %v: %q", got.Failed, got.Text)
	}
}

type in = map[string]any

func TestOffered(t *testing.T) {
	b := newBed(t, "cloud")
	id := b.memoryStore("User notes", "What users like")
	_, err := b.CreateMemory(t.Context(), "acme", id, store.MemorySpec{Path: "secret/path", Content: "canary"}, b.rules.Token("tok_1"))
	check(t, err)
	box, _ := b.open(store.MemoryStoreUse{ID: id, ReadOnly: true, Instructions: "Look first."})
	for _, want := range []string{"User notes", id, "read only", "What users like", "Look first."} {
		if !strings.Contains(box.System, want) {
			t.Errorf("the system text does not say %q: %s", want, box.System)
		}
	}
	if strings.Contains(box.System, "canary") || strings.Contains(box.System, "secret/path") {
		t.Errorf("the system text shows memories: %s", box.System)
	}
	var names []string
	for _, tool := range box.Tools {
		names = append(names, tool.Name)
		var schema struct {
			Type       string
			Properties map[string]struct{ Type, Description string }
			Required   []string
		}
		if err := json.Unmarshal(tool.InputSchema, &schema); err != nil || schema.Type != "object" || schema.Properties["store"].Type != "string" {
			t.Errorf("%s: %v %s", tool.Name, err, tool.InputSchema)
		}
		for _, name := range schema.Required {
			if schema.Properties[name].Description == "" {
				t.Errorf("%s: %s has no description", tool.Name, name)
			}
		}
	}
	if got := strings.Join(names, " "); got != "memory_list memory_read memory_search memory_write memory_delete" {
		t.Errorf("tools: %s", got)
	}
	if box, _ := b.open(); len(box.Tools) > 0 || box.System != "" {
		t.Errorf("without memory stores: %+v", box)
	}
}

// A worker mounts the stores of a session in an environment of its own: the agent is told where, and has no tools of the
// server. An agent without built-in tools has those.
func TestMountedByAWorker(t *testing.T) {
	b := newBed(t, "self_hosted")
	_, s := b.open(store.MemoryStoreUse{ID: b.memoryStore("Notes", "What we know."), ReadOnly: true, Instructions: "Read it first."})
	for tools, want := range map[string]int{`[{"type":"agent_toolset_20260401"}]`: 0, `[]`: 5, `[{"type":"agent_toolset_20260401","default_config":{"enabled":false}}]`: 5} {
		s.Agent.Tools = json.RawMessage(tools)
		box, err := memorytools.Source(b, b.rules)(t.Context(), "acme", s)
		check(t, err)
		if len(box.Tools) != want {
			t.Errorf("%s: %d tools", tools, len(box.Tools))
		}
		const told = "- \"Notes\" (folder /mnt/memory/notes, read only): What we know.\n  Instructions: Read it first."
		if strings.Contains(box.System, told) != (want == 0) {
			t.Errorf("%s: %s", tools, box.System)
		}
	}
}

func TestWriteReadDelete(t *testing.T) {
	b := newBed(t, "cloud")
	id := b.memoryStore("n", "")
	box, session := b.open(store.MemoryStoreUse{ID: id})
	says(t, use(t, box, "memory_list", in{}), false, "There are no memories here.")
	says(t, use(t, box, "memory_write", in{"path": "/notes/a.md", "content": "one"}), false, "Written: notes/a.md, 3 bytes")
	says(t, use(t, box, "memory_write", in{"path": "notes/a.md", "content": "two"}), false, "Written") // it knows what it has written
	says(t, use(t, box, "memory_read", in{"path": "notes/a.md"}), false, "path: notes/a.md\ncontent_sha256: ", "\n\ntwo")
	says(t, use(t, box, "memory_list", in{}), false, "notes/\n")
	says(t, use(t, box, "memory_list", in{"path_prefix": "/notes/"}), false, "notes/a.md (3 bytes, content_sha256 ")
	list, err := b.ListMemoryVersions(t.Context(), "acme", id, store.MemoryVersionFilter{SessionID: session.ID}, store.Page{Limit: 10})
	check(t, err)
	if len(list.Items) != 2 {
		t.Errorf("versions that name the session: %+v", list.Items)
	}
	other, _ := b.open(store.MemoryStoreUse{ID: id})
	says(t, use(t, other, "memory_read", in{"path": "notes/a.md"}), false, "two") // sessions see each other's writes
	says(t, use(t, box, "memory_delete", in{"path": "notes/a.md"}), false, "Deleted: notes/a.md.")
	says(t, use(t, box, "memory_delete", in{"path": "notes/a.md"}), false, "There is no memory at 'notes/a.md'.") // may be repeated
	says(t, use(t, box, "memory_read", in{"path": "notes/a.md"}), true, "Memory 'notes/a.md' was not found.")
	says(t, use(t, box, "memory_write", in{"path": "notes/a.md", "content": "three"}), false, "Written")
}

// A write that is based on something else than what is there is refused, and what is there stays.
func TestStaleWrites(t *testing.T) {
	b := newBed(t, "cloud")
	id := b.memoryStore("n", "")
	first, _ := b.open(store.MemoryStoreUse{ID: id})
	second, _ := b.open(store.MemoryStoreUse{ID: id})
	hash := func() string {
		m, err := b.FindMemory(t.Context(), "acme", id, "a")
		check(t, err)
		return m.SHA256
	}
	use(t, first, "memory_write", in{"path": "a", "content": "one"})
	says(t, use(t, second, "memory_write", in{"path": "a", "content": "blind"}), true, "already", hash(), "Nothing was changed")
	says(t, use(t, second, "memory_delete", in{"path": "a"}), true, hash(), "Nothing was changed")
	use(t, second, "memory_read", in{"path": "a"})
	says(t, use(t, second, "memory_write", in{"path": "a", "content": "two"}), false, "Written")
	says(t, use(t, first, "memory_write", in{"path": "a", "content": "three"}), true, "has changed since you read it", hash())
	says(t, use(t, first, "memory_delete", in{"path": "a"}), true, "has changed since you read it", hash())
	says(t, use(t, first, "memory_write", in{"path": "a", "content": "three", "content_sha256": "old"}), true, hash())
	says(t, use(t, first, "memory_write", in{"path": "a", "content": "two"}), false, "Written") // is there already
	says(t, use(t, second, "memory_read", in{"path": "a"}), false, "\n\ntwo")
	says(t, use(t, first, "memory_write", in{"path": "a", "content": "three", "content_sha256": hash()}), false, "Written")
	says(t, use(t, second, "memory_delete", in{"path": "a", "content_sha256": hash()}), false, "Deleted")
}

func TestSearch(t *testing.T) {
	b := newBed(t, "cloud")
	id, elsewhere := b.memoryStore("n", ""), b.memoryStore("other", "")
	box, _ := b.open(store.MemoryStoreUse{ID: id})
	both, _ := b.open(store.MemoryStoreUse{ID: id}, store.MemoryStoreUse{ID: elsewhere})
	for path, content := range map[string]string{
		"zh.md": strings.Repeat("前言", 200) + "用户喜欢简短的回答。" + strings.Repeat("后记", 200), "en.md": "The user\nprefers SHORT replies.", "dir/İ.md": "İİİ Straße short",
	} {
		use(t, box, "memory_write", in{"path": path, "content": content})
	}
	use(t, both, "memory_write", in{"store": elsewhere, "path": "x", "content": "short, too"})
	found := use(t, box, "memory_search", in{"query": "简短"})
	says(t, found, false, "zh.md: ", "喜欢简短的回答")
	if len(found.Text) > 1000 || strings.Contains(found.Text, "en.md") || !json.Valid([]byte(fmt.Sprintf("%q", found.Text))) {
		t.Errorf("%d bytes: %s", len(found.Text), found.Text)
	}
	says(t, use(t, box, "memory_search", in{"query": "Short"}), false, "en.md: The user prefers SHORT replies.", "dir/İ.md: ")
	says(t, use(t, box, "memory_search", in{"query": "ZH.MD"}), false, "zh.md")
	says(t, use(t, box, "memory_search", in{"query": "%"}), false, "Nothing was found.")
	if got := use(t, box, "memory_search", in{"query": "short", "path_prefix": "/dir/"}); strings.Contains(got.Text, "en.md") || !strings.Contains(got.Text, "dir/") {
		t.Errorf("below dir: %s", got.Text)
	}
	says(t, use(t, both, "memory_search", in{"query": "short"}), false, "x (store "+elsewhere+")", "en.md (store "+id+")")
	if got := use(t, both, "memory_search", in{"query": "short", "store": "other"}); strings.Contains(got.Text, "en.md") {
		t.Errorf("in one store: %s", got.Text)
	}
	says(t, use(t, box, "memory_search", in{"query": ""}), true, "query is empty")
	for i := range 30 {
		use(t, box, "memory_write", in{"path": fmt.Sprint("many/", i), "content": "needle"})
	}
	many := use(t, box, "memory_search", in{"query": "needle"})
	says(t, many, false, "the search ends with 20 results")
	if n := strings.Count(many.Text, "many/"); n != 20 {
		t.Errorf("%d results", n)
	}
}

func TestListIsBounded(t *testing.T) {
	b := newBed(t, "cloud")
	id := b.memoryStore("n", "")
	box, _ := b.open(store.MemoryStoreUse{ID: id})
	check(t, b.Atomically(t.Context(), func(ctx context.Context) error {
		for i := range 201 {
			_, err := b.CreateMemory(ctx, "acme", id, store.MemorySpec{Path: fmt.Sprint(i)}, b.rules.Token("tok_1"))
			check(t, err)
		}
		return nil
	}))
	got := use(t, box, "memory_list", in{})
	says(t, got, false, "There are more than 200 entries")
	if n := strings.Count(got.Text, "bytes"); n != 200 {
		t.Errorf("%d entries", n)
	}
}

func TestRefused(t *testing.T) {
	b := newBed(t, "cloud")
	first, second, same := b.memoryStore("one", ""), b.memoryStore("two", ""), b.memoryStore("two", "")
	box, _ := b.open(store.MemoryStoreUse{ID: first, ReadOnly: true}, store.MemoryStoreUse{ID: second}, store.MemoryStoreUse{ID: same})
	_, err := b.CreateMemory(t.Context(), "acme", first, store.MemorySpec{Path: "a", Content: "kept"}, b.rules.Token("tok_1"))
	check(t, err)
	for _, c := range []struct {
		tool  string
		input in
		want  string
	}{
		{"memory_write", in{"store": "one", "path": "b", "content": ""}, "read only"},
		{"memory_write", in{"store": "one", "path": "a", "content": "x"}, "read only"},
		{"memory_delete", in{"store": first, "path": "a"}, "read only"},
		{"memory_read", in{"path": "a"}, "Say which memory store"},
		{"memory_read", in{"store": "two", "path": "a"}, "Several memory stores"},
		{"memory_read", in{"store": "memstore_x", "path": "a"}, "There is no memory store"},
		{"memory_search", in{"store": "x", "query": "a"}, "There is no memory store"},
		{"memory_list", in{"store": "x"}, "There is no memory store"},
		{"memory_read", in{"store": "one", "path": "../a"}, "'..'"},
		{"memory_read", in{"store": "one", "path": ""}, "must name a memory"},
		{"memory_write", in{"store": second, "path": "a", "content": strings.Repeat("x", 102401)}, "102400 bytes"},
		{"memory_write", in{"store": second, "path": "a", "content": "\x00"}, "NUL"},
		{"memory_write", in{"store": second, "path": "a", "content": 1}, "does not fit"},
		{"memory_read", in{"store": second, "path": "a", "other": 1}, "does not fit"},
	} {
		says(t, use(t, box, c.tool, c.input), true, c.want)
	}
	says(t, use(t, box, "memory_read", in{"store": "one", "path": "a"}), false, "kept")
	_, err = b.ArchiveMemoryStore(t.Context(), "acme", second)
	check(t, err)
	says(t, use(t, box, "memory_write", in{"store": second, "path": "a", "content": "x"}), true, "is archived")
	check(t, b.DeleteMemoryStore(t.Context(), "acme", second))
	for tool, input := range map[string]in{"memory_read": {"path": "a"}, "memory_list": {}, "memory_write": {"path": "a", "content": ""}, "memory_delete": {"path": "a"}} {
		input["store"] = second
		says(t, use(t, box, tool, input), true, "was not found.")
	}
	says(t, use(t, box, "memory_search", in{"query": "kept"}), false, "a (store "+first+")") // the others go on
}

// A failure of the database ends the turn instead of being told to the agent.
func TestDatabaseFails(t *testing.T) {
	b := newBed(t, "cloud")
	box, _ := b.open(store.MemoryStoreUse{ID: b.memoryStore("n", "")})
	check(t, b.Close())
	for _, tool := range box.Tools {
		if _, err := tool.Run(t.Context(), json.RawMessage(`{"path":"a","content":"","query":"x"}`)); !errors.Is(err, store.ErrUnavailable) && tool.Name == "memory_read" {
			t.Errorf("%s: %v", tool.Name, err)
		}
	}
}
