package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// post sends a body to a path as alice.
func (h *harness) post(path, body string) answer {
	h.t.Helper()
	return h.do(request{method: "POST", path: path, body: body})
}

// get reads a path as alice.
func (h *harness) get(path string) answer {
	h.t.Helper()
	return h.do(request{method: "GET", path: path})
}

// remove deletes a path as alice.
func (h *harness) remove(path string) answer {
	h.t.Helper()
	return h.do(request{method: "DELETE", path: path})
}

// expect checks the status and some fields of a response.
func expect(t *testing.T, got answer, status int, fields map[string]any) {
	t.Helper()
	if got.status != status {
		t.Errorf("%d, want %d: %s", got.status, status, got.body)
	}
	for name, want := range fields {
		if diff := cmp.Diff(want, got.field(strings.Split(name, ".")...)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// ids returns the ids in the response of a list.
func (a answer) ids() []string {
	ids := []string{}
	data, _ := a.field("data").([]any)
	for _, item := range data {
		ids = append(ids, item.(map[string]any)["id"].(string))
	}
	return ids
}

func conflict(message, param string) refusal {
	return refusal{409, "conflict_error", param, message}
}

func TestUpdateSession(t *testing.T) {
	h := start(t)
	id := h.mustCreate("/sessions", h.createBody(map[string]any{"title": "old", "metadata": map[string]string{"a": "1", "b": "2"}}))
	path := "/sessions/" + id
	h.clock.advance(1_000_000)
	same := h.post(path, `{}`)
	expect(t, same, 200, map[string]any{"title": "old", "updated_at": "2026-11-24T10:00:00Z"})
	expect(t, h.post(path, `{"metadata":{"a":null,"c":"3"}}`), 200, map[string]any{
		"metadata": map[string]any{"b": "2", "c": "3"}, "title": "old",
		"created_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T10:00:00.001Z",
	})
	expect(t, h.post(path, `{"metadata":null,"title":"new"}`), 200, map[string]any{"title": "new", "metadata": map[string]any{"b": "2", "c": "3"}})
	expect(t, h.post(path, `{"title":null}`), 200, map[string]any{"title": ""})
	patch := map[string]any{}
	for i := range 15 {
		patch[fmt.Sprint(i)] = "x"
	}
	full, _ := json.Marshal(map[string]any{"metadata": patch})
	h.expectRefusal(t, request{method: "POST", path: path, body: string(full)},
		badRequest("metadata", "After the change, field 'metadata' must have at most 16 entries."))
	for _, fixed := range []string{"agent", "environment_id", "delta_flush_interval_ms", "vault_ids", "memory_store_ids", "resources", "status"} {
		h.expectRefusal(t, request{method: "POST", path: path, body: `{"` + fixed + `":null}`}, badRequest(fixed, "Unknown field '"+fixed+"'."))
	}
	expect(t, h.get(path), 200, map[string]any{"title": "", "metadata": map[string]any{"b": "2", "c": "3"}})
}

func TestArchiveSession(t *testing.T) {
	h := start(t, openGate)
	id := h.mustCreate("/sessions", h.createBody(nil))
	path := "/sessions/" + id
	h.clock.advance(1_000_000)
	archivedAt := "2026-11-24T10:00:00.001Z"
	expect(t, h.post(path+"/archive", ""), 200, map[string]any{"archived_at": archivedAt, "updated_at": archivedAt, "status": "idle"})
	h.clock.advance(1_000_000)
	expect(t, h.post(path+"/archive", ""), 200, map[string]any{"archived_at": archivedAt, "updated_at": archivedAt})
	expect(t, h.get(path), 200, map[string]any{"archived_at": archivedAt})
	if ids := h.get("/sessions").ids(); len(ids) != 0 {
		t.Errorf("listed: %s", ids)
	}
	if ids := h.get("/sessions?include_archived=true").ids(); len(ids) != 1 {
		t.Errorf("not listed: %s", ids)
	}
	frozen := conflict("Session '"+id+"' is archived and takes no changes.", "")
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"title":"x"}`}, frozen)
	h.expectRefusal(t, request{method: "POST", path: path + "/resources", body: `{"type":"file","file_id":"` + h.file("a", "") + `"}`}, frozen)
	h.expectRefusal(t, request{method: "DELETE", path: path + "/resources/sesr_1"}, frozen)
	expect(t, h.post(path+"/cancel", ""), 200, map[string]any{"id": id, "type": "session", "status": "canceling"})
	expect(t, h.remove(path), 200, map[string]any{"id": id, "type": "session_deleted"})
}

func TestDeleteSession(t *testing.T) {
	h := start(t, openGate)
	first, second := h.mustCreate("/sessions", h.createBody(nil)), h.mustCreate("/sessions", h.createBody(nil))
	expect(t, h.remove("/sessions/"+second), 200, map[string]any{"id": second, "type": "session_deleted"})
	gone := refusal{404, "not_found_error", "", "Session '" + second + "' was not found."}
	for _, o := range operations(t) {
		if strings.Contains(o.template, "{session_id}") {
			if got := refusalOf(h.do(o.at(map[string]string{"session_id": second}))); got != gone {
				t.Errorf("%s: %+v", o.id, got)
			}
		}
	}
	if diff := cmp.Diff([]string{first}, h.get("/sessions?after_id="+second).ids()); diff != "" {
		t.Errorf("as a cursor: %s", diff)
	}
}

func TestListSessionsFilters(t *testing.T) {
	h := start(t)
	other := h.mustCreate("/agents", `{"name":"b","model":"m"}`)
	var ids []string
	for i := range 4 {
		agent := h.agent
		if i%2 == 1 {
			agent = other
		}
		ids = append(ids, h.mustCreate("/sessions", h.createBody(map[string]any{"agent": agent})))
		h.clock.advance(1_000_000_000)
	}
	at := func(i int) string { return fmt.Sprintf("2026-11-24T10:00:%02dZ", i) }
	for query, want := range map[string][]string{
		"agent_id=" + other:                                             {ids[3], ids[1]},
		"agent_id=" + other + "&order=asc":                              {ids[1], ids[3]},
		"created_at[gt]=" + at(1):                                       {ids[3], ids[2]},
		"created_at[gte]=" + at(1):                                      {ids[3], ids[2], ids[1]},
		"created_at[lt]=" + at(1):                                       {ids[0]},
		"created_at[lte]=" + at(1):                                      {ids[1], ids[0]},
		"created_at[gte]=" + at(1) + "&created_at[lt]=" + at(3):         {ids[2], ids[1]},
		"created_at%5Bgt%5D=2026-11-24T11:00:01%2B01:00&order=asc":      {ids[2], ids[3]},
		"agent_id=" + h.agent + "&created_at[gt]=" + at(0) + "&limit=1": {ids[2]},
		"agent_id=agent_unknown":                                        {},
		"statuses[]=idle&statuses[]=processing&limit=2":                 {ids[3], ids[2]},
	} {
		if diff := cmp.Diff(want, h.get("/sessions?"+query).ids()); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for query, param := range map[string]string{
		"created_at[gt]=yesterday": "created_at[gt]", "statuses[]=busy": "statuses[]", "statuses[]=idle&statuses[]=idle": "statuses[]", "agent_id=x": "agent_id",
	} {
		if got := refusalOf(h.get("/sessions?" + query)); got.Status != 400 || got.Param != param {
			t.Errorf("%s: %+v", query, got)
		}
	}
}

func TestResources(t *testing.T) {
	h := start(t, openGate)
	id := h.mustCreate("/sessions", h.createBody(nil))
	path := "/sessions/" + id + "/resources"
	files := h.files(103)
	one := h.post(path, `{"type":"file","file_id":"`+files[0]+`"}`)
	expect(t, one, 200, map[string]any{"type": "file", "file_id": files[0], "mount_path": "/mnt/session/uploads/" + files[0]})
	first := one.field("id").(string)
	several := h.post(path, `{"resources":[{"type":"file","file_id":"`+files[1]+`","mount_path":"/two"},{"type":"file","file_id":"`+files[2]+`"}]}`)
	expect(t, several, 200, map[string]any{"id": id, "type": "session"})
	listed := h.get(path)
	if len(listed.ids()) != 3 || listed.ids()[2] != first {
		t.Fatalf("%s", listed.body)
	}
	if diff := cmp.Diff(listed.ids()[1:2], h.get(path+"?limit=1&after_id="+listed.ids()[0]).ids()); diff != "" {
		t.Error(diff)
	}
	expect(t, h.get(path+"?order=asc&limit=2"), 200, map[string]any{"first_id": first, "has_more": true})
	expect(t, h.get(path+"?limit=1&before_id="+first), 200, map[string]any{"first_id": listed.ids()[1], "has_more": true, "next_page": nil})
	expect(t, h.get(path+"/"+first), 200, map[string]any{"id": first})
	taken := conflict("Session '"+id+"' has a resource at '/two' already.", "")
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"type":"file","file_id":"` + files[3] + `","mount_path":"/two"}`}, taken)
	for at, other := range map[string]string{"/two/a": "/two", "/mnt/session": "/mnt/session/uploads/" + files[0]} {
		around := conflict("Session '"+id+"' has a resource at '"+other+"', and one at '"+at+"' would lie in it or around it; choose another path.", "")
		h.expectRefusal(t, request{method: "POST", path: path, body: `{"type":"file","file_id":"` + files[3] + `","mount_path":"` + at + `"}`}, around)
	}
	for _, at := range []string{"/mnt", "/mnt/memory", "/mnt/memory/m1", "/mnt/memory/m1/a.md"} {
		reserved := badRequest("resources[0].mount_path", "Field 'resources[0].mount_path' must be neither in nor above /mnt/memory, the folder of memory stores.")
		body := `{"type":"file","file_id":"` + files[3] + `","mount_path":"` + at + `"}`
		h.expectRefusal(t, request{method: "POST", path: path, body: body}, reserved)
		h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"resources": json.RawMessage("[" + body + "]")})}, reserved)
	}
	for _, paths := range [][2]string{{"/a/b", "/a/b/c"}, {"/a/b/c", "/a/b"}} {
		h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"resources": []any{
			map[string]any{"type": "file", "file_id": files[3], "mount_path": paths[0]}, map[string]any{"type": "file", "file_id": files[4], "mount_path": paths[1]},
		}})}, badRequest("resources", "One of the resources at '"+paths[0]+"' and '"+paths[1]+"' would lie in the other; choose another path."))
	}
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"type":"file","file_id":"` + files[0] + `","mount_path":"/else"}`},
		refusal{409, "invalid_request_error", "", "The session has file '" + files[0] + "' already; a session has a file once."})
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"resources":[{"type":"file","file_id":"` + files[4] + `"},{"type":"file","file_id":"file_x"}]}`},
		refusal{404, "not_found_error", "", "File 'file_x' was not found."})
	const badPath = "must be an absolute path of at most 512 bytes without '.' or '..' segments, empty segments, control or format characters."
	const badText = "must be an absolute path without '.' or '..' segments, control or format characters."
	for bad, want := range map[string]refusal{
		`"mount_path":"/a/../b"`:  badRequest("resources[0].mount_path", "Field 'resources[0].mount_path' "+badPath),
		`"mount_path":"/a/"`:      badRequest("resources[0].mount_path", "Field 'resources[0].mount_path' "+badPath),
		`"path":"//a"`:            badRequest("resources[0].mount_path", "Field 'resources[0].mount_path' "+badPath),
		`"mount_path":"/a\u001b"`: badRequest("resources[0].mount_path", "Field 'resources[0].mount_path' "+badText),
		`"mount_path":"../a"`:     badRequest("resources[0].mount_path", "Field 'resources[0].mount_path' "+badText),
		`"path":"a/b"`:            badRequest("resources[0].path", "Field 'resources[0].path' "+badText),
		`"mount_path":"/./a"`:     badRequest("resources[0].mount_path", "Field 'resources[0].mount_path' "+badPath),
		`"mount_path":"/` + strings.Repeat("值", 171) + `"`: badRequest("resources[0].mount_path", "Field 'resources[0].mount_path' "+badPath),
		`"mount_path":"/a","path":"/b"`:                    badRequest("resources[0].path", "Field 'resources[0].path' is another name of 'mount_path'; send one of them."),
	} {
		h.expectRefusal(t, request{method: "POST", path: path, body: `{"resources":[{"type":"file","file_id":"` + files[4] + `",` + bad + `}]}`}, want)
	}
	for body, want := range map[string]refusal{
		`{}`:                             badRequest("type", "Missing required field: type"),
		`{"file_id":"file_1"}`:           badRequest("type", "Missing required field: type"),
		`{"type":"file"}`:                badRequest("file_id", "Missing required field: file_id"),
		`{"type":"file","resources":[]}`: badRequest("resources", "Send either one resource or a list under 'resources', not both."),
		`{"resources":[{"type":"x","file_id":"file_1"}]}`: badRequest("resources[0].type", "Field 'resources[0].type' must be 'file'."),
	} {
		h.expectRefusal(t, request{method: "POST", path: path, body: body}, want)
	}
	expect(t, h.remove(path+"/"+first), 200, map[string]any{"id": first, "type": "session_resource_deleted"})
	h.expectRefusal(t, request{method: "GET", path: path + "/" + first}, refusal{404, "not_found_error", "", "Resource '" + first + "' was not found."})
	var many []string
	for _, id := range files[4:103] {
		many = append(many, fmt.Sprintf(`{"type":"file","file_id":"%s"}`, id))
	}
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"resources":[` + strings.Join(many, ",") + `]}`},
		badRequest("resources", "After the change, field 'resources' must be an array of at most 100 items."))
	expect(t, h.post(path, `{"resources":[`+strings.Join(many[1:], ",")+`]}`), 200, nil)
	expect(t, h.get("/sessions/"+id), 200, nil)
}

func TestUpdateAgent(t *testing.T) {
	h := start(t)
	created := h.post("/agents", `{"name":"n","model":"m","system":"s","metadata":{"a":"1"},"tools":[{"type":"custom","name":"t","input_schema":{}}],"skills":[{"type":"custom","skill_id":"skill_1"}]}`)
	id := created.field("id").(string)
	path := "/agents/" + id
	session := h.post("/sessions", h.createBody(map[string]any{"agent": id}))
	h.clock.advance(1_000_000)
	expect(t, h.post(path, `{"version":1,"instructions":"i","metadata":{"a":null,"b":"2"},"tools":[]}`), 200, map[string]any{
		"version": 2.0, "name": "n", "system": "i", "instructions": "i", "metadata": map[string]any{"b": "2"}, "tools": []any{},
		"skills": []any{map[string]any{"type": "custom", "skill_id": "skill_1"}}, "created_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T10:00:00.001Z",
	})
	expect(t, h.do(request{method: "PUT", path: path, body: `{"version":2,"model":{"id":"auto"}}`}), 200, map[string]any{"version": 3.0, "model": "auto", "system": "i"})
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"version":2}`}, conflict("Version conflict. Expected version 3, got 2.", "version"))
	h.expectRefusal(t, request{method: "PUT", path: path, body: `{"name":"x"}`}, badRequest("version", "Missing required field: version"))
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"version":3,"tools":[{"type":"mcp_toolset","mcp_server_name":"nope"}]}`},
		badRequest("tools[0].mcp_server_name", "Field 'tools[0].mcp_server_name' must name one of mcp_servers; 'nope' is not one of them."))
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"version":3,"tools":[{"type":"custom","name":"t","input_schema":{}},{"type":"custom","name":"t","input_schema":{}}]}`},
		badRequest("tools[1].name", "Field 'tools[1].name' must be unique; 't' is used twice."))
	const servers = `"mcp_servers":[{"type":"http","name":"m","url":"https://m.example/mcp"}]`
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"version":3,` + servers + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"m"},{"type":"mcp_toolset","mcp_server_name":"m"}]}`},
		badRequest("tools[1].mcp_server_name", "Field 'tools[1].mcp_server_name' must be unique; 'm' is used twice."))
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"version":3,` + servers + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"m","configs":[{"name":"a"},{"name":"b"},{"name":"a"}]}]}`},
		badRequest("tools[0].configs[2].name", "Field 'tools[0].configs[2].name' must be unique; 'a' is used twice."))
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"version":3,"tools":[{"type":"agent_toolset_20260401","configs":[{"name":"WebFetch"},{"name":"web_fetch"}]}]}`},
		badRequest("tools[0].configs[1].name", "Field 'tools[0].configs[1].name' must be unique; 'web_fetch' is used twice."))
	if again := h.get("/sessions/" + session.field("id").(string)); string(again.body) != string(session.body) {
		t.Errorf("the session's agent changed: %s", again.body)
	}
	expect(t, h.get(path+"?version=1"), 200, map[string]any{"version": 1.0, "system": "s", "metadata": map[string]any{"a": "1"}})
	pinned := h.post("/sessions", h.createBody(map[string]any{"agent": map[string]any{"id": id, "version": 2}}))
	expect(t, pinned, 201, map[string]any{"agent.version": 2.0, "agent.system": "i", "agent.model": "m"})
	versions := h.get(path + "/versions?limit=2")
	expect(t, versions, 200, map[string]any{"first_id": "3", "last_id": "2", "has_more": true, "next_page": "2"})
	expect(t, h.get(path+"/versions?page=2"), 200, map[string]any{"first_id": "1", "last_id": "1", "has_more": false})
	expect(t, h.get(path+"/versions?order=asc&limit=1"), 200, map[string]any{"first_id": "1", "next_page": "1"})
	expect(t, h.get(path+"/versions?before_id=1&limit=1"), 200, map[string]any{"first_id": "2", "has_more": true})
	const lower = `[{"type":"agent_toolset_20260401","enabled_tools":["bash","Read"],"configs":[{"name":"bash","permission_policy":"always_ask"}]}]`
	if got := h.post(path, `{"version":3,"tools":`+lower+`}`); got.status != 200 || !strings.Contains(string(got.body), `"enabled_tools":["bash","Read"]`) {
		t.Errorf("names are answered as they are written: %d %s", got.status, got.body)
	}
}

// The URL of an MCP server is shown to all who see the agent, so it holds no password; and it names a host.
func TestURLsOfMCPServers(t *testing.T) {
	h := start(t)
	vault := h.mustCreate("/vaults", `{"display_name":"v"}`)
	for _, url := range []string{
		"http://user:password@m.example/mcp", "https://user@m.example/", "http:///mcp", "http://:80/", "http://m.example:99999/",
		"http://m.example:0/", "http://a\\\\@m.example/", "http://[::1/",
	} {
		h.expectRefusal(t, request{method: "POST", path: "/agents", body: `{"name":"a","model":"m","mcp_servers":[{"type":"http","name":"m","url":"` + url + `"}]}`},
			badRequest("mcp_servers[0].url", "Field 'mcp_servers[0].url' must be an http or https URL with a host, a port up to 65535 and no user name."))
		h.expectRefusal(t, request{method: "POST", path: "/vaults/" + vault + "/credentials", body: `{"auth":{"type":"static_bearer","mcp_server_url":"` + url + `","token":"t"}}`},
			badRequest("auth.mcp_server_url", "Field 'auth.mcp_server_url' must be an http or https URL with a host, a port up to 65535 and no user name."))
	}
	for _, url := range []string{"https://m.example", "http://M.example:8443/mcp?a=b", "http://[::1]:8080/", "http://127.0.0.1/"} {
		h.mustCreate("/agents", `{"name":"a","model":"m","mcp_servers":[{"type":"http","name":"m","url":"`+url+`"}]}`)
	}
}

func TestArchiveAndDeleteAgent(t *testing.T) {
	h := start(t)
	session := h.mustCreate("/sessions", h.createBody(nil))
	path := "/agents/" + h.agent
	h.clock.advance(1_000_000)
	expect(t, h.post(path+"/archive", ""), 200, map[string]any{"archived_at": "2026-11-24T10:00:00.001Z", "version": 1.0})
	expect(t, h.post(path+"/archive", ""), 200, map[string]any{"archived_at": "2026-11-24T10:00:00.001Z"})
	h.expectRefusal(t, request{method: "POST", path: path, body: `{"version":1}`}, conflict("Agent '"+h.agent+"' is archived and takes no changes.", ""))
	h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(nil)}, badRequest("agent", "Agent '"+h.agent+"' is archived and cannot be used for new sessions."))
	if ids := h.get("/agents").ids(); len(ids) != 0 {
		t.Errorf("listed: %s", ids)
	}
	expect(t, h.get("/sessions/"+session), 200, map[string]any{"agent.archived_at": nil})
	expect(t, h.remove(path), 200, map[string]any{"id": h.agent, "type": "agent_deleted"})
	for _, o := range operations(t) {
		if strings.Contains(o.template, "{agent_id}") {
			if got := refusalOf(h.do(o.at(map[string]string{"agent_id": h.agent}))); got.Status != 404 || got.Message != "Agent '"+h.agent+"' was not found." {
				t.Errorf("%s: %+v", o.id, got)
			}
		}
	}
	expect(t, h.get("/sessions/"+session), 200, map[string]any{"agent.id": h.agent})
	h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(nil)}, refusal{404, "not_found_error", "", "Agent '" + h.agent + "' was not found."})
}

func TestEnvironmentsLife(t *testing.T) {
	h := start(t)
	path := "/environments/" + h.environment
	session := h.mustCreate("/sessions", h.createBody(nil))
	h.clock.advance(1_000_000)
	expect(t, h.post(path, `{"metadata":{"a":"1"},"description":"d"}`), 200, map[string]any{"description": "d", "name": "e", "metadata": map[string]any{"a": "1"}, "updated_at": "2026-11-24T10:00:00.001Z"})
	expect(t, h.do(request{method: "PUT", path: path, body: `{"config":{"type":"self_hosted"},"name":"x"}`}), 200, map[string]any{"config": map[string]any{"type": "self_hosted"}, "name": "x", "description": "d"})
	h.expectRefusal(t, request{method: "DELETE", path: path}, conflict("Environment '"+h.environment+"' is used by sessions; archive it instead.", ""))
	expect(t, h.post(path+"/archive", ""), 200, map[string]any{"status": "archived"})
	h.expectRefusal(t, request{method: "POST", path: path + "/archive"}, conflict("Environment '"+h.environment+"' is archived already.", ""))
	h.expectRefusal(t, request{method: "PUT", path: path, body: `{}`}, conflict("Environment '"+h.environment+"' is archived and takes no changes.", ""))
	expect(t, h.get("/sessions/"+session), 200, nil)
	expect(t, h.remove("/sessions/"+session), 200, nil)
	expect(t, h.remove(path), 200, map[string]any{"id": h.environment, "type": "environment_deleted"})
	for _, o := range operations(t) {
		if strings.Contains(o.template, "{environment_id}") {
			if got := refusalOf(h.do(o.at(map[string]string{"environment_id": h.environment}))); got.Status != 404 {
				t.Errorf("%s: %+v", o.id, got)
			}
		}
	}
}

func TestListModels(t *testing.T) {
	h := start(t)
	got := h.get("/models")
	expect(t, got, 200, map[string]any{"has_more": false})
	if ids := got.ids(); len(ids) == 0 || ids[0] != "ultimate" {
		t.Errorf("%s", got.body)
	}
}
