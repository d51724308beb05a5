// Package openapi parses the contract by kin-openapi, for generators and tests: a program that serves or calls the API has it
// compiled, as Go data.
package openapi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// Parse parses an OpenAPI document, which takes tens of milliseconds. Origins are included, so that errors can name lines and
// PropertyOrder works. It does not validate the document.
func Parse(data []byte) (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	loader.IncludeOrigin = true
	doc, err := loader.LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("parse the contract: %w", err)
	}
	return doc, nil
}

// PropertyOrder returns the names of s's properties in the order of the document. s must come from Parse: properties
// without a position, as those of a schema built in Go, come last, by name. A nil schema has none.
func PropertyOrder(s *openapi3.Schema) []string {
	if s == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(s.Properties), func(a, b string) int {
		at, bt := place(s.Properties[a]), place(s.Properties[b])
		switch {
		case at == nil && bt == nil:
			return cmp.Compare(a, b)
		case at == nil:
			return 1
		case bt == nil:
			return -1
		}
		return cmp.Or(cmp.Compare(at.Line, bt.Line), cmp.Compare(at.Column, bt.Column), cmp.Compare(a, b))
	})
}

// place returns the position of a property's name, or nil. For a reference it is that of the reference (the schema has the
// position of the target), for an inline schema that of the schema.
func place(ref *openapi3.SchemaRef) *openapi3.Location {
	switch {
	case ref == nil:
		return nil
	case ref.Origin != nil && ref.Origin.Key != nil:
		return ref.Origin.Key
	case ref.Ref == "" && ref.Value != nil && ref.Value.Origin != nil:
		return ref.Value.Origin.Key
	}
	return nil
}
