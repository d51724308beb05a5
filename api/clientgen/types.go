package main

import (
	"fmt"
	"slices"
	"strings"
)

// clientTypes is what package client has of package gen/types under its own name, so that callers need no other import.
type clientTypes struct {
	Params    []alias
	Aliases   []alias
	Enums     []enum
	Unions    []union
	Constants []constants

	IdempotencyKey *schema
	ErrorMessage   *schema
}

// alias is a type of package client that is one of gen/types.
type alias struct{ Name, Doc string }

// enum is the values of a type: constants of package client that stand for constants of gen/types.
type enum struct {
	Type   string
	Values []struct{ Name, Value string }
}

// reach returns the schemas that callers see when they see the given ones. What has a Go type of its own, x-go-type,
// hides what it is made of.
func (d *document) reach(schemas []*schema) map[*schema]bool {
	reached := map[*schema]bool{}
	for len(schemas) > 0 {
		s := d.schema(schemas[0])
		schemas = schemas[1:]
		if s == nil || reached[s] {
			continue
		}
		reached[s] = true
		if s.GoType == "" {
			schemas = append(schemas, s.parts()...)
		}
	}
	return reached
}

// parts lists the schemas that a schema is made of.
func (s *schema) parts() []*schema {
	if s == nil {
		return nil
	}
	parts := slices.Clone(s.OneOf)
	for _, p := range s.Properties.all {
		parts = append(parts, p)
	}
	return append(parts, s.Items)
}

// clientTypes names what the methods take and return.
func (d *document) clientTypes() (t clientTypes) {
	var sent, got []*schema
	methods := map[string]string{} // of a request's schema
	for _, m := range d.methods() {
		body, result := d.schema(m.body()), d.schema(m.result())
		if m.Handwritten { // in a form of its own
			body, result = &schema{OneOf: body.parts()}, &schema{OneOf: result.parts()}
		} else if d.isPage(result) {
			result = &schema{OneOf: result.parts()}
		}
		for _, p := range m.Parameters {
			sent = append(sent, p.Schema)
		}
		sent, got = append(sent, body), append(got, result)
		if m.Params != "" && !m.Handwritten {
			t.Params = append(t.Params, alias{m.Params, d.paramsDoc(m)})
		}
		if m.Request != "" && !m.Handwritten {
			methods[m.Request] = m.Link()
		}
	}
	sentSchemas, schemas := d.reach(sent), d.reach(append(sent, got...))
	goTypes := map[string]bool{}
	for _, s := range d.Components.Schemas.all {
		if !schemas[s] || s.Handwritten || s.GoError || !s.hasGoType() || goTypes[s.GoType] && s.GoType != "" && len(s.OneOf) > 0 {
			continue
		}
		goTypes[s.GoType] = true
		doc := named(s.Name, s.Description)
		if method := methods[s.Name]; method != "" {
			doc = fmt.Sprintf("%s is the request of [%s].", s.Name, method) + d.boundsDoc(s)
		}
		if s.Discriminator.Property != "" {
			t.Unions = append(t.Unions, s.union())
			doc += fmt.Sprintf(" Make one with [New%s]; AsAny returns what it is: %s.", s.Name, list(links(s.union().Names()), "or"))
		}
		t.Aliases = append(t.Aliases, alias{s.Name, doc})
		t.Enums = append(t.Enums, d.enums(s, sentSchemas[s])...)
		if s.GoConstants != "" {
			t.Constants = append(t.Constants, constants{s, d.named(s.GoConstants).union()})
		}
	}
	t.IdempotencyKey, t.ErrorMessage = d.named("IdempotencyKey"), d.named("ErrorDetail").Properties.values["message"]
	return t
}

// hasGoType reports whether a component has a Go type that callers need a name for: a struct, an enumeration, a union, a
// map, JSON as it is, an id or a version. A text or a list does without.
func (s *schema) hasGoType() bool {
	switch {
	case s.GoType != "":
		return s.Type != "array"
	case s.Type == "string":
		return len(s.Enum) > 0 || s.GoConstants != "" || strings.HasSuffix(s.Name, "ID")
	case s.Type == "integer":
		return strings.HasSuffix(s.Name, "Version")
	}
	return s.Type == "object" || len(s.OneOf) > 0
}

// enums are the constants of a schema: its own values, those of a union's short form, or the only values of the
// required fields of an object that callers make.
func (d *document) enums(s *schema, sent bool) (all []enum) {
	add := func(typeName string, from *schema, fromName string) {
		e := enum{Type: typeName}
		for i, value := range from.Enum {
			constant := camel(value)
			if i < len(from.EnumNames) {
				constant = from.EnumNames[i]
			}
			expression := "types." + fromName + constant
			if fromName != typeName {
				expression = typeName + "(" + expression + ")"
			}
			e.Values = append(e.Values, struct{ Name, Value string }{typeName + constant, expression})
		}
		all = append(all, e)
	}
	switch {
	case len(s.Enum) > 1:
		add(s.Name, s, s.Name)
	case s.GoType != "":
		for _, v := range s.OneOf {
			if v := d.schema(v); len(v.Enum) > 0 {
				add(s.Name, v, v.Name)
			}
		}
	case sent && s.Type == "object" && !d.isVariant(s):
		for name, p := range s.Properties.all {
			if len(p.Enum) == 1 && slices.Contains(s.Required, name) {
				add(s.Name+camel(name), p, s.Name+camel(name))
			}
		}
	}
	return all
}

// isVariant reports whether a schema is a variant of a union: then its constructor sets the discriminator.
func (d *document) isVariant(s *schema) bool {
	for _, u := range d.Components.Schemas.all {
		if u.Discriminator.Property != "" && slices.Contains(u.union().Names(), s.Name) {
			return true
		}
	}
	return false
}

// methods lists the methods of all services.
func (d *document) methods() (methods []*method) {
	for _, s := range all(d.services) {
		methods = append(methods, s.Methods...)
	}
	return methods
}
