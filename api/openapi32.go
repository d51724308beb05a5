package api

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// JSON32 returns a copy of the contract as an OpenAPI 3.2 document in JSON, derived from openapi.yaml. It has the same meaning
// in the words of JSON Schema 2020-12, and says more in two places: x-property-names become propertyNames, and an event stream
// has an itemSchema, which describes a server-sent event. Keys keep the order of the YAML document.
func JSON32() ([]byte, error) {
	data, err := document32()
	return slices.Clone(data), err
}

var document32 = sync.OnceValues(func() ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, err
	}
	if err := upgrade(root.Content[0]); err != nil {
		return nil, fmt.Errorf("derive the OpenAPI 3.2 document: %w", err)
	}
	var out bytes.Buffer
	err := writeNode(&out, &root)
	return out.Bytes(), err
})

// upgrade turns a document of OpenAPI 3.0 into one of 3.2.
func upgrade(doc *yaml.Node) error {
	u := upgrader{doc}
	member(doc, "openapi").Value = "3.2.0"
	for name, schema := range entries(member(member(doc, "components"), "schemas")) {
		if err := u.schema(schema); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return u.part(doc)
}

// upgrader changes the parts of a document in place.
type upgrader struct{ doc *yaml.Node }

// part upgrades the schemas and the event streams of a part of the document that is not a schema itself.
func (u *upgrader) part(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			if err := u.part(item); err != nil {
				return err
			}
		}
	}
	for name, value := range entries(n) {
		var err error
		switch name {
		case "example", "examples": // values
		case "schemas": // the component schemas, which are upgraded
		case "schema":
			err = u.schema(value)
		case "text/event-stream":
			err = u.stream(value)
		default:
			err = u.part(value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// schema upgrades a schema and the schemas in it.
func (u *upgrader) schema(s *yaml.Node) error {
	for i := 0; s.Kind == yaml.MappingNode && i < len(s.Content); i += 2 {
		key, value := s.Content[i], s.Content[i+1]
		var inner []*yaml.Node
		switch key.Value {
		case "example":
			key.Value, s.Content[i+1] = "examples", sequence(value)
		case "x-property-names":
			key.Value = "propertyNames"
		case "properties":
			for _, property := range entries(value) {
				inner = append(inner, property)
			}
		case "items", "additionalProperties":
			inner = append(inner, value)
		}
		for _, schema := range inner {
			if err := u.schema(schema); err != nil {
				return fmt.Errorf("%s: %w", key.Value, err)
			}
		}
	}
	if nullable := remove(s, "nullable"); nullable != nil && nullable.Value == "true" {
		kind := member(s, "type")
		if kind == nil || member(s, "enum") != nil {
			return fmt.Errorf("only a schema with a type and without an enum can be nullable")
		}
		*kind = *sequence(str(kind.Value), str("null"))
	}
	if format := member(s, "format"); format != nil && format.Value == "binary" {
		// The bytes are not a string of JSON.
		remove(s, "type")
		remove(s, "format")
		s.Content = append(s.Content, str("contentMediaType"), str("application/octet-stream"))
	}
	return nil
}

// stream upgrades the content of a response that is an event stream. Its schema is that of the data, a union with a
// discriminator. The name of a server-sent event is the value of the discriminator; its id is the id of the data, if that has
// one.
func (u *upgrader) stream(content *yaml.Node) error {
	mappings := member(member(u.resolve(remove(content, "schema")), "discriminator"), "mapping")
	if mappings == nil {
		return fmt.Errorf("the schema is not a union with a discriminator")
	}
	var kinds []*yaml.Node
	for name, ref := range entries(mappings) {
		data := mapping(pair{"$ref", str(ref.Value)})
		var fields, required []pair
		if id := member(member(u.resolve(data), "properties"), "id"); id != nil {
			fields = append(fields, pair{"id", id})
		}
		fields = append(fields,
			pair{"event", mapping(pair{"type", str("string")}, pair{"const", str(name)})},
			pair{"data", mapping(pair{"type", str("string")}, pair{"contentMediaType", str("application/json")}, pair{"contentSchema", data})},
		)
		required = slices.Clone(fields)
		fields = append(fields, pair{"retry", mapping(pair{"type", str("integer")}, pair{"minimum", tagged("!!int", "0")})})
		names := sequence()
		for _, field := range required {
			names.Content = append(names.Content, str(field.key))
		}
		kinds = append(kinds, mapping(
			pair{"type", str("object")},
			pair{"title", str(name)},
			pair{"additionalProperties", tagged("!!bool", "false")},
			pair{"required", names},
			pair{"properties", mapping(fields...)},
		))
	}
	for _, example := range entries(member(content, "examples")) {
		if err := u.streamExample(example); err != nil {
			return err
		}
	}
	content.Content = slices.Insert(content.Content, 0, str("itemSchema"), mapping(
		pair{"description", str("Server-sent event. Comments are not part of it, and the lines of `data` are joined by line feeds.")},
		pair{"oneOf", sequence(kinds...)},
	))
	return nil
}

// streamExample turns an example of the data of a server-sent event into that of a stream.
func (u *upgrader) streamExample(example *yaml.Node) error {
	value := remove(example, "value")
	if value == nil {
		return fmt.Errorf("the example of an event stream has no value")
	}
	var frame, data bytes.Buffer
	if err := writeNode(&data, value); err != nil {
		return err
	}
	if id := member(value, "id"); id != nil {
		fmt.Fprintf(&frame, "id: %s\n", id.Value)
	}
	fmt.Fprintf(&frame, "event: %s\ndata: %s\n\n", member(value, "type").Value, data.Bytes())
	example.Content = append(example.Content, str("serializedValue"), str(frame.String()))
	return nil
}

// resolve follows a reference within the document; it returns nil when it leads nowhere.
func (u *upgrader) resolve(n *yaml.Node) *yaml.Node {
	ref := member(n, "$ref")
	if ref == nil {
		return n
	}
	target := u.doc
	for step := range strings.SplitSeq(strings.TrimPrefix(ref.Value, "#/"), "/") {
		target = member(target, step)
	}
	return target
}
