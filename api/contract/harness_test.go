package contract

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/contract/compile"
	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
	"github.com/cloud-sessions/sessions/api/contract/internal/tiny"
	"github.com/cloud-sessions/sessions/api/openapi"
)

// document returns the API's document, and its contract as programs have it.
func document(tb testing.TB) (*openapi3.T, *Contract) {
	tb.Helper()
	doc, err := openapi.Parse(api.Spec())
	if err != nil {
		tb.Fatal(err)
	}
	c, err := Load()
	if err != nil {
		tb.Fatal(err)
	}
	return doc, c
}

// compiledTiny returns the contract of a small document.
func compiledTiny(tb testing.TB, parameter, body, component string) *Contract {
	tb.Helper()
	doc, err := compile.Document(tiny.Document(tb, parameter, body, component))
	if err != nil {
		tb.Fatal(err)
	}
	return New(doc)
}

// rulesOf compiles a schema of a document, or returns what was compiled before; nil if it is not supported.
func rulesOf(doc *openapi3.Schema) *rules.Schema {
	if s, ok := compiledSchemas.Load(doc); ok {
		return s.(*rules.Schema)
	}
	s, err := compile.Schema("schema", doc.NewRef())
	if err != nil {
		s = nil
	}
	compiledSchemas.Store(doc, s)
	return s
}

var compiledSchemas sync.Map // of *rules.Schema by *openapi3.Schema

// exampleJSON writes an example of the document as JSON.
func exampleJSON(tb testing.TB, example any) string {
	tb.Helper()
	data, err := json.Marshal(example)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}
