package contract

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

// reference returns what kin-openapi, behind encoding/json, makes of a text: the first fault, or the
// value with defaults filled in.
func reference(doc *openapi3.Schema, data string) (any, *RequestError) {
	value, fault := refDecode([]byte(data), maxDepth)
	if fault != nil {
		return nil, fault
	}
	if m := refFirstMistake(doc, value, openapi3.VisitAsRequest()); m != nil {
		return nil, m.requestError()
	}
	if err := doc.VisitJSON(value, openapi3.VisitAsRequest(), openapi3.DefaultsSet(func() {})); err != nil {
		return nil, &RequestError{Param: "defaults", Message: err.Error()}
	}
	filled, err := json.Marshal(value)
	if err != nil {
		return nil, &RequestError{Param: "defaults", Message: err.Error()}
	}
	return refDecode(filled, maxDepth)
}

const maxDepth = 64

// agree holds the two against each other: the same verdict, the same first fault to the letter, the same
// value handed on.
func agree(t *testing.T, doc *openapi3.Schema, s *schema, data string) {
	t.Helper()
	want, wantRequestError := reference(doc, data)
	w := walker{cursor: cursor{data: data}, maxDepth: maxDepth, fill: true}
	var fault *RequestError
	if m := w.check(s); m != nil {
		fault = m.requestError()
		m.violation() // does not panic
	}
	if diff := cmp.Diff(wantRequestError, fault); diff != "" {
		for _, known := range differences() {
			if known.explains(data, wantRequestError, fault) {
				return
			}
		}
		t.Fatalf("(-kin +own) %s\ntext %q\nschema %s", diff, data, exampleJSON(t, doc))
	}
	if fault != nil {
		return
	}
	edited := w.edited()
	got, gotRequestError := refDecode([]byte(edited), maxDepth)
	if diff := cmp.Diff(want, got); diff != "" || gotRequestError != nil {
		t.Fatalf("handed on (-kin +own) %s %v\ntext %q\nedited %q\nschema %s", diff, gotRequestError, data, edited, exampleJSON(t, doc))
	}
	again := walker{cursor: cursor{data: edited}, maxDepth: maxDepth, fill: true}
	if m := again.check(s); m != nil || len(again.edits) > 0 {
		t.Fatalf("edited %q is not at rest: %v %v", edited, m, again.edits)
	}
	if len(w.edits) == 0 && edited != data {
		t.Fatal("bytes changed without need")
	}
	if Digest([]byte(edited)) != Digest([]byte(exampleJSON(t, want))) {
		t.Fatalf("another digest for what means the same: %q and %s", edited, exampleJSON(t, want))
	}
}

// compiled compiles a schema of a generator's, or skips the test when the generator went astray.
func compiled(t *testing.T, doc *openapi3.Schema) *schema {
	t.Helper()
	s, err := (&compiler{done: map[*openapi3.Schema]*schema{}}).compile("schema", doc.NewRef())
	if err != nil {
		t.Skip(err)
	}
	return s
}

func TestRandomSchemasAgree(t *testing.T) {
	for seed := range uint64(500) {
		g := newGenerator(seed)
		doc := g.schema(3)
		t.Run("", func(t *testing.T) {
			s := compiled(t, doc)
			for range 10 {
				text := g.value(doc, 6)
				agree(t, doc, s, text)
				agree(t, doc, s, g.spoil(text))
			}
		})
	}
}

// FuzzRandomSchemas holds any text against any schema.
func FuzzRandomSchemas(f *testing.F) {
	for seed := range uint64(300) {
		g := newGenerator(seed)
		f.Add(seed, g.value(g.schema(3), 6))
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		doc := newGenerator(seed).schema(3)
		agree(t, doc, compiled(t, doc), text)
	})
}

// examples yields the document's component schemas by name, and JSON to begin with for each.
func examples(tb testing.TB, doc *openapi3.T) (names []string, texts map[string][]string) {
	tb.Helper()
	names, texts = slices.Sorted(maps.Keys(doc.Components.Schemas)), map[string][]string{}
	g := newGenerator(1)
	for _, name := range names {
		s := doc.Components.Schemas[name].Value
		if s.Example != nil {
			texts[name] = append(texts[name], exampleJSON(tb, s.Example))
		}
		for range 4 {
			texts[name] = append(texts[name], g.value(s, 6))
		}
	}
	return names, texts
}

func TestDocumentAgrees(t *testing.T) {
	doc, c := document(t)
	names, texts := examples(t, doc)
	g := newGenerator(2)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			s := doc.Components.Schemas[name].Value
			for _, text := range texts[name] {
				agree(t, s, c.schemas[name].root, text)
				for range 20 {
					agree(t, s, c.schemas[name].root, g.spoil(text))
				}
			}
		})
	}
}

// FuzzDocument holds any text against any of the document's schemas.
func FuzzDocument(f *testing.F) {
	doc, c := document(f)
	names, texts := examples(f, doc)
	for i, name := range names {
		for _, text := range texts[name] {
			f.Add(uint8(i), text)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, text string) {
		name := names[int(i)%len(names)]
		agree(t, doc.Components.Schemas[name].Value, c.schemas[name].root, text)
	})
}
