package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api"
)

// refMistake is one disagreement between a value and a schema.
type refMistake struct {
	at     refPath
	rule   string           // the keyword that is broken
	schema *openapi3.Schema // the schema that holds the keyword
	value  any              // what is there; for an unknown property the object it is in
}

// refPath is a place in a JSON value, outermost step first: .name or an index.
type refPath []string

func (p refPath) key(name string) refPath { return append(p[:len(p):len(p)], "."+name) }
func (p refPath) index(i int) refPath     { return append(p[:len(p):len(p)], strconv.Itoa(i)) }

// outer returns the path as the package keeps it.
func (p refPath) outer() path {
	var out path
	for _, s := range slices.Backward(p) {
		if name, isKey := strings.CutPrefix(s, "."); isKey {
			out = append(out, key(name))
		} else {
			i, _ := strconv.Atoi(s)
			out = append(out, item(i))
		}
	}
	return out
}

// fault is the mistake in the package's words.
func (m *refMistake) requestError() *RequestError {
	own := &mistake{at: m.at.outer(), rule: m.rule, schema: m.schema}
	if m.value == nil && m.rule != "required" {
		own.rule = "nullable"
	}
	return own.requestError()
}

// refFirstMistake holds value against schema and returns the mistake that comes first in the document's
// order of properties, or nil.
func refFirstMistake(schema *openapi3.Schema, value any, options ...openapi3.SchemaValidationOption) *refMistake {
	options = append(options, openapi3.MultiErrors(), openapi3.EnableFormatValidation())
	found := append(refBadNames(schema, value, nil), refFlatten(schema.VisitJSON(value, options...), schema, value, nil, options)...)
	if len(found) == 0 {
		return nil
	}
	slices.SortStableFunc(found, func(a, b refMistake) int {
		return slices.Compare(refPosition(schema, value, a.at), refPosition(schema, value, b.at))
	})
	return &found[0]
}

// refFlatten turns the engine's error, met at a place, into mistakes. A union's error becomes those of the
// refVariant that the value was meant to be.
func refFlatten(err error, schema *openapi3.Schema, value any, at refPath, options []openapi3.SchemaValidationOption) []refMistake {
	one, ok := err.(*openapi3.SchemaError) // not errors.As, which would find a union's variants within it
	if !ok {
		var all []refMistake
		if many, ok := err.(openapi3.MultiError); ok {
			for _, e := range many {
				all = append(all, refFlatten(e, schema, value, at, options)...)
			}
		} else if err != nil {
			all = append(all, refMistake{at: at, rule: "schema", schema: schema, value: value})
		}
		return all
	}
	here, steps := refDescend(value, one.JSONPointer())
	place := slices.Concat(at, steps)
	switch one.SchemaField {
	case "oneOf", "discriminator":
		if meant := refVariant(one.Schema, here); meant != nil {
			return refFlatten(meant.VisitJSON(here, options...), meant, here, place, options)
		}
	case "properties":
		return refUnknownProperties(one.Schema, here, place)
	}
	return []refMistake{{at: place, rule: one.SchemaField, schema: one.Schema, value: here}}
}

// refDescend follows the engine's pointer through a value.
func refDescend(value any, pointer []string) (any, refPath) {
	var at refPath
	for _, step := range pointer {
		switch v := value.(type) {
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return nil, at
			}
			value, at = v[i], at.index(i)
		case map[string]any:
			value, at = v[step], at.key(step)
		default:
			return nil, at
		}
	}
	return value, at
}

func refUnknownProperties(schema *openapi3.Schema, object any, at refPath) []refMistake {
	var unknown []refMistake
	properties, _ := object.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if schema.Properties[name] == nil {
			unknown = append(unknown, refMistake{at: at.key(name), rule: "additionalProperties", schema: schema, value: object})
		}
	}
	return unknown
}

// refBadNames finds the property names that break an x-property-names, which OpenAPI 3.0 has no keyword of
// its own for.
func refBadNames(schema *openapi3.Schema, value any, at refPath) []refMistake {
	var bad []refMistake
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			if schema.Items != nil {
				bad = append(bad, refBadNames(schema.Items.Value, item, at.index(i))...)
			}
		}
	case map[string]any:
		if meant := refVariant(schema, value); meant != nil {
			return refBadNames(meant, value, at)
		}
		names, _ := schema.Extensions["x-property-names"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if rule := refBrokenNameRule(names, name); rule != "" {
				bad = append(bad, refMistake{at: at.key(name), rule: "x-property-names/" + rule, schema: schema, value: name})
			}
			if child := refProperty(schema, name); child != nil {
				bad = append(bad, refBadNames(child, value[name], at.key(name))...)
			}
		}
	}
	return bad
}

// refBrokenNameRule returns the keyword of an x-property-names that a name breaks, or "".
func refBrokenNameRule(names map[string]any, name string) string {
	length := float64(len([]rune(name)))
	if least, ok := number(names["minLength"]); ok && length < least {
		return "minLength"
	}
	if most, ok := number(names["maxLength"]); ok && length > most {
		return "maxLength"
	}
	if pattern := phrase(names, "pattern"); pattern != "" {
		if matched, err := regexp.MatchString(pattern, name); err != nil || !matched {
			return "pattern"
		}
	}
	return ""
}

// refProperty returns the schema of an object's property, or nil.
func refProperty(schema *openapi3.Schema, name string) *openapi3.Schema {
	if ref := schema.Properties[name]; ref != nil {
		return ref.Value
	}
	if ref := schema.AdditionalProperties.Schema; ref != nil {
		return ref.Value
	}
	return nil
}

// refVariant returns the member of a union that a value is meant to be: by the discriminator, or by the
// value's JSON type. Nil when the schema is no union or no member fits.
func refVariant(union *openapi3.Schema, value any) *openapi3.Schema {
	for _, ref := range union.OneOf {
		if d := union.Discriminator; d != nil {
			object, _ := value.(map[string]any)
			name, _ := object[d.PropertyName].(string)
			if mapped, ok := d.Mapping[name]; ok && mapped.Ref == ref.Ref {
				return ref.Value
			}
		} else if kind := refJSONType(value); ref.Value.Type.Permits(kind) || kind == openapi3.TypeNumber && ref.Value.Type.Permits(openapi3.TypeInteger) {
			return ref.Value
		}
	}
	return nil
}

// refJSONType names a decoded value's JSON type.
func refJSONType(value any) string {
	switch value.(type) {
	case string:
		return openapi3.TypeString
	case bool:
		return openapi3.TypeBoolean
	case json.Number, float64:
		return openapi3.TypeNumber
	case []any:
		return openapi3.TypeArray
	case map[string]any:
		return openapi3.TypeObject
	}
	return "null"
}

// refPosition ranks a place by the document's order of properties; unknown ones come last, by name.
func refPosition(schema *openapi3.Schema, value any, at refPath) []string {
	var rank []string
	for _, step := range at {
		if schema == nil {
			break
		}
		if meant := refVariant(schema, value); meant != nil {
			schema = meant
		}
		name, isKey := strings.CutPrefix(step, ".")
		value, _ = refDescend(value, []string{name})
		if !isKey {
			rank = append(rank, fmt.Sprintf("%09s", step))
			schema = refItems(schema)
			continue
		}
		order := api.PropertyOrder(schema)
		if i := slices.Index(order, name); i >= 0 {
			rank = append(rank, fmt.Sprintf("%09d", i))
		} else {
			rank = append(rank, fmt.Sprintf("%09d %s", len(order), name))
		}
		schema = refProperty(schema, name)
	}
	return rank
}

func refItems(schema *openapi3.Schema) *openapi3.Schema {
	if schema.Items == nil {
		return nil
	}
	return schema.Items.Value
}
