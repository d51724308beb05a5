package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// comparison collects the breaking changes between two documents. What only one of them has is left to oasdiff.
type comparison struct {
	changes []string
	seen    map[visit]bool
}

// visit is a pair of schemas that has been compared, in one direction: rules of requests are not rules of responses.
type visit struct {
	before, after *openapi3.Schema
	sent          bool
}

// compare returns the breaking changes between two documents, in the order of paths and methods, each with its place. A
// component schema is compared once for requests and once for responses.
func compare(before, after *openapi3.T) []string {
	c := &comparison{seen: map[visit]bool{}}
	c.limits("the document", before.Extensions["x-request-limits"], after.Extensions["x-request-limits"], "max-body-bytes", "max-json-depth")
	for path, item := range common(before.Paths.Map(), after.Paths.Map()) {
		for method, op := range common(item.before.Operations(), item.after.Operations()) {
			place := method + " " + path
			c.parameters(place, parameters(item.before, op.before), parameters(item.after, op.after))
			if op.before.RequestBody != nil && op.after.RequestBody != nil {
				c.content(place+": request body", op.before.RequestBody.Value.Content, op.after.RequestBody.Value.Content, true)
			}
			for status, response := range common(op.before.Responses.Map(), op.after.Responses.Map()) {
				c.response(place+": response "+status, response.before.Value, response.after.Value)
			}
		}
	}
	return c.changes
}

func (c *comparison) add(place, format string, arguments ...any) {
	if change := place + ": " + fmt.Sprintf(format, arguments...); !slices.Contains(c.changes, change) {
		c.changes = append(c.changes, change)
	}
}

func (c *comparison) parameters(place string, before, after map[string]*openapi3.Parameter) {
	for name, p := range common(before, after) {
		c.schema(place+": parameter "+name, p.before.Schema, p.after.Schema, true)
	}
}

// parameters returns the parameters of an operation, those of its path included, by place and name.
func parameters(item *openapi3.PathItem, op *openapi3.Operation) map[string]*openapi3.Parameter {
	all := map[string]*openapi3.Parameter{}
	for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
		all[ref.Value.In+" "+ref.Value.Name] = ref.Value
	}
	return all
}

func (c *comparison) content(place string, before, after openapi3.Content, sent bool) {
	for _, media := range common(before, after) {
		c.schema(place, media.before.Schema, media.after.Schema, sent)
	}
}

func (c *comparison) response(place string, before, after *openapi3.Response) {
	for _, name := range slices.Sorted(maps.Keys(after.Headers)) {
		old, header, where := before.Headers[name], after.Headers[name], place
		if component, ok := strings.CutPrefix(header.Ref, "#/components/headers/"); ok && old != nil && old.Ref == header.Ref {
			where = "header " + component
		}
		if header.Value.Required && (old == nil || !old.Value.Required) {
			c.add(where, "the header %s is required now: responses of existing servers lack it", name)
		}
	}
	c.content(place, before.Content, after.Content, false)
}

// schema compares two schemas and the schemas in them. sent is for those of what callers send.
func (c *comparison) schema(place string, before, after *openapi3.SchemaRef, sent bool) {
	if before == nil || after == nil || c.seen[visit{before.Value, after.Value, sent}] {
		return
	}
	c.seen[visit{before.Value, after.Value, sent}] = true
	if name, ok := strings.CutPrefix(after.Ref, "#/components/schemas/"); ok {
		place = "schema " + name
	}
	if sent {
		c.sent(place, before.Value, after.Value)
	} else {
		c.received(place, before.Value, after.Value)
	}
	for name, property := range common(before.Value.Properties, after.Value.Properties) {
		c.schema(place+"."+name, property.before, property.after, sent)
	}
	for _, variant := range common(variants(before.Value), variants(after.Value)) {
		c.schema(place, variant.before, variant.after, sent)
	}
	c.schema(place+"[]", before.Value.Items, after.Value.Items, sent)
	c.schema(place+".*", before.Value.AdditionalProperties.Schema, after.Value.AdditionalProperties.Schema, sent)
}

// variants returns the variants of a union, by the value of its discriminator or by the component's name.
func variants(s *openapi3.Schema) map[string]*openapi3.SchemaRef {
	names := map[string]string{}
	if s.Discriminator != nil {
		for value, ref := range s.Discriminator.Mapping {
			names[ref.Ref] = value
		}
	}
	all := map[string]*openapi3.SchemaRef{}
	for i, ref := range s.OneOf {
		name := ref.Ref
		if value, ok := names[ref.Ref]; ok {
			name = value
		} else if name == "" {
			name = fmt.Sprint(i)
		}
		all[name] = ref
	}
	return all
}

// sent compares schemas of what callers send.
func (c *comparison) sent(place string, before, after *openapi3.Schema) {
	if open(before) && !open(after) {
		c.add(place, "the object is closed now: fields that callers may send are refused")
	}
	if was, is := text(before.Default), text(after.Default); was != is {
		c.add(place, "the default was %s and is %s: a request without the value means something else", was, is)
	}
	c.lowered(place, "x-max-bytes", before.Extensions["x-max-bytes"], after.Extensions["x-max-bytes"])
	was, is := names(before), names(after)
	c.lowered(place, "the maxLength of names", was["maxLength"], is["maxLength"])
	if n, ok := number(is["minLength"]); ok {
		if m, _ := number(was["minLength"]); n > m {
			c.add(place, "the minLength of names was %v and is %v", m, n)
		}
	}
	if is["pattern"] != nil && was["pattern"] != is["pattern"] {
		c.add(place, "the pattern of names was %s and is %s", text(was["pattern"]), text(is["pattern"]))
	}
}

// received compares schemas of what callers receive.
func (c *comparison) received(place string, before, after *openapi3.Schema) {
	for _, name := range slices.Sorted(maps.Keys(before.Properties)) {
		if after.Properties[name] == nil {
			c.add(place+"."+name, "responses no longer have the field")
		}
	}
}

// limits compares some limits of an extension.
func (c *comparison) limits(place string, before, after any, limits ...string) {
	was, _ := before.(map[string]any)
	is, _ := after.(map[string]any)
	for _, limit := range limits {
		c.lowered(place, limit, was[limit], is[limit])
	}
}

// lowered reports a limit that is lower than it was, or new.
func (c *comparison) lowered(place, limit string, before, after any) {
	is, limited := number(after)
	was, wasLimited := number(before)
	if limited && (!wasLimited || is < was) {
		c.add(place, "%s was %s and is %s", limit, text(before), text(after))
	}
}

// open reports whether a schema is that of an object with fields that it does not name.
func open(s *openapi3.Schema) bool {
	additional := s.AdditionalProperties
	return s.Type.Is(openapi3.TypeObject) && (additional.Schema != nil || additional.Has == nil || *additional.Has)
}

// names returns the schema of the names of an object's fields.
func names(s *openapi3.Schema) map[string]any {
	names, _ := s.Extensions["x-property-names"].(map[string]any)
	return names
}

// text returns a value of the document for a message.
func text(value any) string {
	if value == nil {
		return "none"
	}
	return fmt.Sprintf("%v", value)
}

// number returns a number of the document, of whatever type the parser has chosen.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	}
	return 0, false
}
