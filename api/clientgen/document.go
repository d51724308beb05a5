package main

import (
	"fmt"
	"path"

	"go.yaml.in/yaml/v3"
)

// document is what the generator reads of the contract, in the order of the contract.
type document struct {
	Tags       []tag
	Paths      ordered[pathItem]
	Components struct {
		Parameters ordered[*parameter]
		Schemas    ordered[*schema]
	}
}

type tag struct{ Name, Description string }

// pathItem has the operations of a path, and the parameters that they share.
type pathItem struct {
	Parameters                    []*parameter
	Get, Post, Put, Patch, Delete *operation
}

type operation struct {
	ID          string `yaml:"operationId"`
	Tags        []string
	Summary     string
	Description string
	Parameters  []*parameter
	RequestBody struct{ Content ordered[media] } `yaml:"requestBody"`
	Responses   ordered[response]

	Method, Path string `yaml:"-"`
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name, In    string
	Description string
	Schema      *schema
	Example     any
}

type response struct {
	Description string
	Content     ordered[media]
}

type media struct {
	Schema   *schema
	Examples ordered[struct{ Value any }]
}

type schema struct {
	Ref           string `yaml:"$ref"`
	Type, Format  string
	Description   string
	Enum          []string
	OneOf         []*schema `yaml:"oneOf"`
	Discriminator struct {
		Property string `yaml:"propertyName"`
		Mapping  ordered[string]
	}
	Properties ordered[*schema]
	Required   []string
	Items      *schema

	Default          any
	Minimum, Maximum *int64
	MinLength        *int   `yaml:"minLength"`
	MaxLength        *int   `yaml:"maxLength"`
	MinItems         *int   `yaml:"minItems"`
	MaxItems         *int   `yaml:"maxItems"`
	MaxProperties    *int   `yaml:"maxProperties"`
	GoType           string `yaml:"x-go-type"`
	GoError          bool   `yaml:"x-go-error"`     // whether its values are errors
	GoConstants      string `yaml:"x-go-constants"` // the union whose discriminator has its values

	Name string `yaml:"-"` // of a component
}

// ordered is a mapping in the order of the document.
type ordered[T any] struct {
	names  []string
	values map[string]T
}

func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a mapping", node.Line)
	}
	if err := node.Decode(&o.values); err != nil {
		return err
	}
	for i := 0; i < len(node.Content); i += 2 {
		o.names = append(o.names, node.Content[i].Value)
	}
	return nil
}

// all yields the entries in their order.
func (o ordered[T]) all(yield func(string, T) bool) {
	for _, name := range o.names {
		if !yield(name, o.values[name]) {
			return
		}
	}
}

// parse reads the contract.
func parse(data []byte) (*document, error) {
	var doc document
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	for name, s := range doc.Components.Schemas.all {
		s.Name = name
	}
	return &doc, nil
}

// schema follows a reference. It panics when there is nothing at its end: the contract's own tests come first.
func (d *document) schema(s *schema) *schema {
	if s.Ref == "" {
		return s
	}
	return d.Components.Schemas.values[path.Base(s.Ref)]
}

// parameter follows a reference.
func (d *document) parameter(p *parameter) *parameter {
	if p.Ref == "" {
		return p
	}
	return d.Components.Parameters.values[path.Base(p.Ref)]
}
