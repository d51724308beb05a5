package server_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
)

// memoryStore creates a memory store of alice and returns its path.
func (h *harness) memoryStore() string {
	h.t.Helper()
	return "/memory_stores/" + h.mustCreate("/memory_stores", `{"name":"User notes","description":"d","metadata":{"a":"b"}}`)
}

// mustDo sends a request as alice that must succeed.
func (h *harness) mustDo(method, path, body string) answer {
	h.t.Helper()
	got := h.do(request{method: method, path: path, body: body})
	if got.status >= 300 {
		h.t.Fatalf("%s %s: %d %s", method, path, got.status, got.body)
	}
	return got
}

// texts returns a field of each record of a list.
func texts(list answer, field string) (all []string) {
	records, _ := list.field("data").([]any)
	for _, r := range records {
		all = append(all, fmt.Sprint(r.(map[string]any)[field]))
	}
	return all
}

// memoryBody is a body of createMemory.
func memoryBody(path, content string) string {
	data, _ := json.Marshal(map[string]string{"path": path, "content": content})
	return string(data)
}

func sha(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func TestMemoryStoreLife(t *testing.T) {
	h := start(t)
	path := h.memoryStore()
	got := h.mustDo("GET", path, "")
	for name, want := range map[string]any{
		"type": "memory_store", "name": "User notes", "description": "d", "status": "active", "entry_count": 0.0, "total_size": 0.0,
		"metadata": map[string]any{"a": "b"}, "archived_at": nil, "created_at": "2026-11-24T10:00:00Z",
	} {
		if diff := cmp.Diff(want, got.field(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	h.clock.advance(time.Hour)
	got = h.mustDo("POST", path, `{"description":"","metadata":{"a":null,"c":"d"}}`)
	if got.field("name") != "User notes" || got.field("description") != "" || got.field("metadata", "c") != "d" || got.field("metadata", "a") != nil {
		t.Errorf("updated: %s", got.body)
	}
	other := h.memoryStore()
	for query, want := range map[string]int{"": 2, "?created_at[gte]=2026-11-24T11:00:00Z": 1, "?created_at[lte]=2026-11-24T10:30:00Z": 1} {
		if list := h.mustDo("GET", "/memory_stores"+query, ""); len(texts(list, "id")) != want {
			t.Errorf("%s: %s", query, list.body)
		}
	}
	first := h.mustDo("POST", path+"/archive", "")
	again := h.do(request{method: "POST", path: path + "/archive", header: map[string]string{"Content-Type": ""}}) // as the SDK sends it
	if first.field("status") != "archived" || string(first.body) != string(again.body) {
		t.Errorf("archived: %s, then %d %s", first.body, again.status, again.body)
	}
	want := refusal{409, "invalid_request_error", "", "MemoryStore '" + strings.TrimPrefix(path, "/memory_stores/") + "' is archived and takes no changes."}
	for _, r := range []request{{method: "POST", path: path, body: `{"name":"x"}`}, {method: "POST", path: path + "/memories", body: memoryBody("a", "")}} {
		if got := refusalOf(h.do(r)); got != want {
			t.Errorf("%s: %+v", r.path, got)
		}
	}
	if list := h.mustDo("GET", "/memory_stores", ""); len(texts(list, "id")) != 1 {
		t.Errorf("list: %s", list.body)
	}
	if list := h.mustDo("GET", "/memory_stores?include_archived=true", ""); len(texts(list, "id")) != 2 {
		t.Errorf("list with archived ones: %s", list.body)
	}
	for _, p := range []string{path, other} {
		if got := h.mustDo("DELETE", p, ""); got.field("type") != "memory_store_deleted" {
			t.Errorf("deleted: %s", got.body)
		}
		if got := h.do(request{method: "DELETE", path: p}); got.status != 404 {
			t.Errorf("deleted again: %d %s", got.status, got.body)
		}
	}
}

func TestMemoryFields(t *testing.T) {
	h := start(t)
	path := h.memoryStore()
	id := strings.TrimPrefix(path, "/memory_stores/")
	got := h.mustDo("POST", path+"/memories?beta=true", `{"path":"/用户/a.md","content":"喜欢 <b>\n","metadata":{"k":"v"}}`)
	text := "喜欢 <b>\n"
	for name, want := range map[string]any{
		"type": "memory", "store_id": id, "memory_store_id": id, "path": "用户/a.md", "content": text, "size": float64(len(text)),
		"content_size_bytes": float64(len(text)), "content_sha256": sha(text), "version": 1.0, "metadata": map[string]any{"k": "v"},
	} {
		if diff := cmp.Diff(want, got.field(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	memory := path + "/memories/" + got.field("id").(string)
	if read := h.mustDo("GET", memory, ""); string(read.body) != string(got.body) {
		t.Errorf("read: %s", read.body)
	}
	if basic := h.mustDo("GET", memory+"?view=basic", ""); basic.field("content") != nil || basic.field("content_sha256") != sha(text) {
		t.Errorf("basic: %s", basic.body)
	}
	if in := h.mustDo("GET", path, ""); in.field("entry_count") != 1.0 || in.field("total_size") != float64(len(text)) {
		t.Errorf("store: %s", in.body)
	}
}

// A path has one canonical form; what has none is refused, in a request of either kind.
func TestMemoryPaths(t *testing.T) {
	h := start(t)
	store := h.memoryStore()
	made := h.mustDo("POST", store+"/memories", memoryBody("first", ""))
	long := strings.Repeat("é", 511) // 1022 bytes
	for path, want := range map[string]string{
		"a": "a", "/b": "b", "c/d.md": "c/d.md", "...": "...", "x/.hidden": "x/.hidden", "a b": "a b", "用户/笔记": "用户/笔记", long + "xy": long + "xy", "/" + long + "x": long + "x", "%2e%2e": "%2e%2e",
	} {
		if got := h.do(request{method: "POST", path: store + "/memories", body: memoryBody(path, "")}); got.status != 201 || got.field("path") != want {
			t.Errorf("%q: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{
		"", "/", "//", "//a", "a/", "a//b", ".", "..", "./a", "a/.", "../a", "a/../b", "a/..", "/../a", "/./a", "a\\b", "..\\a", "a\nb", "a\x00", "a\x7f", "\t",
		"a\u0085b", "a\u200bb", "a\u202eb", "\ufeffa", "a\u2028b", "a\u2029", "e\u0301", long + "xyz", strings.Repeat("x", 1025),
	} {
		for _, r := range []request{
			{method: "POST", path: store + "/memories", body: memoryBody(path, "")},
			{method: "POST", path: store + "/memories/" + made.field("id").(string), body: memoryBody(path, "")},
		} {
			if got := refusalOf(h.do(r)); got.Status != 400 || got.Param != "path" || got.Message == "" {
				t.Errorf("%q: %+v", path, got)
			}
		}
	}
	if got := refusalOf(h.do(request{method: "POST", path: store + "/memories", body: memoryBody("/first", "")})); got.Status != 409 || got.Param != "path" {
		t.Errorf("the same path with a slash: %+v", got)
	}
}

func TestMemoryContents(t *testing.T) {
	h := start(t)
	store := h.memoryStore()
	for i, content := range []string{"", "\t\r\n\u2028\x01", strings.Repeat("\n", 102400), strings.Repeat("界", 34133)} {
		if got := h.do(request{method: "POST", path: store + "/memories", body: memoryBody(fmt.Sprint(i), content)}); got.status != 201 || got.field("content") != content {
			t.Errorf("%d bytes: %d %.200s", len(content), got.status, got.body)
		}
	}
	for name, body := range map[string]string{
		"too long": memoryBody("x", strings.Repeat("x", 102401)), "too many bytes": memoryBody("x", strings.Repeat("界", 34134)),
		"NUL": `{"path":"x","content":"\u0000"}`, "a number": `{"path":"x","content":1}`, "null": `{"path":"x","content":null}`, "missing": `{"path":"x"}`,
	} {
		if got := refusalOf(h.do(request{method: "POST", path: store + "/memories", body: body})); got.Status != 400 || got.Param != "content" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := refusalOf(h.do(request{method: "POST", path: store + "/memories", body: "{\"path\":\"x\",\"content\":\"\xff\"}"})); got.Status != 400 {
		t.Errorf("not UTF-8: %+v", got)
	}
}

// A change says what it is based on, in one of several ways; one that is stale changes nothing.
func TestStaleMemoryChanges(t *testing.T) {
	h := start(t)
	path := h.memoryStore() + "/memories"
	memory := path + "/" + h.mustDo("POST", path, memoryBody("a", "one")).field("id").(string)
	h.mustDo("POST", path, memoryBody("taken", ""))
	now := h.mustDo("PUT", memory, `{"content":"two","version":1}`)
	if now.field("version") != 2.0 || now.field("content") != "two" {
		t.Fatalf("updated: %s", now.body)
	}
	for body, param := range map[string]string{
		`{"content":"x","version":1}`: "version", `{"content":"x","version":3}`: "version",
		`{"content":"x","content_sha256":"` + sha("one") + `"}`:                                          "content_sha256",
		`{"content":"x","precondition":{"type":"content_sha256","content_sha256":"` + sha("one") + `"}}`: "precondition.content_sha256",
		`{"content":"x","version":2,"content_sha256":"` + sha("one") + `"}`:                              "content_sha256",
		`{"path":"b","content_sha256":"` + sha("") + `"}`:                                                "content_sha256",
		`{"metadata":{"a":"b"},"version":1}`:                                                             "version",
		`{"path":"taken"}`:                                                                               "path",
		`{"path":"taken","version":2}`:                                                                   "path",
	} {
		for _, method := range []string{"POST", "PUT"} {
			if got := refusalOf(h.do(request{method: method, path: memory, body: body})); got.Status != 409 || got.Type != "conflict_error" || got.Param != param {
				t.Errorf("%s %s: %+v", method, body, got)
			}
		}
	}
	for _, hash := range []string{"", "x", sha("two")[1:], strings.ToUpper(sha("two")), "sha256:" + sha("two")} {
		if got := refusalOf(h.do(request{method: "POST", path: memory, body: `{"content":"x","content_sha256":"` + hash + `"}`})); got.Status != 400 || got.Param != "content_sha256" {
			t.Errorf("hash %q: %+v", hash, got)
		}
	}
	// What is so already is no change, whatever it is based on.
	if got := h.mustDo("POST", memory, `{"content":"two","path":"a","version":1}`); string(got.body) != string(now.body) {
		t.Errorf("nothing new: %s", got.body)
	}
	if got := h.do(request{method: "DELETE", path: memory + "?expected_content_sha256=" + sha("one")}); refusalOf(got).Param != "expected_content_sha256" || got.status != 409 {
		t.Errorf("stale deletion: %d %s", got.status, got.body)
	}
	if got := h.mustDo("GET", memory, ""); string(got.body) != string(now.body) {
		t.Errorf("after what was refused: %s", got.body)
	}
	moved := h.mustDo("POST", memory, `{"path":"/b/c","metadata":{"k":"v"},"version":2,"content_sha256":"`+sha("two")+`","precondition":{"type":"content_sha256","content_sha256":"`+sha("two")+`"}}`)
	if moved.field("path") != "b/c" || moved.field("content") != "two" || moved.field("metadata", "k") != "v" || moved.field("version") != 3.0 {
		t.Errorf("moved: %s", moved.body)
	}
	if got := h.mustDo("DELETE", memory+"?expected_content_sha256="+sha("two"), ""); got.field("type") != "memory_deleted" {
		t.Errorf("deleted: %s", got.body)
	}
	for _, r := range []request{{method: "GET", path: memory}, {method: "POST", path: memory, body: "{}"}, {method: "PUT", path: memory, body: "{}"}, {method: "DELETE", path: memory}} {
		if got := refusalOf(h.do(r)); got.Status != 404 || !strings.HasPrefix(got.Message, "Memory 'mem_") {
			t.Errorf("%s: %+v", r.method, got)
		}
	}
}

func TestMemoryLists(t *testing.T) {
	h := start(t)
	path := h.memoryStore() + "/memories"
	var all []string
	for _, p := range []string{"a", "dir/1", "dir/2", "dir.md", "dir/sub/x"} {
		all = append([]string{h.mustDo("POST", path, memoryBody(p, "text of "+p)).field("path").(string)}, all...)
		h.clock.advance(time.Second)
	}
	for query, want := range map[string][]string{
		"": all, "order=asc": reversed(all), "path_prefix=dir/": {"dir/sub/x", "dir/2", "dir/1"}, "path_prefix=%2Fdir": {"dir/sub/x", "dir.md", "dir/2", "dir/1"},
		"depth=1": {"a", "dir.md", "dir/"}, "depth=1&path_prefix=/dir/": {"dir/1", "dir/2", "dir/sub/"}, "path_prefix=none": nil, "depth=0&limit=2": all[:2],
	} {
		if got := texts(h.mustDo("GET", path+"?"+query, ""), "path"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{"", "&depth=1"} {
		if got := h.mustDo("GET", path+"?limit=1&view=full"+query, ""); texts(got, "content")[0] == "<nil>" {
			t.Errorf("%s: full: %s", query, got.body)
		}
		if got := h.mustDo("GET", path+"?limit=1"+query, ""); texts(got, "content")[0] != "<nil>" {
			t.Errorf("%s: basic: %s", query, got.body)
		}
		var walked []string
		for page := ""; ; {
			got := h.mustDo("GET", path+"?limit=2"+query+page, "")
			walked = append(walked, texts(got, "path")...)
			next, more := got.field("next_page").(string)
			if !more {
				break
			}
			page = "&page=" + next
		}
		if want := map[string]int{"": 5, "&depth=1": 3}[query]; len(walked) != want {
			t.Errorf("%s: walked %q", query, walked)
		}
	}
	for query, param := range map[string]string{"depth=2": "depth", "depth=-1": "depth", "view=all": "view", "path_prefix=": "path_prefix", "path_prefix=%00": "path_prefix", "depth=1&page=mem_unknown": "page"} {
		if got := refusalOf(h.do(request{method: "GET", path: path + "?" + query})); got.Status != 400 || got.Param != param {
			t.Errorf("%s: %+v", query, got)
		}
	}
	for i := range 20 {
		h.mustDo("POST", path, memoryBody(fmt.Sprint("many/", i), ""))
	}
	if got := h.mustDo("GET", path+"?limit=100&view=full", ""); len(texts(got, "id")) != 20 || got.field("has_more") != true {
		t.Errorf("a page with content has %d memories, more: %v", len(texts(got, "id")), got.field("has_more"))
	}
}

// Both paths lead to the same versions.
func TestMemoryVersions(t *testing.T) {
	h := start(t)
	store := h.memoryStore()
	first := h.mustDo("POST", store+"/memories", memoryBody("a", "secret"))
	memory := store + "/memories/" + first.field("id").(string)
	second := h.mustDo("POST", memory, `{"content":"public","path":"b"}`)
	h.mustDo("DELETE", memory, "")
	for _, base := range []string{"/versions", "/memory_versions"} {
		list := h.mustDo("GET", store+base+"?order=asc", "")
		if got := texts(list, "operation"); !slices.Equal(got, []string{"created", "updated", "deleted"}) {
			t.Errorf("%s: %s", base, list.body)
		}
		if got := texts(list, "content"); !slices.Equal(got, []string{"<nil>", "<nil>", "<nil>"}) {
			t.Errorf("%s: content in %s", base, list.body)
		}
		if got := texts(h.mustDo("GET", store+base+"?order=asc&view=full", ""), "content"); !slices.Equal(got, []string{"secret", "public", "<nil>"}) {
			t.Errorf("%s: full: %s", base, got)
		}
		for query, want := range map[string]int{
			"memory_id=" + first.field("id").(string): 3, "memory_id=mem_x": 0, "operation=deleted": 1, "session_id=sess_x": 0, "api_key_id=tok_x": 0,
			"created_at[gte]=2026-11-24T10:00:00Z": 3, "created_at[lte]=2026-11-24T09:00:00Z": 0, "limit=2": 2,
		} {
			if got := texts(h.mustDo("GET", store+base+"?"+query, ""), "id"); len(got) != want {
				t.Errorf("%s?%s: %s", base, query, got)
			}
		}
		version := h.mustDo("GET", store+base+"/"+second.field("memory_version_id").(string), "")
		for name, want := range map[string]any{
			"type": "memory_version", "memory_id": first.field("id"), "entry_id": first.field("id"), "path": "b", "entry_path": "b", "action": "updated", "operation": "updated",
			"version": 2.0, "content": "public", "size": 6.0, "content_size_bytes": 6.0, "content_sha256": sha("public"), "redacted": false, "redacted_at": nil,
		} {
			if diff := cmp.Diff(want, version.field(name)); diff != "" {
				t.Errorf("%s: %s: %s", base, name, diff)
			}
		}
		if got := version.field("created_by", "api_key_id"); version.field("created_by", "type") != "api_actor" || !strings.HasPrefix(fmt.Sprint(got), "tok_") {
			t.Errorf("created_by: %s", version.body)
		}
		if basic := h.mustDo("GET", store+base+"/"+second.field("memory_version_id").(string)+"?view=basic", ""); basic.field("content") != nil {
			t.Errorf("basic: %s", basic.body)
		}
	}
	h.clock.advance(time.Hour)
	for base, of := range map[string]answer{"/versions/": first, "/memory_versions/": second} {
		path := store + base + of.field("memory_version_id").(string)
		got := h.mustDo("POST", path+"/redact", "")
		if got.field("content") != nil || got.field("redacted") != true || got.field("redacted_at") != "2026-11-24T11:00:00Z" || got.field("path") != of.field("path") ||
			got.field("content_sha256") != of.field("content_sha256") || got.field("redacted_by", "type") != "api_actor" {
			t.Errorf("redacted: %s", got.body)
		}
		if read := h.mustDo("GET", path, ""); string(read.body) != string(got.body) {
			t.Errorf("read: %s", read.body)
		}
		if again := refusalOf(h.do(request{method: "POST", path: path + "/redact"})); again.Status != 409 || again.Type != "invalid_request_error" {
			t.Errorf("redacted again: %+v", again)
		}
	}
	current := h.mustDo("POST", store+"/memories", memoryBody("c", "x"))
	if got := refusalOf(h.do(request{method: "POST", path: store + "/memory_versions/" + current.field("memory_version_id").(string) + "/redact"})); got.Status != 409 || got.Type != "invalid_request_error" {
		t.Errorf("the current version: %+v", got)
	}
}

// Redaction and deletion reach the responses that are recorded for idempotency keys: the database no longer holds the
// content.
func TestMemoryContentIsGone(t *testing.T) {
	const secret = "canary-8f2a61"
	for name, erase := range map[string]func(h *harness, store string, first answer){
		"Redact": func(h *harness, store string, first answer) {
			h.mustDo("POST", store+"/memories/"+first.field("id").(string), `{"content":"public"}`)
			h.mustDo("POST", store+"/versions/"+first.field("memory_version_id").(string)+"/redact", "")
		},
		"Delete": func(h *harness, store string, _ answer) { h.mustDo("DELETE", store, "") },
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			store := h.memoryStore()
			r := request{method: "POST", path: store + "/memories", body: memoryBody("a", secret), header: keyed("k")}
			first := h.do(r)
			again := h.do(r)
			if first.status != 201 || string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" {
				t.Fatalf("replayed: %d %s %v", again.status, again.body, again.header)
			}
			later := h.do(request{method: "POST", path: store + "/memories/" + first.field("id").(string), body: `{"metadata":{"a":"b"}}`, header: keyed("later")})
			if replay := h.do(r); string(replay.body) != string(first.body) || later.status != 200 {
				t.Errorf("replayed after a change: %s", replay.body)
			}
			h.do(request{method: "POST", path: store + "/memories/" + first.field("id").(string), body: `{"content":"other"}`})
			h.mustDo("POST", store+"/memory_versions/"+later.field("memory_version_id").(string)+"/redact", "")
			erase(h, store, first)
			if got := refusalOf(h.do(r)); got.Status != 409 || got.Param != "Idempotency-Key" {
				t.Errorf("replayed after the erasure: %+v", got)
			}
			if dump := dumpOf(t, h); strings.Contains(dump, secret) {
				t.Error("the database still has the content")
			}
		})
	}
}

func TestMemoryQuota(t *testing.T) {
	h := start(t, func(c *server.Config) { c.MaxMemoryBytes = 5000 })
	path := h.memoryStore() + "/memories"
	h.mustDo("POST", path, memoryBody("a", strings.Repeat("x", 3000)))
	got := refusalOf(h.do(request{method: "POST", path: path, body: memoryBody("b", strings.Repeat("x", 3000))}))
	if got.Status != 409 || got.Type != "conflict_error" || !strings.Contains(got.Message, "5000 bytes") {
		t.Errorf("%+v", got)
	}
	if list := h.mustDo("GET", path, ""); len(texts(list, "id")) != 1 {
		t.Errorf("%s", list.body)
	}
}

func TestSessionsHaveMemoryStores(t *testing.T) {
	h := start(t, openGate)
	ids := make([]string, 22)
	for i := range ids {
		ids[i] = strings.TrimPrefix(h.memoryStore(), "/memory_stores/")
	}
	resource := func(id string, more map[string]any) map[string]any {
		r := map[string]any{"type": "memory_store", "memory_store_id": id}
		for name, v := range more {
			r[name] = v
		}
		return r
	}
	created := h.do(request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{
		"memory_store_ids": []string{ids[0], ids[1]},
		"resources": []any{
			map[string]any{"type": "file", "file_id": h.file("a.txt", "x")}, resource(ids[1], map[string]any{"access": "read_only", "instructions": "Look first."}), resource(ids[2], nil),
		},
	})})
	if created.status != 201 {
		t.Fatalf("%d %s", created.status, created.body)
	}
	if diff := cmp.Diff([]any{ids[0], ids[1], ids[2]}, created.field("memory_store_ids")); diff != "" {
		t.Error(diff)
	}
	resources := created.field("resources").([]any)
	if len(resources) != 4 {
		t.Fatalf("resources: %v", resources)
	}
	second := resources[1].(map[string]any)
	for name, want := range map[string]any{
		"type": "memory_store", "memory_store_id": ids[1], "access": "read_only", "instructions": "Look first.", "name": "User notes", "description": "d",
		"mount_path": "/mnt/memory/" + ids[1],
	} {
		if diff := cmp.Diff(want, second[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if first := resources[0].(map[string]any); first["access"] != "read_write" || first["mount_path"] != "/mnt/memory/user-notes" || first["instructions"] != nil {
		t.Errorf("first: %v", first)
	}
	session := "/sessions/" + created.field("id").(string)
	if got := h.mustDo("GET", session, ""); string(got.body) != string(created.body) {
		t.Errorf("read: %s", got.body)
	}
	one := session + "/resources/" + second["id"].(string)
	if got := h.mustDo("GET", one, ""); got.field("memory_store_id") != ids[1] {
		t.Errorf("resource: %s", got.body)
	}
	if got := refusalOf(h.do(request{method: "DELETE", path: one})); got.Status != 409 || got.Type != "conflict_error" {
		t.Errorf("removed: %+v", got)
	}
	if got := refusalOf(h.do(request{method: "POST", path: session + "/resources", body: `{"resources":[{"type":"memory_store","memory_store_id":"` + ids[3] + `"}]}`})); got.Status != 400 {
		t.Errorf("added: %+v", got)
	}
	h.mustDo("POST", "/memory_stores/"+ids[3]+"/archive", "")
	h.mustDo("DELETE", "/memory_stores/"+ids[0], "")
	foreign := h.do(request{method: "POST", path: "/memory_stores", body: `{"name":"n"}`, token: bobToken}).field("id").(string)
	missing := func(id string) refusal {
		return refusal{404, "not_found_error", "", "MemoryStore '" + id + "' was not found."}
	}
	for name, c := range map[string]struct {
		body map[string]any
		want refusal
	}{
		"unknown":           {map[string]any{"memory_store_ids": []string{"memstore_x"}}, missing("memstore_x")},
		"deleted":           {map[string]any{"memory_store_ids": []string{ids[1], ids[0]}}, missing(ids[0])},
		"another account's": {map[string]any{"memory_store_ids": []string{foreign}}, missing(foreign)},
		"unknown resource":  {map[string]any{"resources": []any{resource("memstore_x", nil)}}, missing("memstore_x")},
		"archived": {map[string]any{"memory_store_ids": []string{ids[3]}},
			refusal{400, "invalid_request_error", "memory_store_ids", "MemoryStore '" + ids[3] + "' is archived and cannot be used for new sessions."}},
		"archived resource": {map[string]any{"resources": []any{resource(ids[3], nil)}},
			refusal{400, "invalid_request_error", "memory_store_ids", "MemoryStore '" + ids[3] + "' is archived and cannot be used for new sessions."}},
		"twice": {map[string]any{"resources": []any{resource(ids[1], nil), resource(ids[1], nil)}},
			refusal{400, "invalid_request_error", "resources[1].memory_store_id", "Field 'resources[1].memory_store_id' names a memory store that an earlier resource names."}},
		"21": {map[string]any{"memory_store_ids": ids[1:21], "resources": []any{resource(ids[21], nil)}},
			refusal{400, "invalid_request_error", "resources", "A session has at most 20 memory stores."}},
	} {
		if got := refusalOf(h.do(request{method: "POST", path: "/sessions", body: h.createBody(c.body)})); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := h.mustDo("GET", session, ""); string(got.body) != string(created.body) {
		t.Errorf("after the deletion of a store: %s", got.body)
	}
}

// dumpOf returns every row of every table of the harness's database.
func dumpOf(t *testing.T, h *harness) string {
	t.Helper()
	db := openFile(t, h)
	tables, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tables.Next() {
		var name string
		if err := tables.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	_ = tables.Close()
	var dump strings.Builder
	for _, name := range names {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+name)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		for rows.Next() {
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				fmt.Fprint(&dump, *v.(*any), "\n")
			}
		}
		_ = rows.Close()
	}
	return dump.String()
}

// openFile opens the file of the harness's database.
func openFile(t *testing.T, h *harness) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(h.dsn, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// An agent remembers something in one session and recalls it in another one.
func TestAgentsRemember(t *testing.T) {
	h := start(t, scripted(t, `
rules:
  - match: {contains: remember}
    steps:
      - use: {tool: memory_write, input: {path: users/4711.md, content: 喜欢简短的回答}}
      - say: "{{result}}"
  - match: {contains: recall}
    steps:
      - use: {tool: memory_search, input: {query: 简短}}
      - say: "{{result}}"
`))
	stores := []string{strings.TrimPrefix(h.memoryStore(), "/memory_stores/")}
	reply := func(message string) string {
		session := "/sessions/" + h.mustCreate("/sessions", h.createBody(map[string]any{"memory_store_ids": stores}))
		h.say(session, message)
		h.stream(session, "", nil).until("session.status_idle")
		return string(h.mustDo("GET", session+"/events?types[]=agent.message", "").body)
	}
	if got := reply("remember this"); !strings.Contains(got, "Written: users/4711.md") {
		t.Errorf("remembered: %s", got)
	}
	if got := reply("recall it"); !strings.Contains(got, "users/4711.md: 喜欢简短的回答") {
		t.Errorf("recalled: %s", got)
	}
	version := h.mustDo("GET", "/memory_stores/"+stores[0]+"/versions", "").field("data").([]any)[0].(map[string]any)
	if by := version["created_by"].(map[string]any); by["type"] != "session_actor" || !strings.HasPrefix(fmt.Sprint(by["session_id"]), "sess_") {
		t.Errorf("created_by: %v", by)
	}
}
