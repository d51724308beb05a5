package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is what the generator reads of the contract, in the order of the contract.
type document struct {
	Paths      ordered[pathItem]
	Components struct {
		Parameters ordered[*parameter]
		Schemas    ordered[*schema]
	}

	operations []*operation
	services   []*service
}

// pathItem has the operations of a path, by their methods, and the parameters that they share.
type pathItem struct {
	parameters []*parameter
	operations ordered[*operation]
}

// UnmarshalYAML reads a path item: what is not "parameters" is a method.
func (p *pathItem) UnmarshalYAML(node *yaml.Node) error {
	var keys ordered[yaml.Node]
	if err := node.Decode(&keys); err != nil {
		return err
	}
	p.operations.values = map[string]*operation{}
	for key, value := range keys.all {
		if key == "parameters" {
			if err := value.Decode(&p.parameters); err != nil {
				return err
			}
			continue
		}
		op := &operation{Method: strings.ToUpper(key)}
		if err := value.Decode(op); err != nil {
			return err
		}
		p.operations.names = append(p.operations.names, key)
		p.operations.values[key] = op
	}
	return nil
}

// operation is an operation, with the parameters of its path.
type operation struct {
	ID          string `yaml:"operationId"`
	Summary     string
	Description string
	Parameters  []*parameter
	RequestBody struct{ Content ordered[media] } `yaml:"requestBody"`
	Responses   ordered[response]
	Handwritten bool   `yaml:"x-go-handwritten"` // whether package client has its method by hand
	Alias       string `yaml:"x-go-alias"`       // the operation that this one repeats at another path; "" for none

	Method string `yaml:"-"`
	Path   string `yaml:"-"`
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name, In    string
	Description string
	GoName      string `yaml:"x-go-name"`
	Schema      *schema
	Example     any
}

type response struct {
	Content ordered[media]
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
	EnumNames     []string  `yaml:"x-enum-varnames"`
	OneOf         []*schema `yaml:"oneOf"`
	Discriminator struct {
		Property string `yaml:"propertyName"`
		Mapping  ordered[string]
	}
	Properties ordered[*schema]
	Required   []string
	Items      *schema

	Default       any
	Example       any
	Minimum       *int64
	Maximum       *int64
	MinLength     int  `yaml:"minLength"`
	MaxLength     *int `yaml:"maxLength"`
	MinItems      int  `yaml:"minItems"`
	MaxItems      *int `yaml:"maxItems"`
	MaxProperties *int `yaml:"maxProperties"`
	Pattern       string
	PatternRule   string `yaml:"x-pattern-description"`

	GoName      string `yaml:"x-go-name"`
	GoType      string `yaml:"x-go-type"`
	GoError     bool   `yaml:"x-go-error"`       // whether its values are errors
	GoConstants string `yaml:"x-go-constants"`   // the union whose discriminator has its values
	Handwritten bool   `yaml:"x-go-handwritten"` // whether package client has its type by hand

	Name string `yaml:"-"` // of a component
}

// ordered is a mapping in the order of the document.
type ordered[T any] struct {
	names  []string
	values map[string]T
}

// UnmarshalYAML reads a mapping.
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
	doc.collectOperations()
	doc.collectServices()
	return &doc, nil
}

// collectOperations lists the operations in the order of the document, each with all of its parameters.
func (d *document) collectOperations() {
	for path, item := range d.Paths.all {
		for _, op := range item.operations.all {
			op.Path = path
			op.Parameters = slices.Concat(item.parameters, op.Parameters)
			for i, p := range op.Parameters {
				op.Parameters[i] = d.parameter(p)
			}
			d.operations = append(d.operations, op)
		}
	}
}

// schema follows a reference. The contract's own tests find those that lead nowhere.
func (d *document) schema(s *schema) *schema {
	if s == nil || s.Ref == "" {
		return s
	}
	return d.named(path.Base(s.Ref))
}

// named returns a component schema.
func (d *document) named(name string) *schema { return d.Components.Schemas.values[name] }

// parameter follows a reference.
func (d *document) parameter(p *parameter) *parameter {
	if p.Ref == "" {
		return p
	}
	return d.Components.Parameters.values[path.Base(p.Ref)]
}

// in returns the parameters in a place, such as path.
func (o *operation) in(place string) (all []*parameter) {
	for _, p := range o.Parameters {
		if p.In == place {
			all = append(all, p)
		}
	}
	return all
}

// body is the schema of the request's body, nil without one.
func (o *operation) body() *schema { return o.RequestBody.Content.values["application/json"].Schema }

// result is the schema of the first success.
func (o *operation) result() *schema {
	for status, r := range o.Responses.all {
		if status[0] == '2' {
			for _, m := range r.Content.all {
				return m.Schema
			}
		}
	}
	return nil
}
