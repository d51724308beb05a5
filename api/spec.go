// Package api embeds the contract.
package api

import (
	_ "embed"
	"encoding/json"
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed openapi.yaml
var spec []byte

func Spec() []byte { return slices.Clone(spec) }

func JSON() ([]byte, error) {
	doc, err := Load()
	if err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

func Load() (*openapi3.T, error) {
	l := openapi3.NewLoader()
	l.IncludeOrigin = true
	doc, err := l.LoadFromData(spec)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(l.Context)
}

func PropertyOrder(s *openapi3.Schema) []string {
	line := func(n string) int {
		r := s.Properties[n]
		if r.Origin != nil && r.Origin.Key != nil {
			return r.Origin.Key.Line
		}
		if r.Ref == "" && r.Value.Origin != nil && r.Value.Origin.Key != nil {
			return r.Value.Origin.Key.Line
		}
		return 1 << 30
	}
	return slices.SortedFunc(maps.Keys(s.Properties), func(a, b string) int { return line(a) - line(b) })
}
