package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/yamlfile"
	"github.com/cloud-sessions/sessions/server"
)

// fields reads a JSON object and picks some of its fields.
func fields(t *testing.T, text string, names ...string) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	picked := map[string]any{}
	for _, name := range names {
		picked[name] = all[name]
	}
	return picked
}

func TestTheLifeOfASession(t *testing.T) {
	t.Parallel()
	api := demo(t, func(c *server.Config) { c.Features = []string{server.FeatureM3} })
	vault := func() string {
		return strings.TrimSpace(ok(t, api, "vaults", "create", "--display-name", "v", "-o", "id"))
	}
	vault1, vault2 := vault(), vault()
	uploads := make([]string, 4)
	for i := range uploads {
		uploads[i] = id(t, api, "files", "upload", upload(t, "report.csv", "a,b\n"))
	}
	created := ok(t, api, "create", "--agent", server.DemoAgent+"@2", "--environment", server.DemoEnvironment, "--title", "我的会话",
		"--metadata", "purpose=customer-support", "--metadata", "a=b=c", "--env", "LOG_LEVEL=debug", "--delta-flush-interval-ms", "250",
		"--memory-store", server.DemoMemoryStore, "--vault", vault1, "--vault", vault2, "--resource", uploads[0], "--resource", uploads[1]+":/mnt/b.csv")
	want := map[string]any{
		"title": "我的会话", "status": "idle", "metadata": map[string]any{"purpose": "customer-support", "a": "b=c"},
		"environment_variables": map[string]any{"LOG_LEVEL": "debug"}, "memory_store_ids": []any{server.DemoMemoryStore}, "vault_ids": []any{vault1, vault2},
	}
	if diff := cmp.Diff(want, fields(t, created, slices.Collect(maps.Keys(want))...)); diff != "" {
		t.Error(diff)
	}
	session := fields(t, created, "id")["id"].(string)
	if got := ok(t, api, "get", session); got != created {
		t.Errorf("get: %s", cmp.Diff(created, got))
	}
	if got := ok(t, api, "sessions", "get", session); got != created {
		t.Errorf("under the long name: %s", cmp.Diff(created, got))
	}
	updated := ok(t, api, "update", session, "--title", "", "--metadata", "ticket=T-1029", "--remove-metadata", "purpose", "--remove-metadata", "a")
	want = map[string]any{"title": "", "metadata": map[string]any{"ticket": "T-1029"}}
	if diff := cmp.Diff(want, fields(t, updated, "title", "metadata")); diff != "" {
		t.Error(diff)
	}
	if got := ok(t, api, "cancel", session, "-o", "table"); got != "ID      "+session+"\nSTATUS  no turn to stop\n" {
		t.Errorf("cancel: %s", got)
	}

	var files []struct {
		ID        string
		MountPath string `json:"mount_path"`
	}
	if err := json.Unmarshal([]byte(ok(t, api, "resources", "add", session, uploads[2], uploads[3]+":/mnt/d.csv")), &files); err != nil || len(files) != 5 {
		t.Fatalf("%v: %v", err, files)
	}
	files = files[1:] // the memory store is the first
	paths := []string{files[0].MountPath, files[1].MountPath, files[2].MountPath, files[3].MountPath}
	if diff := cmp.Diff([]string{"/mnt/session/uploads/" + uploads[0], "/mnt/b.csv", "/mnt/session/uploads/" + uploads[2], "/mnt/d.csv"}, paths); diff != "" {
		t.Error(diff)
	}
	if got := fields(t, ok(t, api, "resources", "get", session, files[3].ID), "file_id"); got["file_id"] != uploads[3] {
		t.Errorf("get: %v", got)
	}
	if got := id(t, api, "resources", "delete", session, files[3].ID); got != files[3].ID {
		t.Errorf("delete: %s", got)
	}
	if got := strings.Fields(ok(t, api, "resources", "list", session, "-o", "id")); len(got) != 4 || slices.Contains(got, files[3].ID) {
		t.Errorf("list: %v", got)
	}

	if got := fields(t, ok(t, api, "archive", session), "archived_at"); got["archived_at"] == nil {
		t.Error("archive: no archived_at")
	}
	if got := ok(t, api, "list"); got != "[]\n" {
		t.Errorf("list: %s", got)
	}
	if got := ok(t, api, "list", "--include-archived", "-o", "id"); got != session+"\n" {
		t.Errorf("list --include-archived: %s", got)
	}
	if got := fields(t, ok(t, api, "delete", session), "id", "type"); !cmp.Equal(got, map[string]any{"id": session, "type": "session_deleted"}) {
		t.Errorf("delete: %v", got)
	}
	if p := prepare(t, api, "get", session); p.end(t) != exitNotFound {
		t.Errorf("get after delete: %s", &p.err)
	}
}

func TestTheLifeOfAnAgent(t *testing.T) {
	t.Parallel()
	api := demo(t)
	agent := id(t, api, "agents", "create", "--name", "notes", "--model", "auto", "--system", "You write notes.", "--description", "d", "--metadata", "team=docs")
	for range 2 { // each based on the latest version
		ok(t, api, "agents", "update", agent, "--model", "ultimate", "--remove-metadata", "team")
	}
	got := fields(t, ok(t, api, "agents", "get", agent), "version", "model", "system", "metadata")
	if diff := cmp.Diff(map[string]any{"version": 3., "model": "ultimate", "system": "You write notes.", "metadata": map[string]any{}}, got); diff != "" {
		t.Error(diff)
	}
	if got := fields(t, ok(t, api, "agents", "get", agent, "--version", "1"), "version", "model"); !cmp.Equal(got, map[string]any{"version": 1., "model": "auto"}) {
		t.Errorf("version 1: %v", got)
	}
	table := "ID" + strings.Repeat(" ", len(agent)) + "NAME   VERSION  MODEL     UPDATED\n"
	if got := ok(t, api, "agents", "versions", agent, "--order", "asc", "--after", "1", "-o", "table"); !strings.HasPrefix(got, table) || strings.Count(got, "\n") != 3 {
		t.Errorf("versions: %s", got)
	}
	if got := fields(t, ok(t, api, "agents", "archive", agent), "archived_at"); got["archived_at"] == nil {
		t.Error("archive: no archived_at")
	}
	if got := ok(t, api, "agents", "list", "-o", "id"); got != server.DemoAgent+"\n" {
		t.Errorf("list: %s", got)
	}
	if got := id(t, api, "agents", "delete", agent); got != agent {
		t.Errorf("delete: %s", got)
	}
}

func TestTheLifeOfAnEnvironment(t *testing.T) {
	t.Parallel()
	api := demo(t)
	created := ok(t, api, "environments", "create", "--name", "ci", "--type", "cloud", "--networking", "limited", "--allow-host", "a.example",
		"--allow-host", "b.example", "--allow-package-managers", "--allow-mcp-servers=false", "--setup-script", "go version", "--apt", "git", "--pip", "numpy")
	want := map[string]any{"config": map[string]any{
		"type": "cloud", "setup_script": "go version", "packages": map[string]any{"apt": []any{"git"}, "pip": []any{"numpy"}},
		"networking": map[string]any{"type": "limited", "allowed_hosts": []any{"a.example", "b.example"}, "allow_package_managers": true, "allow_mcp_servers": false},
	}}
	if diff := cmp.Diff(want, fields(t, created, "config")); diff != "" {
		t.Error(diff)
	}
	environment := fields(t, created, "id")["id"].(string)
	if got := fields(t, ok(t, api, "envs", "update", environment, "--name", "checks"), "name", "config"); got["name"] != "checks" || !cmp.Equal(got["config"], want["config"]) {
		t.Errorf("update: %v", got)
	}
	if got := ok(t, api, "environments", "get", environment); !strings.Contains(got, `"checks"`) {
		t.Errorf("get: %s", got)
	}
	if got := fields(t, ok(t, api, "environments", "archive", environment), "status"); got["status"] != "archived" {
		t.Errorf("archive: %v", got)
	}
	if got := ok(t, api, "environments", "list", "-o", "id"); got != server.DemoEnvironment+"\n" {
		t.Errorf("list: %s", got)
	}
	if got := id(t, api, "environments", "delete", environment); got != environment {
		t.Errorf("delete: %s", got)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	if got := ok(t, demo(t), "models", "list", "-o", "id"); !strings.HasPrefix(got, "ultimate\nauto\n") {
		t.Errorf("%s", got)
	}
}

// A request is read from a file or standard input, as JSON or YAML, and flags win over it.
func TestRequestsFromFiles(t *testing.T) {
	t.Parallel()
	api := demo(t)
	names := []string{"name", "model", "system", "metadata", "tools"}
	want := map[string]any{
		"name": "given", "model": "auto", "system": "line 1\nline 2 😀", "metadata": map[string]any{"2026-05-18": "2026-05-19", "team": "docs"},
		"tools": []any{map[string]any{"type": "agent_toolset_20260401", "enabled_tools": []any{"Read"}}},
	}
	const asYAML = `
# a comment
name: from the file
model: {id: auto}
system: |-
  line 1
  line 2 😀
metadata:
  2026-05-18: 2026-05-19
  team: ops
tools:
  - type: agent_toolset_20260401
    enabled_tools: [Read]
`
	const asJSON = `{"name": "from the file", "model": "auto", "system": "line 1\nline 2 \ud83d\ude00",
	"metadata": {"2026-05-18": "2026-05-19", "team": "ops"}, "tools": [{"type": "agent_toolset_20260401", "enabled_tools": ["Read"]}]}`
	for name, content := range map[string]string{"agent.yaml": asYAML, "agent.json": asJSON, "agent": asJSON, "-": asYAML} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, api, "agents", "create", "--name", "given", "--metadata", "team=docs", "--file", name)
			if name == "-" {
				p.Stdin = strings.NewReader(content)
			} else if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, fields(t, okWith(t, p), names...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A string in YAML keeps its spelling, in any field that the contract says holds strings. A byte order mark is skipped,
// and an anchor may stand for its value.
func TestStringsKeepTheirSpelling(t *testing.T) {
	t.Parallel()
	api := demo(t)
	for _, text := range []string{"1.10", "012", "yes", "true", "0x1F", "2026-05-18", "1_000", "1e3", ".inf", "12:30:45"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, api, "create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment, "-f", "-")
			p.Stdin = strings.NewReader("\ufefftitle: &t " + text + "\nmetadata: {012: " + text + ", b: *t}\ndelta_flush_interval_ms: 1_000")
			created := fields(t, okWith(t, p), "id", "title", "metadata")
			want := map[string]any{"id": created["id"], "title": text, "metadata": map[string]any{"012": text, "b": text}}
			if diff := cmp.Diff(want, created); diff != "" {
				t.Error(diff)
			}
			p = prepare(t, api, "update", created["id"].(string), "-f", "-")
			p.Stdin = strings.NewReader("title: 2.50\nmetadata: {b: null, c: " + text + "}")
			want["title"], want["metadata"] = "2.50", map[string]any{"012": text, "c": text}
			if diff := cmp.Diff(want, fields(t, okWith(t, p), "id", "title", "metadata")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What one command writes another one reads.
func TestOutputIsInput(t *testing.T) {
	t.Parallel()
	api := demo(t)
	patch := `{"version": 2, "system": "yes", "metadata": {"a": "true", "b": "0x10", "c": "line\nbreak", "d": "\u007f<&>"}}`
	p := prepare(t, api, "agents", "update", server.DemoAgent, "-f", "-")
	p.Stdin = strings.NewReader(patch)
	first := fields(t, okWith(t, p), "system", "metadata")
	for _, form := range []string{"json", "jsonl", "yaml"} {
		shown := ok(t, api, "agents", "get", server.DemoAgent, "-o", form)
		doc, err := yamlfile.Value(form, []byte(shown), nil)
		if form != "yaml" {
			doc, err = parseJSON(form, []byte(shown))
		}
		if err != nil {
			t.Fatalf("%v: %s", err, shown)
		}
		got := doc.(map[string]any)
		if diff := cmp.Diff(first, map[string]any{"system": got["system"], "metadata": got["metadata"]}); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
	}
}

func TestAWriteIsRepeatedByItsKey(t *testing.T) {
	t.Parallel()
	api := demo(t)
	args := []string{"create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment, "--idempotency-key", "order-4711"}
	if first, second := id(t, api, args...), id(t, api, args...); first != second {
		t.Errorf("%s and then %s", first, second)
	}
}

// aliases are operations that differ from another one only in their HTTP method; those at another path say so in the contract.
var aliases = map[string]bool{"putAgent": true, "putEnvironment": true, "putMemory": true}

// walk calls visit with every visible command of the tree that calls an operation.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	if cmd.Annotations[operationAnnotation] != "" {
		visit(cmd)
	}
	for _, inner := range cmd.Commands() {
		if !inner.Hidden {
			walk(inner, visit)
		}
	}
}

// spec is the contract as it is written. Its parser is not that of OpenAPI documents, whose start would take longer than the
// rest of most of the processes that the tests start.
type spec map[string]any

func contract(t *testing.T) spec {
	t.Helper()
	data, err := api.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var s spec
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// at returns the object that a value is or refers to; nil if it is none.
func (s spec) at(value any) map[string]any {
	object, _ := value.(map[string]any)
	ref, _ := object["$ref"].(string)
	if ref == "" {
		return object
	}
	referred := any(map[string]any(s))
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		referred = referred.(map[string]any)[step]
	}
	return s.at(referred)
}

// operations returns the operations by their ids.
func (s spec) operations() map[string]map[string]any {
	operations := map[string]map[string]any{}
	for _, item := range s.at(s["paths"]) {
		for _, op := range s.at(item) { // its parameters are a list, not an object
			if id, ok := s.at(op)["operationId"].(string); ok {
				operations[id] = s.at(op)
			}
		}
	}
	return operations
}

func TestEveryOperationHasACommand(t *testing.T) {
	operations := contract(t).operations()
	walk(newApp(nil).command(), func(cmd *cobra.Command) {
		name := cmd.Annotations[operationAnnotation]
		if operations[name] == nil {
			t.Errorf("%s calls %s, which the contract does not have", cmd.CommandPath(), name)
		}
		aliases[name] = true
	})
	for _, name := range []string{"pollWork", "heartbeatWork"} { // sessions worker sends them, with the official worker
		aliases[name] = true
	}
	for name, op := range operations {
		if !aliases[name] && op["x-go-alias"] == nil {
			t.Errorf("no command calls %s: run make gen, or add one by hand with newCommand(operation{id: %q})", name, name)
		}
	}
}

// Every parameter and every field has a flag or an argument, but for those that are better given in a file.
func TestEveryParameterHasAFlag(t *testing.T) {
	elsewhere := map[string]string{
		"limit": "--limit", "page": "--after and --before", "Idempotency-Key": "--idempotency-key", "X-Idempotency-Key": "--idempotency-key",
		"created_at[gt]": "--created-after", "created_at[lte]": "--created-before", "include_archived": "--include-archived", "statuses[]": "--status",
		"precondition": "another name of --based-on", "tools": "--file", "mcp_servers": "--file", "skills": "--file", "instructions": "another name of --system",
		"credentials": "--file", "display_name": "not kept of a credential", // whose flat form is another one of --type and the like:
		"type": "--type", "mcp_server_url": "--mcp-server-url", "protocol": "--file", "access_token": "--secret-file",
		"Worker-ID": "of workers", "Anthropic-Worker-ID": "as Worker-ID",
		"file": "FILE", "filename": "--name", "after": "--after", "before": "--before",
		"Range": "download resumes by itself", "If-Range": "as Range", "If-None-Match": "the caller has nothing", "If-Modified-Since": "as If-None-Match",
	}
	doc := contract(t)
	operations, found := doc.operations(), 0
	walk(newApp(nil).command(), func(cmd *cobra.Command) {
		if strings.HasPrefix(cmd.Use, "add ") {
			return // its arguments are the body
		}
		op := operations[cmd.Annotations[operationAnnotation]]
		var params []string
		parameters, _ := op["parameters"].([]any)
		for _, p := range parameters {
			params = append(params, doc.at(p)["name"].(string))
		}
		for _, media := range doc.at(doc.at(op["requestBody"])["content"]) {
			params = slices.AppendSeq(params, maps.Keys(doc.at(doc.at(doc.at(media)["schema"])["properties"])))
		}
		found += len(params)
		for _, param := range params {
			if len(flagsFor(cmd, param)) > 0 || elsewhere[param] != "" {
				continue
			}
			if nested := flagsWithin(cmd, param); nested == 0 {
				t.Errorf("%s has no flag for %s", cmd.CommandPath(), param)
			}
		}
	})
	if found < len(operations) {
		t.Errorf("%d operations have %d parameters and fields", len(operations), found)
	}
}

// flagsWithin counts cmd's flags that set a part of a parameter.
func flagsWithin(cmd *cobra.Command, param string) (n int) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if slices.ContainsFunc(f.Annotations[paramAnnotation], func(path string) bool { return strings.HasPrefix(path, param+".") }) {
			n++
		}
	})
	return n
}

func TestMemoryOnTheCommandLine(t *testing.T) {
	t.Parallel()
	api := demo(t)
	store := id(t, api, "memory", "stores", "create", "--name", "Notes", "--metadata", "a=b")
	file := filepath.Join(t.TempDir(), "notes.md")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"one\r\n\x1b[2J", "two"} {
		write(text)
		put := ok(t, api, "memory", "put", store, "/users/a.md", file)
		if got := fields(t, put, "path", "size"); got["path"] != "users/a.md" || got["size"] != float64(len(text)) || strings.Contains(put, `"content"`) {
			t.Errorf("put: %s", put)
		}
		if got := ok(t, api, "memory", "cat", store, "users/a.md"); got != text {
			t.Errorf("cat: %q", got)
		}
	}
	p := prepare(t, api, "memory", "put", store, "users/b.md", "-")
	p.Stdin = strings.NewReader("from a pipe")
	if code := p.end(t); code != exitOK {
		t.Fatalf("put -: %d %s", code, p.said())
	}
	if got := ok(t, api, "memory", "put", store, "users/b.md", file, "-o", "table"); !strings.Contains(got, "users/b.md") || !strings.Contains(got, "mem_") || strings.Count(got, "\n") != 2 {
		t.Errorf("put on a terminal: %s", got)
	}
	if got := ok(t, api, "memory", "list", store, "--depth", "1", "-o", "table"); !strings.Contains(got, "users/") || strings.Contains(got, "a.md") {
		t.Errorf("directory: %s", got)
	}
	if got := ok(t, api, "memory", "list", store, "--prefix", "users/", "-o", "table"); !strings.Contains(got, "users/a.md") || !strings.Contains(got, "users/b.md") {
		t.Errorf("list: %s", got)
	}
	if got := ok(t, api, "memory", "versions", "list", store, "--operation", "updated", "-o", "id"); strings.Count(got, "memver_") != 2 {
		t.Errorf("versions: %s", got)
	}
	stale := prepare(t, api, "memory", "delete", store, strings.TrimSpace(ok(t, api, "memory", "list", store, "--prefix", "users/a", "-o", "id")), "--based-on", strings.Repeat("0", 64))
	if code := stale.end(t); code == exitOK || !strings.Contains(stale.said(), "has changed") {
		t.Errorf("stale deletion: %d %s", code, stale.said())
	}
	missing := prepare(t, api, "memory", "cat", store, "users")
	if code := missing.end(t); code != exitNotFound || !strings.Contains(missing.said(), "there is no memory at users") {
		t.Errorf("missing: %d %s", code, missing.said())
	}
	write(strings.Repeat("x", 102401))
	fails(t, unused(t), exitUsage, file+" has 102401 bytes; a memory has at most 102400", "memory", "put", store, "large.md", file)
	fails(t, api, exitUsage, `"notes.txt" is not the id of a file; 'sessions files upload' uploads a file and prints its id; change --resource`,
		"create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment, "--resource", "notes.txt")
}
