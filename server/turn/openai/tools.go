package openai

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/cloud-sessions/sessions/api/lazyregexp"
	"github.com/cloud-sessions/sessions/server/turn"
)

// names maps the names of tools, as endpoints know them, to those of the turn.
func names(tools turn.Offers) map[string]string {
	names := make(map[string]string, len(tools))
	for _, t := range tools {
		names[wireName(t.ModelName())] = t.ModelName()
	}
	return names
}

// everywhere is the form of tools' names that all endpoints accept; the contract allows longer ones, a digit or a hyphen at
// the beginning, and MCP servers use any characters.
var everywhere = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)

// wireName returns a tool's name in a form that all endpoints accept.
func wireName(name string) string {
	if everywhere().MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("t_%.53s_%x", elsewhere().ReplaceAllString(name, "_"), sum[:4])
}

// elsewhere are the characters that not all endpoints accept in names of tools.
var elsewhere = lazyregexp.New(`[^A-Za-z0-9_-]`)

// function is a tool of a request.
type function struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Parameters  object `json:"parameters,omitempty"`
}

// functions returns the tools as the endpoint accepts them.
func functions(tools turn.Offers, p profile, sent *sent) []any {
	var list []any
	for _, t := range tools {
		f := function{Name: wireName(t.ModelName()), Description: t.Description, Parameters: asObject(schema(t.InputSchema, p, sent))}
		if f.Parameters == nil {
			f.Parameters = object{}
		}
		if asText(f.Parameters["type"]) != "object" {
			f.Parameters["type"] = json.RawMessage(`"object"`)
		}
		if len(asObject(f.Parameters["properties"])) == 0 {
			f.Parameters["properties"] = json.RawMessage(`{}`)
			sent.noParameters = true
			if p.noEmptyParameters {
				f.Parameters = nil
			}
		}
		list = append(list, map[string]any{"type": "function", "function": f})
	}
	return list
}

// optional are the keywords of JSON Schema that may be left out where an endpoint does not know them: they restrict or
// explain, and the tool's caller validates its input anyway.
var optional = []string{
	"$schema", "$id", "$comment", "$anchor", "additionalProperties", "unevaluatedProperties", "propertyNames", "patternProperties",
	"default", "examples", "example", "title", "format", "pattern", "const", "deprecated", "readOnly", "writeOnly", "nullable",
	"minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
	"uniqueItems", "contains", "minProperties", "maxProperties", "dependentRequired", "contentEncoding", "contentMediaType", "strict",
}

// schema returns a JSON Schema without the keywords that the endpoint refused, and with what endpoints miss in valid
// ones: the items of an array.
func schema(raw json.RawMessage, p profile, sent *sent) json.RawMessage {
	s := asObject(raw)
	if s == nil {
		return raw
	}
	s = maps.Clone(s)
	for name, value := range s {
		switch name {
		case "properties", "$defs", "definitions", "patternProperties", "dependentSchemas":
			s[name] = schemas(value, p, sent)
		case "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames":
			s[name] = schema(value, p, sent)
		case "anyOf", "oneOf", "allOf", "prefixItems":
			list := asArray(value)
			for i := range list {
				list[i] = schema(list[i], p, sent)
			}
			if list != nil {
				s[name] = encoded(list)
			}
		}
		if !slices.Contains(optional, name) {
			continue
		}
		if p.dropped[name] {
			delete(s, name)
		} else {
			sent.keywords[name] = true
		}
	}
	if asText(s["type"]) == "array" && s["items"] == nil && s["prefixItems"] == nil {
		s["items"] = json.RawMessage(`{}`)
	}
	return encoded(s)
}

// schemas is schema for every value of an object, whose names are not keywords.
func schemas(raw json.RawMessage, p profile, sent *sent) json.RawMessage {
	all := asObject(raw)
	if all == nil {
		return raw
	}
	for name, value := range all {
		all[name] = schema(value, p, sent)
	}
	return encoded(all)
}

// encoded returns what was decoded from JSON, which can always be encoded.
func encoded(v any) json.RawMessage {
	raw, _ := json.Marshal(v)
	return raw
}
