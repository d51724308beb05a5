package contract

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
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

// suggestion ends the sentence; it names a property that differs only in letter case, the first by name.
func (m *mistake) suggestion() string {
	name, meant := m.at[0].name, ""
	for i := range m.schema.Properties {
		if known := m.schema.Properties[i].Name; strings.EqualFold(known, name) && (meant == "" || known < meant) {
			meant = known
		}
	}
	if meant == "" {
		return "."
	}
	return "; did you mean '" + meant + "'?"
}

func (m *mistake) nameSentence(rule string) string {
	names := m.schema.Names
	subject := "The name of field '" + m.at.param() + "'"
	if rule == "pattern" {
		return subject + " " + names.PatternDescription + "."
	}
	return fmt.Sprintf("%s must be %d to %d characters long.", subject, names.Size.Least, max(names.Size.Most, 0))
}

// expectation returns the end of a sentence that says what a schema allows.
func (m *mistake) expectation() string {
	s := m.schema
	switch m.rule {
	case "pattern":
		if s.PatternDescription != "" {
			return s.PatternDescription
		}
	case ruleMaxBytes:
		return fmt.Sprintf("must be at most %d bytes of JSON", s.MaxBytes)
	case "uniqueItems":
		return "must not contain the same item twice"
	case "maxProperties":
		return "must have at most " + strconv.Itoa(s.Size.Most) + " entries"
	case "minProperties":
		return "must have at least " + strconv.Itoa(s.Size.Least) + " entries"
	}
	if values, rest := allowed(s); len(values) > 0 {
		return "must be " + rest + "'" + strings.Join(values, "', '") + "'"
	}
	return "must be " + describe(s)
}

// allowed returns the values of an enum or of a union's discriminator, and the words before them.
func allowed(s *rules.Schema) (values []string, intro string) {
	switch {
	case s.Discriminator != "":
		for _, m := range s.Mapping {
			values = append(values, m.Value)
		}
		return values, "an object whose '" + s.Discriminator + "' is one of "
	case len(s.Enum) == 1:
		return s.Enum, ""
	}
	return s.Enum, "one of "
}

// describe returns a schema's type and bounds with an article: an integer between 50 and 5000.
func describe(s *rules.Schema) string {
	switch s.Kind {
	case rules.Union:
		var kinds []string
		for _, variant := range s.Variants {
			kinds = append(kinds, describe(&rules.Schema{Kind: variant.Kind, Size: rules.Span{Most: -1}}))
		}
		return strings.Join(kinds, " or ")
	case rules.Integer:
		return "an integer" + bounds(s)
	case rules.Number:
		return "a number" + bounds(s)
	case rules.Boolean:
		return "true or false"
	case rules.String:
		if s.Format == rules.DateTime {
			return "an RFC 3339 time such as 2026-05-18T15:26:15Z"
		}
		return "a string" + length(s.Size, "character")
	case rules.Array:
		return "an array" + length(s.Size, "item")
	}
	return "an object"
}

func bounds(s *rules.Schema) string {
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		return " between " + decimal(s.Minimum) + " and " + decimal(s.Maximum)
	case s.Minimum != nil:
		return " of at least " + decimal(s.Minimum)
	case s.Maximum != nil:
		return " of at most " + decimal(s.Maximum)
	}
	return ""
}

func decimal(b *rules.Bound) string { return strconv.FormatFloat(b.Value, 'f', -1, 64) }

// length describes the bounds of a string or an array, in units.
func length(size rules.Span, unit string) string {
	switch {
	case size.Most < 0 && size.Least == 0:
		return ""
	case size.Most < 0:
		return fmt.Sprintf(" of at least %d %s%s", size.Least, unit, plural(size.Least))
	case size.Least == 0:
		return fmt.Sprintf(" of at most %d %s%s", size.Most, unit, plural(size.Most))
	}
	return fmt.Sprintf(" of %d to %d %s%s", size.Least, size.Most, unit, plural(size.Most))
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
