package contract

import (
	"encoding/json"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api"
)

// document returns the API's document and its contract.
func document(tb testing.TB) (*openapi3.T, *Contract) {
	tb.Helper()
	doc, err := api.Load()
	if err != nil {
		tb.Fatal(err)
	}
	c, err := Compile(doc)
	if err != nil {
		tb.Fatal(err)
	}
	return doc, c
}

// exampleJSON writes an example of the document as JSON.
func exampleJSON(tb testing.TB, example any) string {
	tb.Helper()
	data, err := json.Marshal(example)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}
