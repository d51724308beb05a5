package api

import (
	"bytes"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

// TestJSON32 validates the OpenAPI 3.2 document. Package contract tests that it means the same as the contract.
func TestJSON32(t *testing.T) {
	t.Parallel()
	data, err := JSON32()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Error(err)
	}
	if !doc.IsOpenAPI32OrLater() {
		t.Errorf("the version is %s", doc.OpenAPI)
	}
	if content := doc.Paths.Find("/sessions/{session_id}/events/stream").Get.Responses.Status(200).Value.Content["text/event-stream"]; content.Schema != nil || content.ItemSchema == nil {
		t.Error("the event stream has no schema of its frames")
	}
	clear(data)
	if again, err := JSON32(); err != nil || !strings.HasPrefix(string(again), `{"openapi":"3.2.0","info":`) {
		t.Errorf("a caller's write reached the document, or its keys are out of order: %.40s %v", again, err)
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ schema, want string }{
		"null":            {`{type: string, nullable: true, maxLength: 3}`, `{"type":["string","null"],"maxLength":3}`},
		"not null":        {`{type: string, nullable: false}`, `{"type":"string"}`},
		"example":         {`{type: array, items: {type: integer, example: 1}, example: [1, 2]}`, `{"type":"array","items":{"type":"integer","examples":[1]},"examples":[[1,2]]}`},
		"names":           {`{type: object, x-property-names: {maxLength: 1}, additionalProperties: {type: string, nullable: true}}`, `{"type":"object","propertyNames":{"maxLength":1},"additionalProperties":{"type":["string","null"]}}`},
		"bytes":           {`{type: string, format: binary, description: d}`, `{"description":"d","contentMediaType":"application/octet-stream"}`},
		"properties only": {`{type: object, properties: {nullable: {type: string}, example: {type: string, example: e}}}`, `{"type":"object","properties":{"nullable":{"type":"string"},"example":{"type":"string","examples":["e"]}}}`},
		"a reference":     {`{$ref: '#/components/schemas/A'}`, `{"$ref":"#/components/schemas/A"}`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, place := range []string{"components: {schemas: {A: %}}", "paths: {/a: {get: {parameters: [{name: p, schema: %, example: {schema: {nullable: true}}}]}}}"} {
				got, err := upgraded(t, "{openapi: 3.0.3, "+strings.ReplaceAll(place, "%", c.schema)+"}")
				if err != nil || !strings.Contains(got, c.want) {
					t.Errorf("%s: %s %v, want %s", place, got, err, c.want)
				}
			}
		})
	}
	stream := func(schema string) string {
		return "{openapi: 3.0.3, components: {schemas: {U: {oneOf: [], discriminator: {propertyName: type, mapping: {a: '#/components/schemas/A'}}}, A: {type: object}}}, " +
			"paths: {/s: {get: {responses: {'200': {content: {text/event-stream: " + schema + "}}}}}}}"
	}
	for name, doc := range map[string]string{
		"null of any type":               `{openapi: 3.0.3, components: {schemas: {A: {nullable: true}}}}`,
		"null in an enum":                `{openapi: 3.0.3, components: {schemas: {A: {type: object, properties: {a: {type: string, enum: [a], nullable: true}}}}}}`,
		"a stream of one schema":         stream(`{schema: {$ref: '#/components/schemas/A'}}`),
		"a stream of no schema":          stream(`{}`),
		"an example that is a reference": stream(`{schema: {$ref: '#/components/schemas/U'}, examples: {a: {$ref: '#/components/examples/A'}}}`),
	} {
		if got, err := upgraded(t, doc); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got, err := upgraded(t, stream(`{schema: {$ref: '#/components/schemas/U'}, examples: {a: {value: {id: i, type: a}}}}`)); err != nil ||
		!strings.Contains(got, `"examples":{"a":{"serializedValue":"id: i\nevent: a\ndata: {\"id\":\"i\",\"type\":\"a\"}\n\n"}}`) {
		t.Errorf("%s %v", got, err)
	}
}

func upgraded(t *testing.T, doc string) (string, error) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(doc), &root); err != nil {
		t.Fatal(err)
	}
	if err := upgrade(root.Content[0]); err != nil {
		return "", err
	}
	var out bytes.Buffer
	err := writeNode(&out, &root)
	return out.String(), err
}
