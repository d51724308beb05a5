package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
)

// refusal is the response that a refused request must get.
type refusal struct {
	Status               int
	Type, Param, Message string
}

func refusalOf(got answer) refusal {
	text := func(path ...string) string { s, _ := got.field(path...).(string); return s }
	return refusal{got.status, text("error", "type"), text("error", "param"), text("error", "message")}
}

// expectRefusal sends a request and checks that it is refused and creates no session.
func (h *harness) expectRefusal(t *testing.T, r request, want refusal) {
	t.Helper()
	before := h.sessions()
	got := h.do(r)
	if diff := cmp.Diff(want, refusalOf(got)); diff != "" {
		t.Errorf("refusal (-want +got):\n%s\nbody: %.300s", diff, got.body)
	}
	if id := got.field("request_id"); id != got.header.Get("X-Request-Id") {
		t.Errorf("request_id %v is not the header's %q", id, got.header.Get("X-Request-Id"))
	}
	if after := h.sessions(); after != before {
		t.Errorf("%d sessions were stored", after-before)
	}
}

func badRequest(param, message string) refusal {
	return refusal{400, "invalid_request_error", param, message}
}

const (
	agentForm   = "must be 'agent_' followed by 1 to 64 lower-case letters or digits."
	envForm     = "must be 'env_' followed by 1 to 64 lower-case letters or digits."
	flushBounds = "Field 'delta_flush_interval_ms' must be an integer between 50 and 5000."
)

func TestCreateSessionRefusesBadBodies(t *testing.T) {
	h := start(t)
	body := h.createBody
	set := func(name string, value any) string { return body(map[string]any{name: value}) }
	null := func(name string) string { return strings.Replace(set(name, "NULL"), `"NULL"`, "null", 1) }
	many := func(prefix string, n int) []string {
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf("%s%d", prefix, i))
		}
		return ids
	}
	sixteen := map[string]string{}
	for i := range 17 {
		sixteen[fmt.Sprintf("k%d", i)] = "v"
	}
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)

	cases := map[string]struct {
		body string
		want refusal
	}{
		"no body":       {"", badRequest("body", "The request body is missing; send a JSON object.")},
		"not JSON":      {"hello", badRequest("body", "The request body is not valid JSON (near byte 1).")},
		"truncated":     {`{"agent":`, badRequest("body", "The request body is not valid JSON (near byte 9).")},
		"an array":      {"[]", badRequest("body", "The request body must be an object.")},
		"a string":      {`"agent"`, badRequest("body", "The request body must be an object.")},
		"null":          {"null", badRequest("body", "The request body must not be null.")},
		"a second JSON": {body(nil) + "{}", badRequest("body", "The request body must be one JSON value with nothing after it.")},

		"agent missing":       {set("agent", nil), badRequest("agent", "Missing required field: agent")},
		"agent null":          {null("agent"), badRequest("agent", "Field 'agent' must not be null.")},
		"agent empty":         {set("agent", ""), badRequest("agent", "Field 'agent' "+agentForm)},
		"agent a number":      {set("agent", 1), badRequest("agent", "Field 'agent' must be a string or an object.")},
		"agent wrong prefix":  {set("agent", "env_1"), badRequest("agent", "Field 'agent' "+agentForm)},
		"agent wrong charset": {set("agent", "agent_A"), badRequest("agent", "Field 'agent' "+agentForm)},
		"agent 65 characters": {set("agent", "agent_"+strings.Repeat("a", 65)), badRequest("agent", "Field 'agent' "+agentForm)},
		"agent_id instead":    {strings.Replace(body(nil), `"agent"`, `"agent_id"`, 1), badRequest("agent", "Missing required field: agent")},
		"pinned without id":   {set("agent", map[string]any{"version": 1}), badRequest("agent.id", "Missing required field: agent.id")},
		"pinned version 0":    {set("agent", map[string]any{"id": h.agent, "version": 0}), badRequest("agent.version", "Field 'agent.version' must be an integer between 1 and 2147483647.")},
		"pinned wrong type":   {set("agent", map[string]any{"id": h.agent, "type": "model"}), badRequest("agent.type", "Field 'agent.type' must be 'agent'.")},
		"pinned unknown":      {set("agent", map[string]any{"id": h.agent, "name": "x"}), badRequest("agent.name", "Unknown field 'agent.name'.")},

		"environment missing":      {set("environment_id", nil), badRequest("environment_id", "Missing required field: environment_id")},
		"environment null":         {null("environment_id"), badRequest("environment_id", "Field 'environment_id' must not be null.")},
		"environment empty":        {set("environment_id", ""), badRequest("environment_id", "Field 'environment_id' "+envForm)},
		"environment a number":     {set("environment_id", 7), badRequest("environment_id", "Field 'environment_id' must be a string.")},
		"environment wrong prefix": {set("environment_id", h.agent), badRequest("environment_id", "Field 'environment_id' "+envForm)},
		"both missing: the first":  {"{}", badRequest("agent", "Missing required field: agent")},

		"title null":           {null("title"), badRequest("title", "Field 'title' must not be null.")},
		"title 257":            {set("title", strings.Repeat("话", 257)), badRequest("title", "Field 'title' must be a string of at most 256 characters.")},
		"title NUL":            {set("title", "a\x00b"), badRequest("title", "Field 'title' must not contain NUL.")},
		"title a number":       {set("title", 1), badRequest("title", "Field 'title' must be a string of at most 256 characters.")},
		"title twice":          {strings.Replace(set("title", "a"), "{", `{"title":"b",`, 1), badRequest("title", "Field 'title' occurs twice.")},
		"title in other case":  {strings.Replace(set("title", "a"), "{", `{"TITLE":"b",`, 1), badRequest("TITLE", "Unknown field 'TITLE'; did you mean 'title'?")},
		"title invalid UTF-8":  {strings.Replace(set("title", "X"), "X", "\xff", 1), badRequest("title", "Field 'title' must be valid UTF-8.")},
		"title lone surrogate": {strings.Replace(set("title", "X"), "X", `\ud800`, 1), badRequest("title", "Field 'title' must be valid UTF-8.")},

		"metadata null":          {null("metadata"), badRequest("metadata", "Field 'metadata' must not be null.")},
		"metadata an array":      {set("metadata", []string{}), badRequest("metadata", "Field 'metadata' must be an object.")},
		"metadata a number":      {set("metadata", map[string]any{"n": 1}), badRequest("metadata.n", "Field 'metadata.n' must be a string of at most 512 characters.")},
		"metadata 513":           {set("metadata", map[string]any{"n": strings.Repeat("x", 513)}), badRequest("metadata.n", "Field 'metadata.n' must be a string of at most 512 characters.")},
		"metadata 17 keys":       {set("metadata", sixteen), badRequest("metadata", "Field 'metadata' must have at most 16 entries.")},
		"metadata empty key":     {set("metadata", map[string]any{"": "x"}), badRequest("metadata.", "The name of field 'metadata.' must be 1 to 64 characters long.")},
		"metadata key 65":        {set("metadata", map[string]any{strings.Repeat("k", 65): "x"}), badRequest("metadata."+strings.Repeat("k", 64)+"…", "The name of field 'metadata."+strings.Repeat("k", 64)+"…' must be 1 to 64 characters long.")},
		"metadata key twice":     {strings.Replace(set("metadata", "X"), `"X"`, `{"a":"1","a":"2"}`, 1), badRequest("metadata.a", "Field 'metadata.a' occurs twice.")},
		"variable name":          {set("environment_variables", map[string]any{"1A": "x"}), badRequest("environment_variables.1A", "The name of field 'environment_variables.1A' must be a letter or '_' followed by letters, digits or '_'.")},
		"interval 49":            {set("delta_flush_interval_ms", 49), badRequest("delta_flush_interval_ms", flushBounds)},
		"interval 5001":          {set("delta_flush_interval_ms", 5001), badRequest("delta_flush_interval_ms", flushBounds)},
		"interval 100.5":         {set("delta_flush_interval_ms", 100.5), badRequest("delta_flush_interval_ms", flushBounds)},
		"interval a string":      {set("delta_flush_interval_ms", "100"), badRequest("delta_flush_interval_ms", flushBounds)},
		"interval huge":          {strings.Replace(set("delta_flush_interval_ms", 77), ":77", ":1e999", 1), badRequest("delta_flush_interval_ms", flushBounds)},
		"interval null":          {null("delta_flush_interval_ms"), badRequest("delta_flush_interval_ms", "Field 'delta_flush_interval_ms' must not be null.")},
		"memory stores a string": {set("memory_store_ids", "memstore_1"), badRequest("memory_store_ids", "Field 'memory_store_ids' must be an array of at most 20 items.")},
		"memory store prefix":    {set("memory_store_ids", []string{"memstore_1", "mem_1"}), badRequest("memory_store_ids[1]", "Field 'memory_store_ids[1]' must be 'memstore_' followed by 1 to 64 lower-case letters or digits.")},
		"memory stores 21":       {set("memory_store_ids", many("memstore_", 21)), badRequest("memory_store_ids", "Field 'memory_store_ids' must be an array of at most 20 items.")},
		"memory store twice":     {set("memory_store_ids", []string{"memstore_1", "memstore_1"}), badRequest("memory_store_ids", "Field 'memory_store_ids' must not contain the same item twice.")},
		"vault null in list":     {strings.Replace(set("vault_ids", "X"), `"X"`, "[null]", 1), badRequest("vault_ids[0]", "Field 'vault_ids[0]' must not be null.")},
		"resource without file":  {set("resources", []any{map[string]any{"type": "file"}}), badRequest("resources[0].file_id", "Missing required field: resources[0].file_id")},
		"resource of a type":     {set("resources", []any{map[string]any{"type": "memory", "file_id": "file_1"}}), badRequest("resources[0]", "Field 'resources[0]' must be an object whose 'type' is one of 'file', 'memory_store'.")},

		"unknown property":         {set("colour", "red"), badRequest("colour", "Unknown field 'colour'.")},
		"unknown property, long":   {set(strings.Repeat("x", 10_000), 1), badRequest(strings.Repeat("x", 64)+"…", "Unknown field '"+strings.Repeat("x", 64)+"…'.")},
		"10,000 deep":              {deep, badRequest("body", "The request body must not be nested deeper than 64 levels.")},
		"20,000 deep":              {deep + deep, badRequest("body", "The request body must be one JSON value with nothing after it.")},
		"several: document order":  {`{"zzz":1,"delta_flush_interval_ms":1,"title":5,"agent":"x"}`, badRequest("agent", "Field 'agent' "+agentForm)},
		"several: without agent":   {set("title", 5)[:len(set("title", 5))-1] + `,"aaa":1}`, badRequest("title", "Field 'title' must be a string of at most 256 characters.")},
		"gate closed: resources":   {set("resources", []any{map[string]any{"type": "file", "file_id": "file_1"}}), refusal{501, "feature_not_available", "resources", "Field 'resources' needs the feature 'm3', which the operator of the server switches on with 'sessionsd serve --features m3'."}},
		"gate closed: vaults":      {set("vault_ids", []string{"vault_1"}), refusal{501, "feature_not_available", "vault_ids", "Field 'vault_ids' needs the feature 'm3', which the operator of the server switches on with 'sessionsd serve --features m3'."}},
		"gate before the agent":    {body(map[string]any{"vault_ids": []string{"vault_1"}, "agent": "agent_1"}), refusal{501, "feature_not_available", "vault_ids", "Field 'vault_ids' needs the feature 'm3', which the operator of the server switches on with 'sessionsd serve --features m3'."}},
		"agent unknown":            {set("agent", "agent_1"), refusal{404, "not_found_error", "", "Agent 'agent_1' was not found."}},
		"agent version unknown":    {set("agent", map[string]any{"id": h.agent, "version": 9}), refusal{404, "not_found_error", "", "Agent '" + h.agent + "' version 9 was not found."}},
		"agent of another account": {set("agent", server.DemoAgent), refusal{404, "not_found_error", "", "Agent '" + server.DemoAgent + "' was not found."}},
		"environment unknown":      {set("environment_id", "env_1"), refusal{404, "not_found_error", "", "Environment 'env_1' was not found."}},
		"environment of another":   {set("environment_id", server.DemoEnvironment), refusal{404, "not_found_error", "", "Environment '" + server.DemoEnvironment + "' was not found."}},
		"both unknown: the agent":  {body(map[string]any{"agent": "agent_1", "environment_id": "env_1"}), refusal{404, "not_found_error", "", "Agent 'agent_1' was not found."}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h.expectRefusal(t, request{method: "POST", path: "/sessions", body: c.body}, c.want)
		})
	}
}

func TestCreateSessionRefusesArchived(t *testing.T) {
	h := start(t)
	archived := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	agent := store.Agent{ID: "agent_archived", Version: 1, AgentSpec: store.AgentSpec{Name: "a", Model: "m", Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")}, CreatedAt: archived, UpdatedAt: archived, ArchivedAt: &archived}
	environment := store.Environment{ID: "env_archived", EnvironmentSpec: store.EnvironmentSpec{Name: "e", Config: []byte(`{"type":"cloud"}`)}, CreatedAt: archived, UpdatedAt: archived, ArchivedAt: &archived}
	if _, err := h.db.SeedAgent(t.Context(), "alice", agent); err != nil {
		t.Fatal(err)
	}
	if _, err := h.db.SeedEnvironment(t.Context(), "alice", environment); err != nil {
		t.Fatal(err)
	}
	h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"agent": "agent_archived"})},
		badRequest("agent", "Agent 'agent_archived' is archived and cannot be used for new sessions."))
	h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"environment_id": "env_archived"})},
		badRequest("environment_id", "Environment 'env_archived' is archived and cannot be used for new sessions."))
}

func TestCreateSessionBounds(t *testing.T) {
	h := start(t, func(c *server.Config) { c.Features = []string{server.FeatureM3} })
	vault := h.mustCreate("/vaults", `{"display_name":"v"}`)
	metadata := map[string]string{}
	for i := range 16 {
		metadata[strings.Repeat(string(rune('a'+i)), 64)] = strings.Repeat("值", 512)
	}
	for name, fields := range map[string]map[string]any{
		"interval 50":       {"delta_flush_interval_ms": 50},
		"interval 5000":     {"delta_flush_interval_ms": 5000},
		"interval 100.0":    {"delta_flush_interval_ms": jsonText("1.000e2")},
		"title 256":         {"title": strings.Repeat("话", 256)},
		"title empty":       {"title": ""},
		"metadata at most":  {"metadata": metadata},
		"metadata by case":  {"metadata": map[string]string{"a": "1", "A": "2"}},
		"agent 64":          {"agent": jsonText(`{"id":"` + h.agent + `","type":"agent","version":1}`)},
		"empty gated lists": {"resources": []any{}, "vault_ids": []any{}},
		"gate open":         {"resources": []any{map[string]any{"type": "file", "file_id": h.file("a", "")}}, "vault_ids": []string{vault}},
	} {
		t.Run(name, func(t *testing.T) {
			got := h.do(request{method: "POST", path: "/sessions", body: h.createBody(fields)})
			if got.status != 201 {
				t.Fatalf("%d %s", got.status, got.body)
			}
			again := h.do(request{method: "GET", path: "/sessions/" + got.field("id").(string)})
			if diff := cmp.Diff(string(got.body), string(again.body)); diff != "" {
				t.Errorf("get differs from create:\n%s", diff)
			}
		})
	}
}

// jsonText is JSON that json.Marshal copies unchanged.
type jsonText string

func (j jsonText) MarshalJSON() ([]byte, error) { return []byte(j), nil }

func TestCreateSessionRefusesBadEnvelopes(t *testing.T) {
	h := start(t)
	expired := h.clock.Now().Add(-time.Second)
	for _, token := range []store.NewToken{
		{Account: "alice", Name: "expired", Hash: auth.Hash("pt-expired"), ExpiresAt: &expired},
		{Account: "alice", Name: "revoked", Hash: auth.Hash("pt-revoked")},
	} {
		kept, err := h.db.CreateToken(context.Background(), token)
		if err != nil {
			t.Fatal(err)
		}
		if kept.Name == "revoked" {
			if _, err := h.db.RevokeToken(context.Background(), kept.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	denied := func(message string) refusal { return refusal{401, "authentication_error", "", message} }
	malformed := denied("Malformed token; send 'Authorization: Bearer <PAT>', where the PAT starts with 'pt-'.")
	contentType := badRequest("Content-Type", "Header 'Content-Type' must be application/json.")
	good := h.createBody(nil)
	cases := map[string]struct {
		request request
		want    refusal
	}{
		"no token":             {request{token: "-", body: good}, denied("Missing token; send 'Authorization: Bearer <PAT>'.")},
		"no token, bad body":   {request{token: "-", body: "x"}, denied("Missing token; send 'Authorization: Bearer <PAT>'.")},
		"x-api-key":            {request{token: "-", body: good, header: map[string]string{"X-Api-Key": aliceToken}}, denied("Header 'x-api-key' is not supported; send 'Authorization: Bearer <PAT>'.")},
		"basic":                {request{body: good, header: map[string]string{"Authorization": "Basic YTpi"}}, malformed},
		"token without prefix": {request{body: good, token: "alice"}, malformed},
		"token with spaces":    {request{body: good, token: "pt-a b"}, malformed},
		"token unknown":        {request{body: good, token: "pt-nobody"}, denied("Invalid API key or token.")},
		"token expired":        {request{body: good, token: "pt-expired"}, denied("The token has expired.")},
		"token revoked":        {request{body: good, token: "pt-revoked"}, denied("The token has been revoked.")},

		"no content type":    {request{body: good, header: map[string]string{"Content-Type": ""}}, contentType},
		"text":               {request{body: good, header: map[string]string{"Content-Type": "text/plain"}}, contentType},
		"form":               {request{body: good, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, contentType},
		"malformed type":     {request{body: good, header: map[string]string{"Content-Type": "application/json; ="}}, contentType},
		"33 MiB":             {request{raw: bytes.NewReader(make([]byte, 33<<20))}, badRequest("body", "The request body must be at most 33554432 bytes long.")},
		"33 MiB, no length":  {request{raw: io.LimitReader(zeros{}, 33<<20)}, badRequest("body", "The request body must be at most 33554432 bytes long.")},
		"idempotency key":    {request{body: good, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 256)}}, badRequest("Idempotency-Key", "Header 'Idempotency-Key' must be 1 to 255 printable ASCII characters.")},
		"x-idempotency key":  {request{body: good, header: map[string]string{"X-Idempotency-Key": "schlüssel"}}, badRequest("X-Idempotency-Key", "Header 'X-Idempotency-Key' must be 1 to 255 printable ASCII characters.")},
		"a slash at the end": {request{method: "GET", path: "/sessions/"}, refusal{404, "not_found_error", "", "Unknown path; the paths of the API do not end in a slash."}},
		"unknown route":      {request{path: "/session", body: good}, refusal{404, "not_found_error", "", "Unknown path; see /openapi.yaml for the paths of the API."}},
		"unknown at root":    {request{path: "//unknown", body: good}, refusal{404, "not_found_error", "", "Unknown path; see /openapi.yaml for the paths of the API."}},
		"wrong method":       {request{method: "DELETE", body: good}, refusal{405, "invalid_request_error", "", "Method not allowed; the header Allow lists the methods of the path."}},
		"malformed id":       {request{method: "GET", path: "/sessions/agent_1"}, badRequest("session_id", "Parameter 'session_id' must be 'sess_' followed by 1 to 64 lower-case letters or digits.")},
		"encoded id":         {request{method: "GET", path: "/sessions/sess_%2e%2e%2f"}, badRequest("session_id", "Parameter 'session_id' must be 'sess_' followed by 1 to 64 lower-case letters or digits.")},
		"unknown id":         {request{method: "GET", path: "/sessions/sess_1"}, refusal{404, "not_found_error", "", "Session 'sess_1' was not found."}},
		"limit 0":            {request{method: "GET", path: "/sessions?limit=0"}, badRequest("limit", "Parameter 'limit' must be an integer between 1 and 100.")},
		"limit 101":          {request{method: "GET", path: "/agents?limit=101"}, badRequest("limit", "Parameter 'limit' must be an integer between 1 and 100.")},
		"limit abc":          {request{method: "GET", path: "/environments?limit=abc"}, badRequest("limit", "Parameter 'limit' must be an integer between 1 and 100.")},
		"limit empty":        {request{method: "GET", path: "/sessions?limit="}, badRequest("limit", "Parameter 'limit' must be an integer between 1 and 100.")},
		"limit twice":        {request{method: "GET", path: "/sessions?limit=1&limit=2"}, badRequest("limit", "Parameter 'limit' must occur only once.")},
		"limit 1.5":          {request{method: "GET", path: "/sessions?limit=1.5"}, badRequest("limit", "Parameter 'limit' must be an integer between 1 and 100.")},
		"order":              {request{method: "GET", path: "/sessions?order=up"}, badRequest("order", "Parameter 'order' must be one of 'desc', 'asc'.")},
		"include_archived":   {request{method: "GET", path: "/sessions?include_archived=maybe"}, badRequest("include_archived", "Parameter 'include_archived' must be true or false.")},
		"include_archived=1": {request{method: "GET", path: "/sessions?include_archived=1"}, badRequest("include_archived", "Parameter 'include_archived' must be true or false.")},
		"both cursors":       {request{method: "GET", path: "/sessions?after_id=sess_1&before_id=sess_2"}, badRequest("before_id", "Parameters 'after_id' and 'before_id' exclude each other.")},
		"cursor and page":    {request{method: "GET", path: "/sessions?after_id=sess_1&page=sess_2"}, badRequest("page", "Parameters 'after_id' and 'page' exclude each other.")},
		"unknown cursor":     {request{method: "GET", path: "/sessions?after_id=sess_1"}, badRequest("after_id", "Parameter 'after_id' is not the cursor of a record in this list.")},
		"malformed cursor":   {request{method: "GET", path: "/agents?before_id=sess_1"}, badRequest("before_id", "Parameter 'before_id' must be 'agent_' followed by 1 to 64 lower-case letters or digits.")},
		"unknown page":       {request{method: "GET", path: "/environments?page=2"}, badRequest("page", "Parameter 'page' is not the cursor of a record in this list.")},
		"malformed query":    {request{method: "GET", path: "/sessions?limit=%zz"}, badRequest("query", "The query string is malformed; percent-encode its names and values.")},
		"agent version 0":    {request{method: "GET", path: "/agents/" + h.agent + "?version=0"}, badRequest("version", "Parameter 'version' must be an integer between 1 and 2147483647.")},
		"two texts":          {request{path: "/agents", body: `{"name":"a","model":"m","system":"x","instructions":"y"}`}, badRequest("instructions", "Fields 'system' and 'instructions' are two names of one text; send one of them.")},
		"unknown tool":       {request{path: "/agents", body: `{"name":"a","model":"m","tools":[{"type":"bash"}]}`}, badRequest("tools[0]", "Field 'tools[0]' must be an object whose 'type' is one of 'agent_toolset_20260401', 'custom', 'mcp_toolset'.")},
		"unknown tool name":  {request{path: "/agents", body: `{"name":"a","model":"m","tools":[{"type":"agent_toolset_20260401","enabled_tools":["Foo"]}]}`}, badRequest("tools[0].enabled_tools[0]", "Field 'tools[0].enabled_tools[0]' must be one of 'Bash', 'Read', 'Write', 'Edit', 'Glob', 'Grep', 'WebFetch', 'WebSearch', 'DeliverArtifacts', 'bash', 'read', 'write', 'edit', 'glob', 'grep', 'web_fetch', 'web_search'.")},
		"environment config": {request{path: "/environments", body: `{"name":"e","config":{}}`}, badRequest("config", "Field 'config' must be an object whose 'type' is one of 'cloud', 'self_hosted'.")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := c.request
			if r.method == "" {
				r.method = "POST"
			}
			if r.path == "" {
				r.path = "/sessions"
			}
			h.expectRefusal(t, r, c.want)
		})
	}
	t.Run("405 says what is allowed", func(t *testing.T) {
		if allow := h.do(request{method: "DELETE", path: "/sessions"}).header.Get("Allow"); !strings.Contains(allow, "POST") || !strings.Contains(allow, "GET") {
			t.Errorf("Allow: %q", allow)
		}
	})
	t.Run("401 says how", func(t *testing.T) {
		if scheme := h.do(request{method: "GET", path: "/sessions", token: "-"}).header.Get("WWW-Authenticate"); scheme != "Bearer" {
			t.Errorf("WWW-Authenticate: %q", scheme)
		}
	})
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
