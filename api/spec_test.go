package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/api/openapi"
)

// The documentation page that the API implements, word for word.
const (
	pageRequest = `{
"agent": "agent_019e390add9f7bac9b6cc806db46fcbd",
"environment_id": "env_019e2590d33f711fabf42f2857cecd8a",
"title": "我的会话",
"metadata": {"purpose": "customer-support"}
}`
	pageResponse = `{
"id": "sess_019e3bb1e8c171fd9abbb1477ffb84cc",
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
},
"created_at": "2026-05-18T15:26:15.747298Z",
"updated_at": "2026-05-18T15:26:15.747298Z"
}`
)

func TestHouseRules(t *testing.T) {
	doc := tree(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, finding := range r.check(doc) {
				t.Error(finding)
			}
		})
	}
}

func TestDocumentationPage(t *testing.T) {
	operation := child(child(child(tree(t), "paths"), "/sessions"), "post")
	for _, c := range []struct {
		name    string
		content object
		page    string
	}{
		{"request", child(operation, "requestBody"), pageRequest},
		{"response", child(child(operation, "responses"), "201"), pageResponse},
	} {
		t.Run(c.name, func(t *testing.T) {
			examples := child(child(child(c.content, "content"), "application/json"), "examples")
			got := child(examples, "page")["value"]
			if want := parse(t, []byte(c.page)); !reflect.DeepEqual(got, want) {
				t.Errorf("example %q of the %s of createSession differs from the page:\n got %s\nwant %s", "page", c.name, encode(t, got), encode(t, want))
			}
		})
	}
}

func TestPropertyOrder(t *testing.T) {
	doc := load(t)
	var root yaml.Node
	if err := yaml.Unmarshal(Spec(), &root); err != nil {
		t.Fatal(err)
	}
	schemas := at(&root, "components", "schemas")
	for name, ref := range doc.Components.Schemas {
		var want []string
		if properties := at(schemas, name, "properties"); properties != nil {
			for i := 0; i < len(properties.Content); i += 2 {
				want = append(want, properties.Content[i].Value)
			}
		}
		if got := openapi.PropertyOrder(ref.Value); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}

	if got := openapi.PropertyOrder(nil); got != nil {
		t.Errorf("nil schema: got %v", got)
	}
	byHand := openapi3.NewObjectSchema().WithProperty("b", openapi3.NewStringSchema()).WithProperty("a", openapi3.NewStringSchema())
	if got := openapi.PropertyOrder(byHand); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("schema made by hand: got %v, want [a b]", got)
	}
	oneLine := `{openapi: 3.0.3, info: {title: t, version: v}, paths: {}, components: {schemas: {
		Z: {type: string}, S: {type: object, properties: {c: {type: string}, b: {$ref: '#/components/schemas/Z'}, a: {type: string}}}}}}`
	flow, err := openapi.Parse([]byte(oneLine))
	if err != nil {
		t.Fatal(err)
	}
	if got := openapi.PropertyOrder(flow.Components.Schemas["S"].Value); !slices.Equal(got, []string{"c", "b", "a"}) {
		t.Errorf("properties on one line: got %v, want [c b a]", got)
	}
}

func TestJSON(t *testing.T) {
	data, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	var fromYAML any
	if err := yaml.Unmarshal(Spec(), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if got, want := parse(t, data), parse(t, []byte(encode(t, fromYAML))); !reflect.DeepEqual(got, want) {
		t.Error("the JSON document differs from the YAML one")
	}
	if !strings.HasPrefix(string(data), `{"openapi":"3.0.`) {
		t.Errorf("keys are out of order: the document starts with %.40s", data)
	}
	fromJSON, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := fromJSON.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCopies tests that a caller cannot change the contract of another.
func TestCopies(t *testing.T) {
	clear(Spec())
	data, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	again, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(Spec()), "openapi:") || !json.Valid(again) {
		t.Error("a caller's write reached the embedded document")
	}
	a, b := load(t), load(t)
	a.Info.Title = "changed"
	if b.Info.Title == a.Info.Title {
		t.Error("two loaded documents share memory")
	}
}

// TestTheContractIsValid validates the document, so that openapi.Parse does not have to.
func TestTheContractIsValid(t *testing.T) {
	doc := load(t)
	if err := doc.Validate(t.Context(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Error(err)
	}
	doc.Paths.Find("/sessions").Post.Responses = nil
	if doc.Validate(t.Context()) == nil {
		t.Error("a document without responses passes")
	}
}

func load(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := openapi.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// tree is the contract as plain JSON values, for the rules; the caller may change it.
func tree(t testing.TB) object {
	t.Helper()
	data, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, data).(object)
}

func parse(t testing.TB, data []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return value
}

func encode(t testing.TB, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// at follows keys through YAML mappings; nil when one is missing.
func at(n *yaml.Node, keys ...string) *yaml.Node {
	if n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	for _, key := range keys {
		i := slices.IndexFunc(n.Content, func(k *yaml.Node) bool { return k.Value == key })
		if i < 0 {
			return nil
		}
		n = n.Content[i+1]
	}
	return n
}
