package server_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
)

// pageBody is exactly the body of the documentation page's curl command.
const pageBody = `{
"agent": "agent_019e390add9f7bac9b6cc806db46fcbd",
"environment_id": "env_019e2590d33f711fabf42f2857cecd8a",
"title": "我的会话",
"metadata": {"purpose": "customer-support"}
}`

// pageResponse is the documentation page's response without the fields that differ from session to session.
const pageResponse = `{
"type": "session",
"agent_id": "agent_019e390add9f7bac9b6cc806db46fcbd",
"agent": {
"id": "agent_019e390add9f7bac9b6cc806db46fcbd",
"type": "agent",
"name": "test-agent-e2e",
"description": "E2E 测试用 Agent",
"model": "ultimate",
"instructions": "你是一个测试助手",
"system": "你是一个测试助手",
"tools": [],
"mcp_servers": [],
"default_environment": "",
"version": 2,
"created_at": "2026-05-18T03:04:33.952256Z",
"updated_at": "2026-05-18T03:05:28.023697Z"
},
"environment_id": "env_019e2590d33f711fabf42f2857cecd8a",
"title": "我的会话",
"status": "idle",
"resources": [],
"vault_ids": [],
"memory_store_ids": [],
"usage": {
"input_tokens": 0,
"output_tokens": 0,
"cache_read_input_tokens": 0,
"cache_creation": {
"ephemeral_5m_input_tokens": 0,
"ephemeral_1h_input_tokens": 0
}
}
}`

// contains returns the parts of want, an object, that got does not have.
func contains(want, got any, at string) []string {
	object, ok := want.(map[string]any)
	if !ok {
		if diff := cmp.Diff(want, got); diff != "" {
			return []string{at + ": " + diff}
		}
		return nil
	}
	var missing []string
	have, _ := got.(map[string]any)
	for name, v := range object {
		missing = append(missing, contains(v, have[name], at+"/"+name)...)
	}
	return missing
}

func TestThePagesCurlGetsThePagesResponse(t *testing.T) {
	var want any
	if err := json.Unmarshal([]byte(pageResponse), &want); err != nil {
		t.Fatal(err)
	}
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "sessions.db")
	var ids []string
	for run := range 2 { // the second run is the same database after a restart
		h := startOn(t, dsn)
		for range 20 {
			got := h.do(request{method: "POST", path: "/sessions", body: pageBody, token: "pt-demo"})
			if got.status != 201 {
				t.Fatalf("run %d: %d %s", run, got.status, got.body)
			}
			if missing := contains(want, got.field(), ""); len(missing) > 0 {
				t.Fatalf("run %d: %s", run, missing)
			}
			if got.field("created_at") != got.field("updated_at") {
				t.Errorf("created_at %v, updated_at %v", got.field("created_at"), got.field("updated_at"))
			}
			ids = append(ids, got.field("id").(string))
		}
		for _, id := range ids {
			if got := h.do(request{method: "GET", path: "/sessions/" + id, token: "pt-demo"}); got.status != 200 || got.field("id") != id {
				t.Errorf("run %d: %d %s", run, got.status, got.body)
			}
		}
		h.stop()
	}
}

func TestSessionFields(t *testing.T) {
	h := start(t)
	memories := strings.TrimPrefix(h.memoryStore(), "/memory_stores/")
	got := h.do(request{method: "POST", path: "//v1/sessions", body: h.createBody(map[string]any{
		"memory_store_ids": []string{memories}, "environment_variables": map[string]string{"A": "b"},
	})})
	for name, want := range map[string]any{
		"title": "", "metadata": map[string]any{}, "environment_variables": map[string]any{"A": "b"},
		"memory_store_ids": []any{memories}, "archived_at": nil, "created_at": "2026-11-24T10:00:00Z",
	} {
		if diff := cmp.Diff(want, got.field(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got.field("usage", "total_credits") != 0.0 {
		t.Errorf("usage: %v", got.field("usage"))
	}
}

func TestAPinnedVersionIsKept(t *testing.T) {
	h := start(t)
	agent := map[string]any{"id": server.DemoAgent, "type": "agent", "version": 1}
	body, _ := json.Marshal(map[string]any{"agent": agent, "environment_id": server.DemoEnvironment})
	got := h.do(request{method: "POST", path: "/sessions", body: string(body), token: "pt-demo"})
	if got.status != 201 || got.field("agent", "version") != 1.0 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestAnotherAccountSeesNothing(t *testing.T) {
	h := start(t)
	session := h.mustCreate("/sessions", h.createBody(nil))
	for _, path := range []string{"/sessions/" + session, "/agents/" + h.agent, "/environments/" + h.environment} {
		if got := h.do(request{method: "GET", path: path, token: bobToken}); got.status != 404 {
			t.Errorf("GET %s: %d %s", path, got.status, got.body)
		}
		if got := h.do(request{method: "GET", path: path}); got.status != 200 {
			t.Errorf("GET %s as its owner: %d %s", path, got.status, got.body)
		}
	}
	for _, list := range []string{"/sessions", "/agents", "/environments"} {
		if got := h.do(request{method: "GET", path: list, token: bobToken}); len(got.field("data").([]any)) != 0 {
			t.Errorf("GET %s: %s", list, got.body)
		}
	}
	if got := h.do(request{method: "GET", path: "/sessions?after_id=" + session, token: bobToken}); got.status != 400 {
		t.Errorf("another account's cursor: %d %s", got.status, got.body)
	}
}

func TestListsWalkBothWays(t *testing.T) {
	h := start(t)
	var newestFirst []string
	for range 7 {
		newestFirst = append([]string{h.mustCreate("/sessions", h.createBody(nil))}, newestFirst...)
	}
	walk := func(query, cursor, next string) []string {
		var ids []string
		for page, at := 0, ""; page < 10; page++ {
			path := "/sessions?limit=3" + query
			if at != "" {
				path += "&" + cursor + "=" + at
			}
			got := h.do(request{method: "GET", path: path})
			var list struct {
				Data                      []struct{ ID string }
				FirstID, LastID, NextPage *string
				HasMore                   bool `json:"has_more"`
			}
			if err := json.Unmarshal([]byte(strings.NewReplacer("first_id", "FirstID", "last_id", "LastID", "next_page", "NextPage").Replace(string(got.body))), &list); err != nil {
				t.Fatal(err)
			}
			var part []string
			for _, s := range list.Data {
				part = append(part, s.ID)
			}
			if cursor == "before_id" {
				ids = append(part, ids...)
			} else {
				ids = append(ids, part...)
			}
			if !list.HasMore {
				if list.NextPage != nil {
					t.Errorf("next_page %q on the last page", *list.NextPage)
				}
				return ids
			}
			at = *map[string]*string{"first": list.FirstID, "last": list.LastID, "next": list.NextPage}[next]
		}
		return ids
	}
	oldestFirst := reversed(newestFirst)
	if diff := cmp.Diff(newestFirst, walk("", "after_id", "last")); diff != "" {
		t.Errorf("after_id: %s", diff)
	}
	if diff := cmp.Diff(newestFirst, walk("", "page", "next")); diff != "" {
		t.Errorf("page: %s", diff)
	}
	if diff := cmp.Diff(oldestFirst, walk("&order=asc", "page", "next")); diff != "" {
		t.Errorf("ascending: %s", diff)
	}
	before := h.do(request{method: "GET", path: "/sessions?limit=3&before_id=" + newestFirst[5]})
	if before.field("first_id") != newestFirst[2] || before.field("last_id") != newestFirst[4] || before.field("has_more") != true {
		t.Errorf("before_id: %s", before.body)
	}
	empty := h.do(request{method: "GET", path: "/sessions?before_id=" + newestFirst[0]})
	if diff := cmp.Diff(map[string]any{"data": []any{}, "first_id": nil, "last_id": nil, "has_more": false, "next_page": nil}, empty.field()); diff != "" {
		t.Errorf("empty: %s", diff)
	}
	if got := h.do(request{method: "GET", path: "/sessions?beta=true&unknown=1", header: map[string]string{"X-Qoder-Lang": "go"}}); got.status != 200 {
		t.Errorf("unknown query parameters are ignored: %d %s", got.status, got.body)
	}
}

func reversed(ids []string) []string {
	out := make([]string, 0, len(ids))
	for i := range ids {
		out = append(out, ids[len(ids)-1-i])
	}
	return out
}

func TestAgentsAndEnvironmentsComeBackAsTheyWent(t *testing.T) {
	h := start(t)
	for path, body := range map[string]string{
		"/agents": `{"name":"n","model":{"id":"auto"},"instructions":"do","description":"d","default_environment":"env_1","metadata":{"k":"v"},
			"tools":[{"type":"agent_toolset_20260401","enabled_tools":["Read"]},{"type":"custom","name":"t","input_schema":{"type":"object","x":12345678901234567890,"X":1}},{"type":"mcp_toolset","mcp_server_name":"m"}],
			"mcp_servers":[{"type":"http","name":"m","url":"https://mcp.tracker.example/"}]}`,
		"/environments": `{"name":"n","description":"d","metadata":{"k":"v"},"config":{"type":"cloud","networking":{"type":"limited","allowed_hosts":["a.b:443"]},"packages":{"pip":["x==1"]},"setup_script":"true"}}`,
	} {
		var sent map[string]any
		decoder := json.NewDecoder(strings.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&sent); err != nil {
			t.Fatal(err)
		}
		got := h.do(request{method: "POST", path: path, body: body})
		if got.status != 201 {
			t.Fatalf("POST %s: %d %s", path, got.status, got.body)
		}
		again := h.do(request{method: "GET", path: fmt.Sprintf("%s/%s", path, got.field("id"))})
		if diff := cmp.Diff(string(got.body), string(again.body)); diff != "" {
			t.Errorf("get differs from create: %s", diff)
		}
		if path == "/agents" {
			sent["model"], sent["system"] = "auto", "do"
		}
		var back map[string]any
		decoder = json.NewDecoder(strings.NewReader(string(got.body)))
		decoder.UseNumber()
		if err := decoder.Decode(&back); err != nil {
			t.Fatal(err)
		}
		if missing := contains(sent, back, ""); len(missing) > 0 {
			t.Errorf("%s lost %s", path, missing)
		}
	}
}
