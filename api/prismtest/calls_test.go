//go:build unix

package prismtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/openapi"
	"github.com/cloud-sessions/sessions/client"
)

// resources are the ids that path parameters stand for.
type resources map[string]string

// makeResources sends the documentation's own curl, and finds out the ids that it used and made.
func makeResources(t *testing.T, proxy string) resources {
	t.Helper()
	curl := call{name: "the documentation's curl", method: http.MethodPost, path: "/sessions", header: withToken(), body: []byte(`{
"agent": "agent_019e390add9f7bac9b6cc806db46fcbd",
"environment_id": "env_019e2590d33f711fabf42f2857cecd8a",
"title": "我的会话",
"metadata": {"purpose": "customer-support"}
}`)}
	curl.header.Set("Content-Type", "application/json")
	got := do(t, proxy, curl)
	var session struct {
		ID            string `json:"id"`
		AgentID       string `json:"agent_id"`
		EnvironmentID string `json:"environment_id"`
	}
	if err := json.Unmarshal(got.body, &session); err != nil || got.status != http.StatusCreated || len(got.violations) > 0 {
		t.Fatalf("the documentation's curl: status %d, violations %v, body %s", got.status, got.violations, got.body)
	}
	ids := resources{"session_id": session.ID, "agent_id": session.AgentID, "environment_id": session.EnvironmentID}
	ids["file_id"] = makeFile(t)
	ids["resource_id"] = makeOne(t, proxy, "/sessions/"+session.ID+"/resources", fmt.Sprintf(`{"type":"file","file_id":%q}`, ids["file_id"]))
	return ids
}

// makeFile uploads a file to the server itself: Prism does not pass forms on.
func makeFile(t *testing.T) string {
	t.Helper()
	c, err := client.New(client.WithBaseURL(serverURL(t)+"/v1"), client.WithToken(os.Getenv("SESSIONS_PRISM_TOKEN")))
	if err != nil {
		t.Fatal(err)
	}
	file, err := c.Files.Upload(t.Context(), strings.NewReader("a"), client.FileUpload{Name: "a.txt"})
	if err != nil {
		t.Fatal(err)
	}
	return file.ID
}

// makeOne posts a body and returns the id of what came of it.
func makeOne(t *testing.T, proxy, path, body string) string {
	t.Helper()
	c := call{name: "make", method: http.MethodPost, path: path, header: withToken(), body: []byte(body)}
	c.header.Set("Content-Type", "application/json")
	got := do(t, proxy, c)
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(got.body, &made); err != nil || got.status >= 300 || len(got.violations) > 0 {
		t.Fatalf("POST %s: status %d, violations %v, body %s", path, got.status, got.violations, got.body)
	}
	return made.ID
}

// moreCalls are good calls that a conformance run does not make: an interruption, updates that change nothing or one list,
// and a session's file among several.
func moreCalls(t *testing.T, proxy string) (calls []call) {
	agent := makeOne(t, proxy, "/agents", `{"name":"a","model":"m"}`)
	environment := makeOne(t, proxy, "/environments", `{"name":"e","config":{"type":"cloud"}}`)
	session := "/sessions/" + makeOne(t, proxy, "/sessions", fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, agent, environment))
	for _, step := range []struct{ method, path, body string }{
		{"POST", session + "/events", `{"events":[{"type":"user.interrupt"}]}`},
		{"GET", session + "/events", ""},
		{"POST", session + "/resources", fmt.Sprintf(`{"resources":[{"type":"file","file_id":%q}]}`, makeFile(t))},
		{"POST", "/agents/" + agent, `{"version":1,"tools":[]}`},
		{"PUT", "/agents/" + agent, `{"version":2}`},
		{"POST", "/environments/" + environment, `{"description":"d"}`},
		{"PUT", "/environments/" + environment, `{}`},
	} {
		c := call{name: "more/" + step.method + " " + step.path, good: true, method: step.method, path: step.path, header: withToken()}
		if step.body != "" {
			c.header.Set("Content-Type", "application/json")
			c.body = []byte(step.body)
		}
		calls = append(calls, c)
	}
	return calls
}

// path puts the ids, or else the examples, of a path's parameters in their places.
func (r resources) path(op operation) string {
	path := op.path
	for _, p := range op.parameters {
		if p.In != openapi3.ParameterInPath {
			continue
		}
		id := r[p.Name]
		if id == "" {
			id = fmt.Sprint(p.Example)
		}
		path = strings.ReplaceAll(path, "{"+p.Name+"}", id)
	}
	return path
}

// operation is one of the contract's operations with everything a call needs.
type operation struct {
	id, method, path string
	parameters       []*openapi3.Parameter
	body             *openapi3.Schema
	examples         map[string][]byte
}

func operations(t *testing.T, doc *openapi3.T) (all []operation) {
	t.Helper()
	for path, item := range doc.Paths.Map() {
		for method, spec := range item.Operations() {
			op := operation{id: spec.OperationID, method: method, path: path, examples: map[string][]byte{}}
			for _, p := range slices.Concat(item.Parameters, spec.Parameters) {
				op.parameters = append(op.parameters, p.Value)
			}
			if spec.RequestBody != nil {
				if media := spec.RequestBody.Value.Content["application/json"]; media != nil {
					op.body = media.Schema.Value
					for name, example := range media.Examples {
						op.examples[name] = encode(t, example.Value.Value)
					}
				}
			}
			all = append(all, op)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return all
}

// replayCalls send an example of each operation that creates something twice, with one idempotency key.
func replayCalls(t *testing.T, doc *openapi3.T) (calls []call) {
	for _, op := range operations(t, doc) {
		if strings.Contains(op.path, "{") || !hasParameter(op, "Idempotency-Key") || len(op.examples) == 0 {
			continue
		}
		for _, turn := range []string{"first", "replayed"} {
			c := call{name: op.id + "/idempotency key, " + turn, good: true, method: op.method, path: op.path, header: withToken(), body: firstExample(op)}
			c.header.Set("Content-Type", "application/json")
			c.header.Set("Idempotency-Key", "prism-"+op.id)
			calls = append(calls, c)
		}
	}
	return calls
}

// badCalls break one rule of the contract each.
func badCalls(t *testing.T, doc *openapi3.T, ids resources) (calls []call) {
	for _, op := range operations(t, doc) {
		base := call{name: op.id, method: op.method, path: ids.path(op), header: withToken()}
		if op.body != nil {
			base.header.Set("Content-Type", "application/json")
			base.body = firstExample(op)
		}
		add := func(name string, change func(*call)) { calls = append(calls, with(base, "/"+name, change)) }

		add("no token", func(c *call) { c.header.Del("Authorization") })
		add("an unknown token", func(c *call) { c.header.Set("Authorization", "Bearer pt-unknown") })
		add("another scheme", func(c *call) { c.header.Set("Authorization", "Basic cHQ6cHQ=") })
		for _, p := range op.parameters {
			if p.In == openapi3.ParameterInPath {
				example := fmt.Sprint(p.Example)
				prefix, _, _ := strings.Cut(example, "_")
				id := cmp.Or(ids[p.Name], example)
				add("unknown "+p.Name, func(c *call) { c.path = strings.Replace(c.path, id, prefix+"_unknown", 1) })
				add("malformed "+p.Name, func(c *call) { c.path = strings.Replace(c.path, id, "x_1", 1) })
			}
			if p.In == openapi3.ParameterInQuery && p.Name != "page" {
				for _, value := range badQuery(p.Schema.Value) {
					add(p.Name+"="+value, func(c *call) { c.path += "?" + p.Name + "=" + url.QueryEscape(value) })
				}
			}
		}
		if hasParameter(op, "after_id") {
			after, before := exampleOf(op, "after_id"), exampleOf(op, "before_id")
			add("both cursors", func(c *call) { c.path += "?after_id=" + after + "&before_id=" + before })
			unknown := "999999999"
			if prefix, _, isID := strings.Cut(after, "_"); isID {
				unknown = prefix + "_unknown"
			}
			add("unknown cursor", func(c *call) { c.path += "?after_id=" + unknown })
		}
		if hasParameter(op, "Idempotency-Key") && op.body != nil && !strings.Contains(op.path, "{") {
			add("idempotency key of another body", func(c *call) {
				c.header.Set("Idempotency-Key", "prism-"+op.id) // replayCalls used it
				c.body = variant(t, c.body)
			})
			add("idempotency key too long", func(c *call) { c.header.Set("Idempotency-Key", strings.Repeat("k", 256)) })
		}
		if op.body == nil {
			continue
		}
		add("another content type", func(c *call) { c.header.Set("Content-Type", "text/plain") })
		add("no content type", func(c *call) { c.header.Del("Content-Type") })
		for name, body := range map[string]string{
			// All are JSON: Prism reads bodies and writes them anew, and hangs on the ones it cannot read.
			"an array": `[]`, "a string": `"a"`, "a number": `1`, "empty": `{}`,
		} {
			if name == "empty" && len(op.body.Required) == 0 {
				continue
			}
			add("body: "+name, func(c *call) { c.body = []byte(body) })
		}
		var object map[string]any
		if err := json.Unmarshal(base.body, &object); err != nil {
			t.Fatalf("%s has no object for an example: %v", op.id, err)
		}
		field := func(name string, change func(map[string]any)) {
			add(name, func(c *call) {
				changed := maps.Clone(object)
				change(changed)
				c.body = encode(t, changed)
			})
		}
		field("unknown property", func(o map[string]any) { o["unknown"] = 1 })
		for _, name := range op.body.Required {
			field("no "+name, func(o map[string]any) { delete(o, name) })
		}
		for _, name := range openapi.PropertyOrder(op.body) {
			for what, value := range badValues(op.body.Properties[name].Value) {
				field(name+": "+what, func(o map[string]any) { o[name] = value })
			}
		}
		if op.body.Properties["environment_id"] != nil {
			field("unknown environment", func(o map[string]any) { o["environment_id"] = "env_unknown" })
			field("unknown agent", func(o map[string]any) { o["agent"] = "agent_unknown" })
			field("unknown version", func(o map[string]any) { o["agent"] = map[string]any{"id": ids["agent_id"], "version": 1 << 30} })
		}
	}
	return calls
}

// badValues are values that a property may not have: other types, and just outside its bounds.
func badValues(s *openapi3.Schema) map[string]any {
	bad := map[string]any{}
	if !s.Nullable {
		bad["null"] = nil
	}
	takes := func(kind string) bool {
		return s.Type.Is(kind) || slices.ContainsFunc(s.OneOf, func(v *openapi3.SchemaRef) bool { return v.Value.Type.Is(kind) })
	}
	for kind, value := range map[string]any{
		"string": "a", "integer": 7, "boolean": true, "array": []any{}, "object": map[string]any{},
	} {
		if !takes(kind) && (kind != "integer" || !takes("number")) {
			bad["a "+kind] = value
		}
	}
	if takes("string") {
		bad["with NUL"] = "a\x00"
	}
	if s.MaxLength != nil {
		bad["too long"] = strings.Repeat("a", int(*s.MaxLength)+1)
	}
	if s.MinLength > 0 {
		bad["too short"] = ""
	}
	if s.Pattern != "" && s.MaxLength == nil {
		bad["another prefix"] = "other_019e390add9f7bac9b6cc806db46fcbd"
	}
	if s.Type.Is("integer") {
		bad["below the minimum"] = *s.Min - 1
		bad["above the maximum"] = *s.Max + 1
		bad["a fraction"] = *s.Min + 0.5
		bad["a number as a string"] = fmt.Sprint(*s.Min)
	}
	if s.MaxItems != nil {
		many := make([]any, *s.MaxItems+1)
		for i := range many {
			many[i] = s.Items.Value.Example
		}
		bad["too many"] = many
		bad["a bad item"] = []any{nil}
	}
	if s.AdditionalProperties.Schema != nil {
		many := map[string]any{}
		for i := range *s.MaxProps + 1 {
			many[fmt.Sprintf("K%d", i)] = "v"
		}
		bad["too many"] = many
		bad["a bad value"] = map[string]any{"K": 1}
		bad["an empty key"] = map[string]any{"": "v"}
	}
	return bad
}

// badQuery are values that a query parameter may not have.
func badQuery(s *openapi3.Schema) []string {
	switch {
	case s.Type.Is("integer"):
		return []string{fmt.Sprint(int64(*s.Min) - 1), fmt.Sprint(int64(*s.Max) + 1), "1.5", "a", ""}
	case s.Type.Is("boolean"):
		return []string{"yes", "2"}
	case s.Type.Is("string") && s.Format == "" && len(s.Enum) == 0 && regexp.MustCompile(s.Pattern).MatchString("other_1"): // any text
		return []string{strings.Repeat("a", int(*s.MaxLength)+1)}
	}
	return []string{"other_1", "A B"}
}

func hasParameter(op operation, name string) bool { return exampleOf(op, name) != "" }

func exampleOf(op operation, name string) string {
	for _, p := range op.parameters {
		if p.Name == name {
			return fmt.Sprint(p.Example)
		}
	}
	return ""
}

func firstExample(op operation) []byte {
	return op.examples[slices.Sorted(maps.Keys(op.examples))[0]]
}

// variant is a body as good as the given one that says something else.
func variant(t *testing.T, body []byte) []byte {
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatal(err)
	}
	object["metadata"] = map[string]any{"variant": "yes"}
	return encode(t, object)
}

// with copies a call and changes the copy.
func with(c call, name string, change func(*call)) call {
	c.name += name
	c.header = c.header.Clone()
	change(&c)
	return c
}

func withToken() http.Header {
	return http.Header{"Authorization": {"Bearer " + os.Getenv("SESSIONS_PRISM_TOKEN")}}
}
