package compile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// kindOf returns a schema's kind. A keyword that would not be enforced is an error: one that schemas of this
// kind do not have, or that this package does not implement.
func kindOf(doc *openapi3.Schema) (rules.Kind, error) {
	kind, rest := rules.Union, *doc // what remains of it after the known keywords is an error
	rest.Extensions, rest.Origin, rest.Title, rest.Description, rest.Deprecated = nil, nil, "", "", false
	rest.Example, rest.Examples, rest.ExternalDocs, rest.Nullable = nil, nil, nil, false
	switch {
	case len(doc.OneOf) > 0:
		rest.OneOf, rest.Discriminator = nil, nil
	case doc.Type.Is(openapi3.TypeString):
		kind = rules.String
		rest.Type, rest.Default, rest.Enum, rest.MinLength, rest.MaxLength, rest.Pattern = nil, nil, nil, 0, nil, ""
		takeFormat(&rest, rules.DateTime, rules.Binary, rules.Password)
	case doc.Type.Is(openapi3.TypeInteger):
		kind = rules.Integer
		rest.Type, rest.Default = nil, nil
		takeFormat(&rest, "int32", "int64")
		takeBounds(&rest)
	case doc.Type.Is(openapi3.TypeNumber):
		kind = rules.Number
		rest.Type, rest.Default = nil, nil
		takeFormat(&rest, "double")
		takeBounds(&rest)
	case doc.Type.Is(openapi3.TypeBoolean):
		kind = rules.Boolean
		rest.Type, rest.Default = nil, nil
	case doc.Type.Is(openapi3.TypeArray):
		kind = rules.Array
		rest.Type, rest.Items, rest.MinItems, rest.MaxItems, rest.UniqueItems = nil, nil, 0, nil, false
	case doc.Type.Is(openapi3.TypeObject):
		kind = rules.Object
		rest.Type, rest.Properties, rest.Required = nil, nil, nil
		rest.AdditionalProperties, rest.MinProps, rest.MaxProps = openapi3.AdditionalProperties{}, 0, nil
	default:
		return rules.Any, fmt.Errorf("type: must be string, integer, number, boolean, array or object")
	}
	if _, named := doc.Extensions[namesKeyword]; named && kind != rules.Object {
		return kind, fmt.Errorf("keyword x-property-names is for objects")
	}
	if keyword := anyKeyword(&rest); keyword != "" {
		return kind, fmt.Errorf("keyword %s is not supported here", keyword)
	}
	return kind, nil
}

// takeFormat removes a format if it is one of formats.
func takeFormat(rest *openapi3.Schema, formats ...string) {
	if slices.Contains(formats, rest.Format) {
		rest.Format = ""
	}
}

// takeBounds removes the bounds of numbers, as OpenAPI 3.0 writes them.
func takeBounds(rest *openapi3.Schema) {
	rest.Min, rest.Max, rest.ExclusiveMin.Bool, rest.ExclusiveMax.Bool = nil, nil, nil, nil
}

// anyKeyword returns a keyword that a schema has; "" when it has none.
func anyKeyword(s *openapi3.Schema) string {
	fields := reflect.ValueOf(*s)
	for i := range fields.NumField() {
		if !fields.Field(i).IsZero() {
			field := fields.Type().Field(i)
			keyword, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			return strings.Trim(keyword, "-") + " (" + field.Name + ")"
		}
	}
	return ""
}
