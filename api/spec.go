// Package api embeds the API's contract, openapi.yaml, as the only copy in the program. It imports a
// YAML parser, and no package of this module.
package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"sync"

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
