package contract

import (
	"bytes"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/sse"
)

// document32 returns a function that compiles the schema at a JSON pointer of the OpenAPI 3.2 document, as JSON Schema 2020-12
// defines it. Formats and contents are assertions.
func document32(t *testing.T) (compile func(pointer string) *jsonschema.Schema) {
	t.Helper()
	data, err := api.JSON32()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	const url = "https://example.com/openapi-3.2.json"
	if err := c.AddResource(url, doc); err != nil {
		t.Fatal(err)
	}
	return func(pointer string) *jsonschema.Schema {
		s, err := c.Compile(url + "#" + pointer)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// variations yields a value, and all values that differ from it in one place: a field is missing or unknown, or a value is
// replaced. The values share parts.
func variations(value any) iter.Seq[any] {
	return func(yield func(any) bool) { _ = yield(value) && vary(value, yield) }
}

// replacements are of all types, and at or beyond the bounds of most.
func replacements() []any {
	return []any{nil, true, json.Number("-1"), json.Number("1.5"), json.Number("1e12"), "", "x", "\x00", strings.Repeat("x", 300), []any{}, map[string]any{}}
}

func vary(value any, yield func(any) bool) bool {
	for _, other := range replacements() {
		if !yield(other) {
			return false
		}
	}
	switch v := value.(type) {
	case map[string]any:
		with := func(name string, member any) any {
			changed := maps.Clone(v)
			changed[name] = member
			return changed
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			member, without := v[name], maps.Clone(v)
			delete(without, name)
			if !yield(without) || !vary(member, func(other any) bool { return yield(with(name, other)) }) {
				return false
			}
		}
		return yield(with("unknown_name", "x")) && yield(with("Not A Name", "x"))
	case []any:
		for i, item := range v {
			with := func(other any) bool { return yield(slices.Replace(slices.Clone(v), i, i+1, other)) }
			if !vary(item, with) {
				return false
			}
		}
		return len(v) == 0 || yield(append(slices.Clone(v), v[0])) && yield(slices.Repeat(v, 120))
	}
	return true
}

// TestOpenAPI32SaysTheSame compares the verdicts of the contract and of the OpenAPI 3.2 document on variations of the example
// of each component schema.
func TestOpenAPI32SaysTheSame(t *testing.T) {
	t.Parallel()
	doc, c := document(t)
	compile := document32(t)
	for name, s := range doc.Components.Schemas {
		if name == "UploadFileRequest" {
			continue // it describes the parts of a form, whose file is not JSON
		}
		t.Run(name, func(t *testing.T) {
			schema := compile("/components/schemas/" + name)
			example, err := jsonschema.UnmarshalJSON(strings.NewReader(exampleJSON(t, s.Value.Example)))
			if err != nil {
				t.Fatal(err)
			}
			accepted, refused := 0, 0
			for value := range variations(example) {
				text := exampleJSON(t, value)
				own, derived := c.Schema(name).Check([]byte(text)), schema.Validate(value)
				if (own == nil) != (derived == nil) {
					t.Fatalf("%.2000s\nby the contract: %v\nby OpenAPI 3.2: %v", text, own, derived)
				}
				if own == nil {
					accepted++
				} else {
					refused++
				}
			}
			if accepted == 0 || refused == 0 {
				t.Errorf("%d values were accepted, %d refused", accepted, refused)
			}
		})
	}
}

// TestFramesOfOpenAPI32 compares the verdicts on the frames of an event stream: of CheckFrame, and of the itemSchema of the
// OpenAPI 3.2 document.
func TestFramesOfOpenAPI32(t *testing.T) {
	t.Parallel()
	doc, c := document(t)
	data := c.Operation("streamEvents").Stream(200)
	item := document32(t)("/paths/~1sessions~1{session_id}~1events~1stream/get/responses/200/content/text~1event-stream/itemSchema")
	verdicts := func(f sse.Event) (own *Violation, derived error) {
		frame := map[string]any{"data": string(f.Data)}
		if f.ID != "" {
			frame["id"] = f.ID
		}
		if f.Type != "" {
			frame["event"] = f.Type
		}
		return data.CheckFrame(f), item.Validate(frame)
	}
	kinds := doc.Components.Schemas["StreamedEvent"].Value.Discriminator.Mapping
	for kind, ref := range kinds {
		t.Run(kind, func(t *testing.T) {
			example := doc.Components.Schemas[strings.TrimPrefix(ref.Ref, "#/components/schemas/")].Value.Example.(map[string]any)
			id, _ := example["id"].(string)
			text := exampleJSON(t, example)
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			agree := func(f sse.Event) (accepted bool) {
				own, derived := verdicts(f)
				if (own == nil) != (derived == nil) {
					t.Errorf("%s %s %.2000s\nby the contract: %v\nby OpenAPI 3.2: %v", f.ID, f.Type, f.Data, own, derived)
				}
				return own == nil
			}
			if !agree(sse.Event{ID: id, Type: kind, Data: []byte(text)}) {
				t.Error("the example is refused")
			}
			for other := range kinds {
				if other != kind && agree(sse.Event{ID: id, Type: other, Data: []byte(text)}) {
					t.Errorf("the name %s is accepted", other)
				}
			}
			for _, wrong := range []sse.Event{
				{ID: id, Data: []byte(text)},
				{ID: id, Type: "message", Data: []byte(text)},
				{ID: "x", Type: kind, Data: []byte(text)},
				{ID: id, Type: kind, Data: []byte(text[1:])},
				{ID: id, Type: kind, Data: []byte(text + text)},
				{ID: id, Type: kind},
			} {
				if agree(wrong) {
					t.Errorf("%s %s %s is accepted", wrong.ID, wrong.Type, wrong.Data)
				}
			}
			if wrong := (sse.Event{Type: kind, Data: []byte(text)}); id != "" && agree(wrong) {
				t.Error("a stored event without an id is accepted")
			}
			if wrong := (sse.Event{ID: "evt_0", Type: kind, Data: []byte(text)}); id == "" && agree(wrong) {
				t.Error("an id of an event that is not stored is accepted")
			}
			n := 0
			for changed := range variations(value) { // a part of them: the test of the schemas has them all
				if n++; n%20 != 0 {
					continue
				}
				agree(sse.Event{ID: id, Type: kind, Data: []byte(exampleJSON(t, changed))})
			}
		})
	}
	// What JSON Schema cannot say: two fields of a frame are equal.
	other := sse.Event{ID: "evt_0", Type: "agent.thinking", Data: []byte(exampleJSON(t, doc.Components.Schemas["AgentThinkingEvent"].Value.Example))}
	if own, derived := verdicts(other); own == nil || derived != nil {
		t.Errorf("an id line that is not the event's: by the contract %v, by OpenAPI 3.2 %v", own, derived)
	}
}

// TestExampleOfAStream reads the example of the event stream of the OpenAPI 3.2 document like a stream.
func TestExampleOfAStream(t *testing.T) {
	t.Parallel()
	_, c := document(t)
	data, err := api.JSON32()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]struct {
			Get struct {
				Responses map[string]struct {
					Content map[string]struct {
						Examples map[string]struct{ SerializedValue string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	examples := doc.Paths["/sessions/{session_id}/events/stream"].Get.Responses["200"].Content["text/event-stream"].Examples
	if len(examples) == 0 {
		t.Error("there is no example")
	}
	for name, example := range examples {
		frame, err := sse.NewReader(strings.NewReader(example.SerializedValue), 1<<20).Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v := c.Operation("streamEvents").Stream(200).CheckFrame(frame); v != nil {
			t.Errorf("%s: %v", name, v)
		}
	}
}
