package contract

import (
	"maps"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api/contract/compile"
	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// agree compares this package with the oracle: the same verdict, the same first mistake in the same words, the same value.
func agree(t *testing.T, doc *openapi3.Schema, s *rules.Schema, data string) {
	t.Helper()
	want, wantMistake := oracle(doc, data)
	w := walker{cursor: cursor{data: data}, maxDepth: maxDepth, fill: true}
	var wantError, gotError *RequestError
	if wantMistake != nil {
		wantError = wantMistake.requestError()
	}
	if m := w.check(s); m != nil {
		gotError = m.requestError()
		m.violation() // does not panic
	}
	if diff := cmp.Diff(wantError, gotError); diff != "" {
		for _, known := range differences() {
			if known.explains(data, wantError, gotError) {
				return
			}
		}
		t.Fatalf("(-oracle +own) %s\ntext %q\nschema %s", diff, data, exampleJSON(t, doc))
	}
	if gotError != nil {
		return
	}
	edited := w.edited()
	got, m := oracleDecode(edited)
	if diff := cmp.Diff(want, got); diff != "" || m != nil {
		t.Fatalf("value after validation (-oracle +own) %s %v\ntext %q\nedited %q\nschema %s", diff, m, data, edited, exampleJSON(t, doc))
	}
	again := walker{cursor: cursor{data: edited}, maxDepth: maxDepth, fill: true}
	if m := again.check(s); m != nil || len(again.edits) > 0 {
		t.Fatalf("the edited text %q is not valid or needs edits: %v %v", edited, m, again.edits)
	}
	if len(w.edits) == 0 && edited != data {
		t.Fatal("the text changed without an edit")
	}
	if Digest([]byte(edited)) != Digest([]byte(exampleJSON(t, want))) {
		t.Fatalf("texts of one meaning have two digests: %q and %s", edited, exampleJSON(t, want))
	}
}

// compiledSchema compiles a generated schema, or skips the test if the generator made one that is not supported.
func compiledSchema(t *testing.T, doc *openapi3.Schema) *rules.Schema {
	t.Helper()
	s, err := compile.Schema("schema", doc.NewRef())
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
			s := compiledSchema(t, doc)
			for range 10 {
				text := g.value(doc, 6)
				agree(t, doc, s, text)
				agree(t, doc, s, g.spoil(text))
			}
		})
	}
}

// FuzzRandomSchemas compares the verdicts on any text by any schema.
func FuzzRandomSchemas(f *testing.F) {
	for seed := range uint64(300) {
		g := newGenerator(seed)
		f.Add(seed, g.value(g.schema(3), 6))
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		doc := newGenerator(seed).schema(3)
		agree(t, doc, compiledSchema(t, doc), text)
	})
}

// examples returns the names of the document's component schemas, and JSON texts to start with for each.
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

// FuzzDocument compares the verdicts on any text by any of the document's schemas.
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
