package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/gen/types"
)

// inlineType returns a pointer to a zero value of the Go type of a schema without a name, as parameters and headers
// have; nil when it has none.
func inlineType(s *openapi3.Schema) any {
	switch {
	case s.Type.Is(openapi3.TypeArray):
		return new([]string)
	case s.Type.Is(openapi3.TypeBoolean):
		return new(bool)
	case s.Type.Is(openapi3.TypeInteger) && s.Format == "int32":
		return new(int32)
	case s.Type.Is(openapi3.TypeString) && (s.Format == "" || s.Format == "binary"):
		return new(string)
	}
	return nil
}

// example is one example of the document, with the schema that it must satisfy.
type example struct {
	place  string
	schema *openapi3.SchemaRef
	value  any
}

// TestExamples validates every example by its schema and converts it to its Go type and back.
func TestExamples(t *testing.T) {
	doc := load(t)
	all := examples(doc)
	for name, ref := range doc.Components.Examples {
		if !slices.ContainsFunc(all, func(e example) bool { return reflect.DeepEqual(e.value, ref.Value.Value) }) {
			t.Errorf("#/components/examples/%s is not used; refer to it or delete it", name)
		}
	}
	for _, e := range all {
		t.Run(e.place, func(t *testing.T) {
			for _, finding := range checkExample(e) {
				t.Error(finding)
			}
		})
	}
}

// TestExamplesCanFail tests that checkExample finds each kind of mistake.
func TestExamplesCanFail(t *testing.T) {
	doc := load(t)
	schema := func(name string) *openapi3.SchemaRef {
		return openapi3.NewSchemaRef("#/components/schemas/"+name, doc.Components.Schemas[name].Value)
	}
	unmapped := schema("Name")
	unmapped.Ref += "Other"
	for _, c := range []struct {
		name   string
		schema *openapi3.SchemaRef
		value  any
	}{
		{"a missing property", schema("ModelObject"), object{}},
		{"an unknown property", schema("ModelObject"), object{"id": "m", "x": 1.0}},
		{"a pattern", schema("AgentID"), "env_1"},
		{"a format", schema("Timestamp"), "2026-05-18 15:26:15"},
		{"a time that comes back in another form", schema("Timestamp"), "2026-05-18T15:26:15.740000Z"},
		{"a bound", schema("AgentVersion"), 0.0},
		{"an unknown variant", schema("MCPServer"), object{"type": "ftp", "name": "a", "url": "http://a"}},
		{"a map's key", schema("EnvironmentVariables"), object{"1A": ""}},
		{"no Go type", unmapped, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if len(checkExample(example{c.name, c.schema, c.value})) == 0 {
				t.Error("no finding")
			}
		})
	}
}

func checkExample(e example) (findings []string) {
	data, err := json.Marshal(e.value)
	if err != nil {
		return []string{err.Error()}
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return []string{err.Error()}
	}
	if err := e.schema.Value.VisitJSON(value, openapi3.EnableFormatValidation(), openapi3.MultiErrors()); err != nil {
		findings = append(findings, "violates its schema: "+err.Error())
	}
	if names, ok := e.schema.Value.Extensions["x-property-names"]; ok {
		findings = append(findings, checkNames(names, value)...)
	}

	typed := types.ForSchema(strings.TrimPrefix(e.schema.Ref, "#/components/schemas/"))
	if e.schema.Ref == "" {
		typed = inlineType(e.schema.Value)
	}
	if typed == nil {
		return append(findings, "has no Go type: run make gen, or give a schema without a name one in inlineType")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(typed); err != nil {
		return append(findings, fmt.Sprintf("does not decode into %T: %v", typed, err))
	}
	if _, err := decoder.Token(); err != io.EOF {
		findings = append(findings, fmt.Sprintf("leaves bytes behind after decoding into %T", typed))
	}
	findings = append(findings, sameJSON(typed, value)...)
	// A generated union keeps its bytes until asked, so ask: the variant must say the same.
	if union, ok := typed.(interface{ AsAny() any }); ok {
		variant := union.AsAny()
		if variant == nil {
			return append(findings, fmt.Sprintf("%T holds no variant", typed))
		}
		findings = append(findings, sameJSON(variant, value)...)
	}
	return findings
}

// sameJSON reports how typed, encoded, differs from want, a JSON value.
func sameJSON(typed, want any) []string {
	back, err := json.Marshal(typed)
	if err != nil {
		return []string{fmt.Sprintf("%T does not encode: %v", typed, err)}
	}
	var got any
	if err := json.Unmarshal(back, &got); err != nil {
		return []string{fmt.Sprintf("%T encodes no JSON: %v", typed, err)}
	}
	if !reflect.DeepEqual(got, want) {
		wanted, _ := json.Marshal(want) // it was JSON before
		return []string{fmt.Sprintf("comes back from %T changed:\n got %s\nwant %s", typed, back, wanted)}
	}
	return nil
}

// checkNames validates the keys of a map by its x-property-names.
func checkNames(names, value any) (findings []string) {
	data, err := json.Marshal(names)
	if err != nil {
		return []string{err.Error()}
	}
	var schema openapi3.Schema
	if err := json.Unmarshal(data, &schema); err != nil {
		return []string{err.Error()}
	}
	for name := range sorted(value.(object)) {
		if err := schema.VisitJSONString(name); err != nil {
			findings = append(findings, fmt.Sprintf("key %q: %v", name, err))
		}
	}
	return findings
}

// examples returns every example of the document. Those of components are included where they are used.
func examples(doc *openapi3.T) (all []example) {
	add := func(place string, schema *openapi3.SchemaRef, one any, many openapi3.Examples) {
		if one != nil {
			all = append(all, example{place, schema, one})
		}
		for name, ref := range many {
			all = append(all, example{place + "/" + name, schema, ref.Value.Value})
		}
	}
	addHeaders := func(place string, headers openapi3.Headers) {
		for name, ref := range headers {
			add(place+" header "+name, ref.Value.Schema, ref.Value.Example, ref.Value.Examples)
		}
	}
	addContent := func(place string, content openapi3.Content) {
		for name, media := range content {
			add(place+" "+name, media.Schema, media.Example, media.Examples)
		}
	}
	addParameters := func(place string, parameters openapi3.Parameters) {
		for _, ref := range parameters {
			add(place+" parameter "+ref.Value.Name, ref.Value.Schema, ref.Value.Example, ref.Value.Examples)
			if ref.Value.Schema.Value.Default != nil {
				add(place+" default of "+ref.Value.Name, ref.Value.Schema, ref.Value.Schema.Value.Default, nil)
			}
		}
	}
	for name, ref := range doc.Components.Schemas {
		add(name, openapi3.NewSchemaRef("#/components/schemas/"+name, ref.Value), ref.Value.Example, nil)
	}
	addHeaders("components", doc.Components.Headers)
	for path, item := range doc.Paths.Map() {
		addParameters(path, item.Parameters)
		for _, op := range item.Operations() {
			addParameters(op.OperationID, op.Parameters)
			if op.RequestBody != nil {
				addContent(op.OperationID+" request", op.RequestBody.Value.Content)
			}
			for status, ref := range op.Responses.Map() {
				addHeaders(op.OperationID+" "+status, ref.Value.Headers)
				addContent(op.OperationID+" "+status, ref.Value.Content)
			}
		}
	}
	slices.SortFunc(all, func(a, b example) int { return strings.Compare(a.place, b.place) })
	return all
}
