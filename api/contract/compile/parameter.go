package compile

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// parameter compiles a parameter with one value or, in the query, with several values of one name.
func (c *compiler) parameter(doc *openapi3.Parameter) (*rules.Parameter, error) {
	if p := c.parameters[doc]; p != nil {
		return p, nil
	}
	place := doc.In + " parameter " + doc.Name
	inQuery, style := doc.In == openapi3.ParameterInQuery, openapi3.SerializationSimple
	if inQuery {
		style = openapi3.SerializationForm
	}
	if doc.Style != "" && doc.Style != style || doc.Explode != nil && *doc.Explode != inQuery {
		return nil, fmt.Errorf("%s: style and explode: only the defaults are supported", place)
	}
	if doc.Schema == nil || doc.Content != nil || doc.AllowEmptyValue || doc.AllowReserved {
		return nil, fmt.Errorf("%s: only a schema is supported, without content, allowEmptyValue and allowReserved", place)
	}
	s, err := c.schema(place, doc.Schema)
	if err != nil {
		return nil, err
	}
	p := &rules.Parameter{Name: doc.Name, Key: doc.Name, In: doc.In, Required: doc.Required, Schema: s, Example: exampleText(doc.Example)}
	value := s
	switch {
	case doc.In == openapi3.ParameterInCookie:
		return nil, fmt.Errorf("%s: cookies are not supported", place)
	case doc.In == openapi3.ParameterInHeader:
		p.Key = http.CanonicalHeaderKey(doc.Name)
	case inQuery && s.Kind == rules.Array:
		value = s.Items
	}
	if s.Unique && value.Kind != rules.String {
		return nil, fmt.Errorf("%s: uniqueItems: only strings are supported", place)
	}
	if value.Kind > rules.String || value.Kind == rules.Any {
		return nil, fmt.Errorf("%s: only strings, numbers and booleans are supported, and arrays of them in the query", place)
	}
	if p.Absent, err = defaultText(s); err != nil {
		return nil, fmt.Errorf("%s: default: %w", place, err)
	}
	if p.Absent != "" && doc.In == openapi3.ParameterInPath {
		return nil, fmt.Errorf("%s: default: not supported in paths", place)
	}
	c.parameters[doc] = p
	return p, nil
}

// defaultText returns a schema's default as a parameter writes it, or "".
func defaultText(s *rules.Schema) (string, error) {
	if s.Kind != rules.String || s.Default == "" {
		return s.Default, nil
	}
	var text string
	err := json.Unmarshal([]byte(s.Default), &text)
	if err == nil && text == "" {
		err = errors.New("must not be empty")
	}
	return text, err
}

// exampleText returns the example of a parameter as requests write it, of an array its first item.
func exampleText(example any) string {
	if items, ok := example.([]any); ok && len(items) > 0 {
		example = items[0]
	}
	if example == nil {
		return ""
	}
	return fmt.Sprint(example)
}
