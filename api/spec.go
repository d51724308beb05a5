// Package api embeds the API's contract, openapi.yaml, as the only copy in the program. It imports kin-openapi and a
// YAML parser, and no package of this module.
package api

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var document []byte

// Spec returns a copy of the contract as written, in YAML.
func Spec() []byte { return slices.Clone(document) }

// JSON returns a copy of the contract in JSON. Keys keep the order of the YAML document.
func JSON() ([]byte, error) {
	data, err := documentJSON()
	return slices.Clone(data), err
}

var documentJSON = sync.OnceValues(func() ([]byte, error) { return toJSON(document) })

// Load returns the parsed contract. The caller owns the result: each call parses again, which takes tens of milliseconds.
// Origins are included, so that errors can name lines and PropertyOrder works. The tests of this package validate the
// document; validating it at each start would add half of the time for parsing.
func Load() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	loader.IncludeOrigin = true
	doc, err := loader.LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("parse the contract: %w", err)
	}
	return doc, nil
}

// PropertyOrder returns the names of s's properties in the order of the document. s must come from Load: properties
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

// toJSON converts YAML to JSON and keeps the order of the keys.
func toJSON(data []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := writeNode(&out, &root); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeNode(out *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return writeNode(out, n.Content[0])
	case yaml.AliasNode:
		return writeNode(out, n.Alias)
	case yaml.MappingNode:
		out.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeValue(out, n.Content[i].Value); err != nil { // a key is a string in JSON, even 201
				return err
			}
			out.WriteByte(':')
			if err := writeNode(out, n.Content[i+1]); err != nil {
				return err
			}
		}
		out.WriteByte('}')
		return nil
	case yaml.SequenceNode:
		out.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeNode(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	}
	var scalar any
	if err := n.Decode(&scalar); err != nil {
		return err
	}
	return writeValue(out, scalar)
}

func writeValue(out *bytes.Buffer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // Encode ends with a newline
	return nil
}
