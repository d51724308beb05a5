package contract

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// sentence says what is wrong with the subject (Field 'title', Parameter 'limit') and what is allowed.
func (m *mistake) sentence(subject string) string {
	switch m.rule {
	case "required":
		return "Missing required field: " + m.at.param()
	case "additionalProperties":
		return "Unknown field '" + m.at.param() + "'" + m.suggestion()
	case "nullable":
		return subject + " must not be null."
	}
	if rule, ok := strings.CutPrefix(m.rule, ruleNames); ok {
		return m.nameSentence(rule)
	}
	return subject + " " + m.expectation() + "."
}

// suggestion ends the sentence; it names a property that differs only in letter case.
func (m *mistake) suggestion() string {
	name := m.at[0].name
	for _, known := range slices.Sorted(maps.Keys(m.schema.Properties)) {
		if strings.EqualFold(known, name) {
			return "; did you mean '" + known + "'?"
		}
	}
	return "."
}

func (m *mistake) nameSentence(rule string) string {
	names, _ := m.schema.Extensions["x-property-names"].(map[string]any)
	subject := "The name of field '" + m.at.param() + "'"
	if rule == "pattern" {
		return subject + " " + phrase(names, "x-pattern-description") + "."
	}
	least, _ := number(names["minLength"])
	most, _ := number(names["maxLength"])
	return fmt.Sprintf("%s must be %.0f to %.0f characters long.", subject, least, most)
}

// expectation returns the end of a sentence that says what a schema allows.
func (m *mistake) expectation() string {
	s := m.schema
	switch m.rule {
	case "pattern":
		if description := phrase(s.Extensions, "x-pattern-description"); description != "" {
			return description
		}
	case ruleMaxBytes:
		most, _ := number(s.Extensions[ruleMaxBytes])
		return fmt.Sprintf("must be at most %.0f bytes of JSON", most)
	case "uniqueItems":
		return "must not contain the same item twice"
	case "maxProperties":
		return "must have at most " + strconv.FormatUint(*s.MaxProps, 10) + " entries"
	case "minProperties":
		return "must have at least " + strconv.FormatUint(s.MinProps, 10) + " entries"
	}
	if values, rest := allowed(s); len(values) > 0 {
		return "must be " + rest + strings.Join(values, ", ")
	}
	return "must be " + describe(s)
}

// allowed returns the values of an enum or of a union's discriminator in quotes, and the words before them.
func allowed(s *openapi3.Schema) (values []string, intro string) {
	for _, v := range s.Enum {
		values = append(values, fmt.Sprintf("'%v'", v))
	}
	if s.Discriminator != nil {
		for _, v := range slices.Sorted(maps.Keys(s.Discriminator.Mapping)) {
			values = append(values, "'"+v+"'")
		}
		return values, "an object whose '" + s.Discriminator.PropertyName + "' is one of "
	}
	if len(values) == 1 {
		return values, ""
	}
	return values, "one of "
}

// describe returns a schema's type and bounds with an article: an integer between 50 and 5000.
func describe(s *openapi3.Schema) string {
	switch {
	case len(s.OneOf) > 0:
		var kinds []string
		for _, ref := range s.OneOf {
			kinds = append(kinds, describe(&openapi3.Schema{Type: ref.Value.Type}))
		}
		return strings.Join(kinds, " or ")
	case s.Type.Is(openapi3.TypeInteger):
		return "an integer" + bounds(s)
	case s.Type.Is(openapi3.TypeNumber):
		return "a number" + bounds(s)
	case s.Type.Is(openapi3.TypeBoolean):
		return "true or false"
	case s.Type.Is(openapi3.TypeString) && s.Format == "date-time":
		return "an RFC 3339 time such as 2026-05-18T15:26:15Z"
	case s.Type.Is(openapi3.TypeString):
		return "a string" + length(s.MinLength, s.MaxLength, "character")
	case s.Type.Is(openapi3.TypeArray):
		return "an array" + length(s.MinItems, s.MaxItems, "item")
	case s.Type.Is(openapi3.TypeObject):
		return "an object"
	}
	return "valid by the contract"
}

func bounds(s *openapi3.Schema) string {
	switch {
	case s.Min != nil && s.Max != nil:
		return " between " + decimal(*s.Min) + " and " + decimal(*s.Max)
	case s.Min != nil:
		return " of at least " + decimal(*s.Min)
	case s.Max != nil:
		return " of at most " + decimal(*s.Max)
	}
	return ""
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// length describes the bounds of a string or an array, in units.
func length(least uint64, most *uint64, unit string) string {
	switch {
	case most == nil && least == 0:
		return ""
	case most == nil:
		return fmt.Sprintf(" of at least %d %s%s", least, unit, plural(least))
	case least == 0:
		return fmt.Sprintf(" of at most %d %s%s", *most, unit, plural(*most))
	}
	return fmt.Sprintf(" of %d to %d %s%s", least, *most, unit, plural(*most))
}

func plural(n uint64) string {
	if n == 1 {
		return ""
	}
	return "s"
}
