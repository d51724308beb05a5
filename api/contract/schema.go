package contract

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

// kind is a JSON type as schemas distinguish them.
type kind uint8

const (
	anyKind kind = iota
	nullKind
	booleanKind
	numberKind
	integerKind // a number in JSON
	stringKind
	arrayKind
	objectKind
	unionKind // oneOf
)

// schema is a compiled schema. A nil schema accepts every value. Schemas do not change after compilation and
// may contain themselves.
type schema struct {
	kind     kind
	nullable bool
	doc      *openapi3.Schema // the source of messages

	maxBytes int // of JSON; 0 when unbounded

	size  span // characters, items or properties, by kind
	text  textRules
	whole wholeBounds
	float floatBounds

	items  *schema
	unique bool // items are strings or integers

	properties []property // in the document's order, at most 64
	required   uint64     // bit i for properties[i]
	closed     bool
	extra      *schema // of the properties that are not named, unless closed
	nameRules  *nameRules

	discriminator string // "" when variants differ by kind
	byValue       map[string]*schema
	byKind        [unionKind]*schema
}

// property is a named property of an object.
type property struct {
	name   string
	sent   string // the name as usually sent, with its quotes and the colon
	schema *schema
	absent string // the text to insert for an absent property, ,"name":default; "" when it has no default
}

// span is an inclusive range of a size; most is negative when unbounded.
type span struct{ least, most int }

func (s span) under(n int) bool { return n < s.least }
func (s span) over(n int) bool  { return s.most >= 0 && n > s.most }

// textRules are the keywords of strings, except the lengths.
type textRules struct {
	pattern  *pattern
	enum     []string
	dateTime bool
}

// nameRules are an x-property-names.
type nameRules struct {
	size    span
	pattern *pattern
}

// mistake returns the mistake of a value that violates a keyword of s.
func (s *schema) mistake(rule string) *mistake { return &mistake{rule: rule, schema: s.doc} }

// position returns a property's position in the document's order. Properties that the document does not name
// come last.
func (s *schema) position(name string) int {
	if s == nil {
		return 0
	}
	for i := range s.properties {
		if s.properties[i].name == name {
			return i
		}
	}
	return len(s.properties)
}

// at returns the schema of the property at a position.
func (s *schema) at(position int) *schema {
	switch {
	case s == nil:
		return nil
	case position < len(s.properties):
		return s.properties[position].schema
	}
	return s.extra
}

// names reports whether a position is that of a named property.
func (s *schema) names(position int) bool { return s != nil && position < len(s.properties) }

// brokenText returns the first keyword that a string violates, or "".
func (s *schema) brokenText(value string) string {
	if s.text.enum != nil && !slices.Contains(s.text.enum, value) {
		return "enum"
	}
	if rule := brokenLength(s.size, value); rule != "" {
		return rule
	}
	if p := s.text.pattern; p != nil && !p.match(value) {
		return "pattern"
	}
	if s.text.dateTime && !isDateTime(value) {
		return "format"
	}
	return ""
}

// brokenLength returns the keyword that a string's length in characters violates, or "".
func brokenLength(size span, value string) string {
	if n := len(value); n >= 4*size.least && !size.over(n) { // a character has at most four bytes
		return ""
	}
	n := utf8.RuneCountInString(value)
	switch {
	case size.under(n):
		return "minLength"
	case size.over(n):
		return "maxLength"
	}
	return ""
}

// broken returns the first keyword that a property's name violates, or "".
func (n *nameRules) broken(name string) string {
	if rule := brokenLength(n.size, name); rule != "" {
		return rule
	}
	if n.pattern != nil && !n.pattern.match(name) {
		return "pattern"
	}
	return ""
}

// brokenParameter returns the first keyword that a parameter or a header violates, or ""; "type" for a text that
// is not a value of s's kind.
func (s *schema) brokenParameter(value string) string {
	switch s.kind {
	case stringKind:
		return s.brokenText(value)
	case integerKind:
		if whole, err := strconv.ParseInt(value, 10, 64); err == nil {
			return s.brokenWhole(whole)
		}
	case numberKind:
		c := cursor{data: value}
		if c.number(); !c.broken && c.pos == len(value) {
			return s.brokenNumber(value)
		}
	case booleanKind:
		if value == "true" || value == "false" {
			return ""
		}
	}
	return "type"
}
