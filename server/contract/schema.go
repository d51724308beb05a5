package contract

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api"
)

// mistake is one disagreement between a value and a schema.
type mistake struct {
	at     path
	rule   string           // the keyword that is broken
	schema *openapi3.Schema // the schema that holds the keyword
	value  any              // what is there; for an unknown property the object it is in
	reason string           // the engine's own words, for logs
}

// firstMistake holds value against schema and returns the mistake that comes first in the document's
// order of properties, or nil.
func firstMistake(schema *openapi3.Schema, value any, options ...openapi3.SchemaValidationOption) *mistake {
	options = append(options, openapi3.MultiErrors(), openapi3.EnableFormatValidation())
	found := flatten(schema.VisitJSON(value, options...), schema, value, nil, options)
	found = append(found, badNames(schema, value, nil)...)
	if len(found) == 0 {
		return nil
	}
	slices.SortStableFunc(found, func(a, b mistake) int {
		return slices.Compare(position(schema, value, a.at), position(schema, value, b.at))
	})
	return &found[0]
}

// flatten turns the engine's error, met at a place, into mistakes. A union's error becomes those of the
// variant that the value was meant to be.
func flatten(err error, schema *openapi3.Schema, value any, at path, options []openapi3.SchemaValidationOption) []mistake {
	one, ok := err.(*openapi3.SchemaError) // not errors.As, which would find a union's variants within it
	if !ok {
		var all []mistake
		if many, ok := err.(openapi3.MultiError); ok {
			for _, e := range many {
				all = append(all, flatten(e, schema, value, at, options)...)
			}
		} else if err != nil {
			all = append(all, mistake{at: at, rule: "schema", schema: schema, value: value, reason: err.Error()})
		}
		return all
	}
	here, steps := descend(value, one.JSONPointer())
	place := slices.Concat(at, steps)
	switch one.SchemaField {
	case "oneOf", "discriminator":
		if meant := variant(one.Schema, here); meant != nil {
			return flatten(meant.VisitJSON(here, options...), meant, here, place, options)
		}
	case "properties":
		return unknownProperties(one.Schema, here, place)
	}
	return []mistake{{at: place, rule: one.SchemaField, schema: one.Schema, value: here, reason: one.Reason}}
}

// descend follows the engine's pointer through a value.
func descend(value any, pointer []string) (any, path) {
	var at path
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

func unknownProperties(schema *openapi3.Schema, object any, at path) []mistake {
	var unknown []mistake
	properties, _ := object.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if schema.Properties[name] == nil {
			unknown = append(unknown, mistake{at: at.key(name), rule: "additionalProperties", schema: schema, value: object, reason: "unknown property"})
		}
	}
	return unknown
}

// badNames finds the property names that break an x-property-names, which OpenAPI 3.0 has no keyword of
// its own for.
func badNames(schema *openapi3.Schema, value any, at path) []mistake {
	var bad []mistake
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			if schema.Items != nil {
				bad = append(bad, badNames(schema.Items.Value, item, at.index(i))...)
			}
		}
	case map[string]any:
		if meant := variant(schema, value); meant != nil {
			return badNames(meant, value, at)
		}
		names, _ := schema.Extensions["x-property-names"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if rule := brokenNameRule(names, name); rule != "" {
				bad = append(bad, mistake{at: at.key(name), rule: "x-property-names/" + rule, schema: schema, value: name, reason: "property name is not allowed"})
			}
			if child := property(schema, name); child != nil {
				bad = append(bad, badNames(child, value[name], at.key(name))...)
			}
		}
	}
	return bad
}

// brokenNameRule returns the keyword of an x-property-names that a name breaks, or "".
func brokenNameRule(names map[string]any, name string) string {
	length := float64(len([]rune(name)))
	if least, ok := number(names["minLength"]); ok && length < least {
		return "minLength"
	}
	if most, ok := number(names["maxLength"]); ok && length > most {
		return "maxLength"
	}
	if pattern := text(names, "pattern"); pattern != "" {
		if matched, err := regexp.MatchString(pattern, name); err != nil || !matched {
			return "pattern"
		}
	}
	return ""
}

// property returns the schema of an object's property, or nil.
func property(schema *openapi3.Schema, name string) *openapi3.Schema {
	if ref := schema.Properties[name]; ref != nil {
		return ref.Value
	}
	if ref := schema.AdditionalProperties.Schema; ref != nil {
		return ref.Value
	}
	return nil
}

// variant returns the member of a union that a value is meant to be: by the discriminator, or by the
// value's JSON type. Nil when the schema is no union or no member fits.
func variant(union *openapi3.Schema, value any) *openapi3.Schema {
	for _, ref := range union.OneOf {
		if d := union.Discriminator; d != nil {
			object, _ := value.(map[string]any)
			name, _ := object[d.PropertyName].(string)
			if mapped, ok := d.Mapping[name]; ok && mapped.Ref == ref.Ref {
				return ref.Value
			}
		} else if ref.Value.Type.Permits(jsonType(value)) {
			return ref.Value
		}
	}
	return nil
}

// jsonType names a decoded value's JSON type.
func jsonType(value any) string {
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

// position ranks a place by the document's order of properties; unknown ones come last.
func position(schema *openapi3.Schema, value any, at path) []int {
	var rank []int
	for _, step := range at {
		if schema == nil {
			break
		}
		if meant := variant(schema, value); meant != nil {
			schema = meant
		}
		next, _ := descend(value, []string{trimKey(step)})
		value = next
		if i, err := strconv.Atoi(step); err == nil {
			rank = append(rank, i)
			schema = items(schema)
			continue
		}
		name := trimKey(step)
		order := api.PropertyOrder(schema)
		i := slices.Index(order, name)
		if i < 0 {
			i = len(order)
		}
		rank = append(rank, i)
		schema = property(schema, name)
	}
	return rank
}

func items(schema *openapi3.Schema) *openapi3.Schema {
	if schema.Items == nil {
		return nil
	}
	return schema.Items.Value
}
