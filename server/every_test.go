package server_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/server"
)

// operation is an operation of the contract with a request for it, built from its own examples.
type operation struct {
	id         string
	request    request
	template   string // the path with its parameters' names
	parameters openapi3.Parameters
	body       *openapi3.Schema // of JSON; nil without one
	bodyless   bool             // whether a request may come without the body
	form       bool
}

// at returns the request with values for path parameters; the others keep their examples.
func (o operation) at(values map[string]string) request {
	r := o.request
	r.path = o.template
	for _, ref := range o.parameters {
		if p := ref.Value; p.In == "path" {
			r.path = strings.ReplaceAll(r.path, "{"+p.Name+"}", url.PathEscape(orDefault(values[p.Name], fmt.Sprint(p.Example))))
		}
	}
	return r
}

func (o operation) writes() bool { return o.request.method != "GET" }

// pathParameters returns the names of the path's parameters, in order.
func (o operation) pathParameters() (names []string) {
	for _, ref := range o.parameters {
		if ref.Value.In == "path" {
			names = append(names, ref.Value.Name)
		}
	}
	return names
}

// query reports whether the operation has a query parameter of that name.
func (o operation) query(name string) bool { return o.parameters.GetByInAndName("query", name) != nil }

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// operations lists the contract's operations, by id.
func operations(t testing.TB) []operation {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	var all []operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := operation{id: op.OperationID, template: path, parameters: slices.Concat(item.Parameters, op.Parameters), request: request{method: method}}
			if op.RequestBody != nil {
				o.bodyless = !op.RequestBody.Value.Required
				if media := op.RequestBody.Value.Content["application/json"]; media != nil {
					o.body, o.request.body = media.Schema.Value, exampleBody(t, media)
				} else {
					o.form, o.request.media = true, formMedia
					o.request.body = exampleForm(t, op.RequestBody.Value.Content["multipart/form-data"])
				}
			}
			o.request = o.at(nil)
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return all
}

// each runs a subtest for each operation.
func each(t *testing.T, check func(t *testing.T, o operation)) {
	for _, o := range operations(t) {
		t.Run(o.id, func(t *testing.T) { check(t, o) })
	}
}

func openGate(c *server.Config) { c.Features = []string{server.FeatureM3} }

// A parameter is text: what no database takes for text is refused, whatever else the parameter may be.
func TestEveryParameterIsText(t *testing.T) {
	h := start(t, openGate)
	each(t, func(t *testing.T, o operation) {
		for _, ref := range o.parameters {
			name := ref.Value.Name
			for _, value := range []string{"\xff", "a\x00", "\xed\xa0\x80"} {
				r := o.request
				switch ref.Value.In {
				case "path":
					r = o.at(map[string]string{name: value})
				case "query":
					r.path += "?" + url.Values{name: {value}}.Encode()
				default:
					continue
				}
				if got := refusalOf(h.do(r)); got.Status != 400 || got.Param != name {
					t.Errorf("%s=%q: %+v", name, value, got)
				}
			}
		}
	})
}

func TestEveryOperationNeedsAToken(t *testing.T) {
	h := start(t)
	each(t, func(t *testing.T, o operation) {
		r := o.request
		r.token = "-"
		if got := refusalOf(h.do(r)); got.Status != 401 || got.Type != "authentication_error" {
			t.Errorf("%+v", got)
		}
	})
}

func TestEveryOperationSurvivesAClosedStore(t *testing.T) {
	h := start(t)
	if err := h.server.Close(); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Minute) // so that the cached token has expired
	want := refusal{503, "overloaded_error", "", "The server cannot answer for the moment. Try again with the same idempotency key."}
	each(t, func(t *testing.T, o operation) {
		got := h.do(o.request)
		if refusalOf(got) != want || got.header.Get("Retry-After") != "1" {
			t.Errorf("%+v %v", refusalOf(got), got.header)
		}
	})
}

func TestEveryOperationSurvivesABrokenDatabase(t *testing.T) {
	h := start(t)
	h.clock.advance(time.Minute) // so that the cached token has expired
	db, err := sql.Open("sqlite", strings.TrimPrefix(h.dsn, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "DROP TABLE tokens"); err != nil {
		t.Fatal(err)
	}
	want := refusal{500, "api_error", "", "The server failed to answer. Try again with the same idempotency key."}
	each(t, func(t *testing.T, o operation) {
		if got := refusalOf(h.do(o.request)); got != want {
			t.Errorf("%+v", got)
		}
	})
	if log := h.log.String(); !strings.Contains(log, "request failed") || strings.Contains(log, aliceToken) {
		t.Errorf("log: %s", log)
	}
}

func TestEveryOperationChecksItsPath(t *testing.T) {
	h := start(t, openGate)
	each(t, func(t *testing.T, o operation) {
		for _, name := range o.pathParameters() {
			for _, bad := range []string{"x", "sess_A", "agent_ü", "env_", "..", "sesr_%00"} {
				if got := refusalOf(h.do(o.at(map[string]string{name: bad}))); got.Status != 400 || got.Param != name {
					t.Errorf("%s %q: %+v", name, bad, got)
				}
			}
		}
		if len(o.pathParameters()) > 0 {
			if got := refusalOf(h.do(o.request)); got.Status != 404 || got.Type != "not_found_error" || !strings.HasSuffix(got.Message, " was not found.") {
				t.Errorf("unknown: %+v", got)
			}
		}
		bad := o.request
		bad.path += "?x=%zz"
		if got := refusalOf(h.do(bad)); got.Status != 400 || got.Param != "query" {
			t.Errorf("malformed query: %+v", got)
		}
	})
}

// A success is replayed for its key, a refusal is judged anew.
func TestEveryWriteRefusesAReusedKey(t *testing.T) {
	h := start(t, openGate)
	if got := h.do(request{method: "POST", path: "/agents", body: `{"name":"first","model":"m"}`, header: keyed("used")}); got.status != 201 {
		t.Fatal(got.status)
	}
	each(t, func(t *testing.T, o operation) {
		if !o.writes() {
			return
		}
		r := o.request
		r.header = keyed("used")
		if got := refusalOf(h.do(r)); got.Status != 409 || got.Type != "conflict_error" || got.Param != "Idempotency-Key" {
			t.Errorf("%+v", got)
		}
		r.header = keyed("key of " + o.id)
		first := h.do(r)
		again := h.do(r)
		replayed := again.header.Get("Idempotent-Replayed") == "true"
		succeeded := first.status < 300
		if first.status != again.status || replayed != succeeded || succeeded && string(first.body) != string(again.body) {
			t.Errorf("%d %s, then %d %s, replayed %v", first.status, first.body, again.status, again.body, replayed)
		}
	})
}

func TestEveryGateIsClosed(t *testing.T) {
	h := start(t)
	each(t, func(t *testing.T, o operation) {
		if !strings.Contains(o.template, "/resources") {
			return
		}
		want := refusal{501, "feature_not_available", "resources", "Field 'resources' needs the feature 'm3', which the operator of the server switches on with 'sessionsd serve --features m3'."}
		got := h.do(o.request)
		if refusalOf(got) != want || got.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%+v %v", refusalOf(got), got.header)
		}
	})
}

// TestEveryBodyIsValidated sends the invalid values that every body can have, and for every property those that its schema
// rules out.
func TestEveryBodyIsValidated(t *testing.T) {
	h := start(t, openGate)
	each(t, func(t *testing.T, o operation) {
		if o.body == nil {
			return
		}
		refused := func(name, body, param string, header map[string]string) {
			t.Helper()
			r := o.request
			r.body, r.header = body, header
			got := refusalOf(h.do(r))
			if got.Status != 400 || got.Type != "invalid_request_error" || got.Param != param || got.Message == "" {
				t.Errorf("%s: %+v, want param %q", name, got, param)
			}
		}
		good := o.request.body
		if !o.bodyless {
			refused("no body", "", "body", nil)
		}
		refused("not JSON", "{", "body", nil)
		refused("an array", "[]", "body", nil)
		refused("a string", `"x"`, "body", nil)
		refused("null", "null", "body", nil)
		refused("two values", good+" 1", "body", nil)
		refused("text", good, "Content-Type", map[string]string{"Content-Type": "text/plain"})
		refused("no content type", good, "Content-Type", map[string]string{"Content-Type": ""})
		refused("text in the wrong letter case", good, "Content-Type", map[string]string{"Content-Type": "TEXT/JSON"})
		refused("unknown property", with(t, good, "zzz", "1"), "zzz", nil)
		refused("unknown property in other case", with(t, good, "Metadata", "{}"), "Metadata", nil)
		for _, name := range o.body.Required {
			refused("without "+name, with(t, good, name, ""), name, nil)
		}
		for name, ref := range o.body.Properties {
			if !ref.Value.Nullable {
				refused("null "+name, with(t, good, name, "null"), name, nil)
			}
			if !ref.Value.Type.Is("boolean") {
				refused("true "+name, with(t, good, name, "true"), name, nil)
			}
			refused(name+" twice", strings.Replace(with(t, good, name, "1"), "{", `{"`+name+`":1,`, 1), name, nil)
			if ref.Value.MaxLength != nil {
				refused("long "+name, with(t, good, name, `"`+strings.Repeat("x", int(*ref.Value.MaxLength)+1)+`"`), name, nil)
			}
			if ref.Value.Type.Is("string") && ref.Value.Pattern != "" {
				refused("NUL in "+name, with(t, good, name, `"\u0000"`), name, nil)
			}
			if ref.Value.Min != nil {
				refused("small "+name, with(t, good, name, fmt.Sprintf("%.0f", *ref.Value.Min-1)), name, nil)
				refused("half "+name, with(t, good, name, fmt.Sprintf("%.0f.5", *ref.Value.Min)), name, nil)
				refused("large "+name, with(t, good, name, fmt.Sprintf("%.0f", *ref.Value.Max+1)), name, nil)
			}
		}
	})
	if n := h.sessions(); n != 0 {
		t.Errorf("%d sessions were stored", n)
	}
}

// Media types have no letter case. None of these spellings may pass validation and then fail in the generated code.
func TestEveryBodyHasItsMediaTypeInAnyCase(t *testing.T) {
	h := start(t, openGate)
	each(t, func(t *testing.T, o operation) {
		if o.body == nil {
			return
		}
		want := h.do(o.request)
		for _, spelling := range []string{
			"APPLICATION/JSON", "Application/Json", "application/JSON; charset=utf-8", "application/json;charset=UTF-8", "application/json ; Charset=\"utf-8\"", "application/json;",
		} {
			r := o.request
			r.header = map[string]string{"Content-Type": spelling}
			if got := h.do(r); got.status != want.status || got.status >= 500 {
				t.Errorf("%s: %d %s, want %d", spelling, got.status, got.body, want.status)
			}
		}
	})
}

// The server decompresses nothing: it refuses an encoded body by its header, whatever the bytes are.
func TestEveryEncodedBodyIsRefused(t *testing.T) {
	h := start(t, openGate)
	want := refusal{415, "invalid_request_error", "Content-Encoding", "Header 'Content-Encoding' must be identity; send the body uncompressed."}
	each(t, func(t *testing.T, o operation) {
		r := o.request
		if o.body == nil && !o.form {
			r.header = map[string]string{"Content-Encoding": "gzip"}
			if got := h.do(r); got.status == want.Status {
				t.Errorf("without a body: %d %s", got.status, got.body)
			}
			return
		}
		for _, coding := range []string{"gzip", "GZIP", "deflate", "br", "foo", "identity, gzip", "gzip, identity"} {
			r.header = map[string]string{"Content-Encoding": coding}
			if got := h.do(r); refusalOf(got) != want || got.header.Get("Accept-Encoding") != "identity" {
				t.Errorf("%s: %+v %v", coding, refusalOf(got), got.header)
			}
		}
		unencoded := h.do(o.request)
		for _, coding := range []string{"identity", "Identity", "identity, IDENTITY", ","} {
			r.header = map[string]string{"Content-Encoding": coding}
			if got := h.do(r); got.status != unencoded.status {
				t.Errorf("%s: %d %s, want %d", coding, got.status, got.body, unencoded.status)
			}
		}
	})
}

// with returns a JSON object with one property set to raw JSON, or without it for "".
func with(t *testing.T, object, name, raw string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(object), &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, name)
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, fmt.Sprintf("%q:%s", key, fields[key]))
	}
	if raw != "" {
		parts = append(parts, fmt.Sprintf("%q:%s", name, raw))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestEveryListRefusesBadPages(t *testing.T) {
	h := start(t, openGate)
	ids := owned(t, h)
	each(t, func(t *testing.T, o operation) {
		if !o.query("limit") {
			return
		}
		example := fmt.Sprint(o.parameters.GetByInAndName("query", "after_id").Example)
		beyond := fmt.Sprintf("limit=%.0f", *o.parameters.GetByInAndName("query", "limit").Schema.Value.Max+1)
		for query, param := range map[string]string{
			"limit=0": "limit", beyond: "limit", "limit=abc": "limit", "limit=": "limit", "limit=1&limit=1": "limit", "order=up": "order",
			"after_id=x": "after_id", "before_id=X": "before_id", "page=%20": "page",
			"after_id=" + example: "after_id", "before_id=" + example: "before_id", "page=" + example: "page",
			"after_id=" + example + "&before_id=" + example: "before_id", "page=" + example + "&before_id=" + example: "page",
		} {
			if param == "order" && !o.query("order") {
				continue
			}
			r := o.at(ids)
			r.path += "?" + query
			if got := refusalOf(h.do(r)); got.Status != 400 || got.Param != param {
				t.Errorf("%s: %+v", query, got)
			}
		}
	})
}

// owned creates one of everything for alice and returns the ids by the name of their path parameter.
func owned(t *testing.T, h *harness) map[string]string {
	t.Helper()
	environment := h.mustCreate("/environments", `{"name":"own","config":{"type":"self_hosted"}}`)
	ids := map[string]string{"agent_id": h.agent, "environment_id": environment}
	ids["key_id"] = h.mustCreate("/environments/"+environment+"/keys", `{"name":"k"}`)
	ids["vault_id"] = h.mustCreate("/vaults", `{"display_name":"v"}`)
	ids["credential_id"] = h.mustCreate("/vaults/"+ids["vault_id"]+"/credentials", `{"auth":{"type":"mcp_oauth","mcp_server_url":"https://a.example","access_token":"t"}}`)
	ids["file_id"] = h.file("a.txt", "hello")
	ids["session_id"] = h.mustCreate("/sessions", h.createBody(map[string]any{"environment_id": environment, "resources": []any{map[string]any{"type": "file", "file_id": ids["file_id"]}}}))
	session := h.do(request{method: "GET", path: "/sessions/" + ids["session_id"]})
	work := h.do(request{method: "GET", path: "/environments/" + environment + "/work"})
	ids["work_id"] = work.field("first_id").(string)
	ids["resource_id"] = session.field("resources").([]any)[0].(map[string]any)["id"].(string)
	ids["memory_store_id"] = h.mustCreate("/memory_stores", `{"name":"m"}`)
	memory := h.mustDo("POST", "/memory_stores/"+ids["memory_store_id"]+"/memories", memoryBody("a", "x"))
	ids["memory_id"], ids["memory_version_id"] = memory.field("id").(string), memory.field("memory_version_id").(string)
	return ids
}

// TestEveryOperationKeepsAccountsApart calls each operation with each id that it accepts, where the id belongs to another
// account.
func TestEveryOperationKeepsAccountsApart(t *testing.T) {
	h := start(t, openGate)
	ids := owned(t, h)
	before := h.do(request{method: "GET", path: "/sessions/" + ids["session_id"]})
	each(t, func(t *testing.T, o operation) {
		r := o.at(ids)
		r.token = bobToken
		if len(o.pathParameters()) > 0 {
			if got := refusalOf(h.do(r)); got.Status != 404 || got.Type != "not_found_error" {
				t.Errorf("in the path: %+v", got)
			}
		}
		if o.query("after_id") {
			for _, cursor := range []string{"after_id", "before_id", "page"} {
				page := r
				name := map[string]string{"/agents": "agent_id", "/environments": "environment_id", "/files": "file_id", "/memory_stores": "memory_store_id", "/sessions": "session_id", "/vaults": "vault_id"}[o.template]
				if name == "" {
					continue // a list within a resource, which the path test covers
				}
				page.path += "?" + cursor + "=" + ids[name]
				if got := refusalOf(h.do(page)); got.Status != 400 || got.Param != cursor {
					t.Errorf("%s: %+v", cursor, got)
				}
			}
		}
		for _, name := range []string{"agent", "environment_id"} {
			if o.body == nil || o.body.Properties[name] == nil || o.id != "createSession" {
				continue
			}
			mine := request{method: "POST", path: "/agents", body: `{"name":"a","model":"m"}`, token: bobToken}
			yours := map[string]any{"environment_id": ids["environment_id"], "agent": h.do(mine).field("id")}
			if name == "agent" {
				yours["agent"] = ids["agent_id"]
			}
			body, _ := json.Marshal(yours)
			r.body = string(body)
			if got := refusalOf(h.do(r)); got.Status != 404 {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if o.query("agent_id") {
			r.path += "?agent_id=" + ids["agent_id"]
			if got := h.do(r); got.status != 200 || len(got.field("data").([]any)) != 0 {
				t.Errorf("agent_id: %d %s", got.status, got.body)
			}
		}
	})
	if after := h.do(request{method: "GET", path: "/sessions/" + ids["session_id"]}); string(after.body) != string(before.body) {
		t.Errorf("alice's session changed: %s", after.body)
	}
}
