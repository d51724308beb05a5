package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
)

// What get prints can be edited and given to create and update, which name what they ignore.
func TestRecordsAreRequests(t *testing.T) {
	t.Parallel()
	api := demo(t)
	session := id(t, api, "create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment)
	for _, tc := range []struct {
		noun, id, edit, to string
		created, updated   string // what is ignored
	}{
		{"agents", server.DemoAgent, "name: test-agent-e2e", "name: edited",
			"created_at, id, type, updated_at, version", "created_at, id, type, updated_at"},
		{"environments", server.DemoEnvironment, "name: default", "name: edited",
			"created_at, id, status, type, updated_at", "created_at, id, status, type, updated_at"},
		{"sessions", session, `title: ""`, "title: edited",
			"agent.created_at, agent.default_environment, agent.description, agent.instructions, agent.mcp_servers, agent.metadata, agent.model, agent.name, " +
				"agent.skills, agent.system, agent.tools, agent.updated_at, agent_id, created_at, id, status, type, updated_at, usage",
			"agent, agent_id, created_at, environment_id, environment_variables, id, memory_store_ids, resources, status, type, updated_at, usage, vault_ids"},
	} {
		t.Run(tc.noun, func(t *testing.T) {
			t.Parallel()
			record := ok(t, api, tc.noun, "get", tc.id, "-o", "yaml")
			edited := strings.Replace(record, tc.edit, tc.to, 1)
			if edited == record {
				t.Fatalf("no %s in %s", tc.edit, record)
			}
			for _, run := range []struct{ args, ignored string }{
				{tc.noun + " create --file -", tc.created},
				{tc.noun + " update " + tc.id + " --file -", tc.updated},
			} {
				p := prepare(t, api, strings.Fields(run.args)...)
				p.Stdin = strings.NewReader(edited)
				code := p.end(t)
				var shown struct{ ID, Name, Title string }
				if err := json.Unmarshal(p.out.Bytes(), &shown); code != exitOK || err != nil || shown.Name+shown.Title != "edited" {
					t.Fatalf("%s: exit code %d, %v: %s%s", run.args, code, err, &p.out, &p.err)
				}
				command, _, _ := strings.Cut(run.args, " --file")
				command = strings.TrimSuffix(command, " "+tc.id)
				want := "Ignored in --file, because 'sessions " + command + "' does not set them: " + run.ignored + ".\n"
				if p.said() != want {
					t.Errorf("said\n%swant\n%s", p.said(), want)
				}
			}
		})
	}
}

// A flag changes a field of a record that has the field under two names.
func TestAFlagChangesARecordOfAnAgent(t *testing.T) {
	t.Parallel()
	api := demo(t)
	file := filepath.Join(t.TempDir(), "agent.json")
	if err := os.WriteFile(file, []byte(ok(t, api, "agents", "get", server.DemoAgent)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := prepare(t, api, "agents", "update", server.DemoAgent, "--file", file, "--system", "Be brief.")
	var agent client.Agent
	if code := p.end(t); code != exitOK || json.Unmarshal(p.out.Bytes(), &agent) != nil || agent.Instructions != "Be brief." {
		t.Errorf("exit code %d: %s%s", code, &p.out, &p.err)
	}
}

// A session's files and memory stores are requests without what the server adds to them.
func TestResourcesOfARecordAreRequests(t *testing.T) {
	t.Parallel()
	api := demo(t, func(c *server.Config) { c.Features = []string{server.FeatureM3} })
	file := strings.TrimSpace(okWith(t, fed(t, "19 chairs", api, "files", "upload", "-", "--name", "plan.txt", "-o", "id")))
	store := id(t, api, "memory", "stores", "create", "--name", "Notes")
	session := id(t, api, "create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment, "--resource", file, "--memory-store", store)
	p := fed(t, ok(t, api, "get", session), api, "create", "--file", "-")
	var again client.Session
	if code := p.end(t); code != exitOK || json.Unmarshal(p.out.Bytes(), &again) != nil || len(again.Resources) != 2 {
		t.Errorf("exit code %d: %s%s", code, &p.out, &p.err)
	}
	if !strings.Contains(p.said(), "resources[].created_at, resources[].") {
		t.Errorf("said %s", p.said())
	}
}

// fed is a process that reads a text.
func fed(t *testing.T, text, api string, args ...string) *program {
	t.Helper()
	p := prepare(t, api, args...)
	p.Stdin = strings.NewReader(text)
	return p
}
