package rules

import (
	"slices"
	"unicode/utf8"
)

// Kind is a JSON type as schemas distinguish them.
type Kind uint8

// The kinds. Those up to String are the kinds of single values, which headers and parameters may have.
const (
	Any Kind = iota
	Null
	Boolean
	Number
	Integer // a number in JSON
	String
	Array
	Object
	Union // oneOf
)

// Schema is a schema. A nil *Schema accepts every value. Schemas may contain themselves.
type Schema struct {
	Kind     Kind
	Nullable bool
	MaxBytes int // x-max-bytes: of JSON; 0 when unbounded

	Size Span // characters, items or properties, by kind

	// Of strings. A number or a boolean has a Format too, which Whole includes.
	Enum    []string // nil when every value is allowed
	Pattern *Pattern
	Format  string

	// Of numbers. An integer is validated by Whole, and described by Minimum and Maximum.
	Whole            WholeBounds
	Minimum, Maximum *Bound

	// Of arrays.
	Items  *Schema
	Unique bool // items are strings or integers that are not nullable

	// Of objects.
	Properties []Property // in the document's order, at most MaxProperties
	Required   uint64     // bit i for Properties[i]
	Closed     bool
	Extra      *Schema // of the properties that are not named, unless closed
	Names      *NameRules

	// Of unions.
	Variants      []*Schema // in the document's order
	Discriminator string    // "" when variants differ by kind
	Mapping       []Mapped  // by value; none without a discriminator

	PatternDescription string // x-pattern-description: the end of a sentence
	Default            string // valid JSON; "" when there is none
	Example            string // JSON; "" when there is none
}

// MaxProperties is the maximum number of named properties of one object: walkers have one bit of 64 for each.
const MaxProperties = 64

// Property is a named property of an object.
type Property struct {
	Name   string
	Sent   string // the name as usually sent, with its quotes and the colon
	Schema *Schema
	Absent string // the text to insert for an absent property, ,"name":default; "" when it has no default
}

// Mapped is the variant of a union that a discriminator's value selects.
type Mapped struct {
	Value  string
	Schema *Schema
}

// NameRules are an x-property-names.
type NameRules struct {
	Size               Span
	Pattern            *Pattern
	PatternDescription string
}

// Span is an inclusive range of a size; Most is negative when unbounded.
type Span struct{ Least, Most int }

// Under reports whether a size is below the range.
func (s Span) Under(n int) bool { return n < s.Least }

// Over reports whether a size is above the range.
func (s Span) Over(n int) bool { return s.Most >= 0 && n > s.Most }

// Position returns a property's position in the document's order. Properties that the document does not name
// come last.
func (s *Schema) Position(name string) int {
	if s == nil {
		return 0
	}
	for i := range s.Properties {
		if s.Properties[i].Name == name {
			return i
		}
	}
	return len(s.Properties)
}

// At returns the schema of the property at a position.
func (s *Schema) At(position int) *Schema {
	switch {
	case s == nil:
		return nil
	case position < len(s.Properties):
		return s.Properties[position].Schema
	}
	return s.Extra
}

// HasName reports whether a position is that of a named property.
func (s *Schema) HasName(position int) bool { return s != nil && position < len(s.Properties) }

// OfKind returns the variant of a union for values of a kind of JSON, or nil.
func (s *Schema) OfKind(found Kind) *Schema {
	for _, variant := range s.Variants {
		if variant.Kind == found || variant.Kind == Integer && found == Number {
			return variant
		}
	}
	return nil
}

// OfValue returns the variant of a union that a discriminator's value selects, or nil.
func (s *Schema) OfValue(value string) *Schema {
	low, high := 0, len(s.Mapping)
	for low < high {
		middle := int(uint(low+high) >> 1)
		switch m := &s.Mapping[middle]; {
		case m.Value == value:
			return m.Schema
		case m.Value < value:
			low = middle + 1
		default:
			high = middle
		}
	}
	return nil
}

// BrokenText returns the first keyword that a string violates, or "".
func (s *Schema) BrokenText(value string) string {
	if s.Enum != nil && !slices.Contains(s.Enum, value) {
		return "enum"
	}
	if rule := brokenLength(s.Size, value); rule != "" {
		return rule
	}
	if p := s.Pattern; p != nil && !p.Match(value) {
		return "pattern"
	}
	if s.Format == DateTime && !IsDateTime(value) {
		return "format"
	}
	return ""
}

// brokenLength returns the keyword that a string's length in characters violates, or "".
func brokenLength(size Span, value string) string {
	if n := len(value); n >= 4*size.Least && !size.Over(n) { // a character has at most four bytes
		return ""
	}
	n := utf8.RuneCountInString(value)
	switch {
	case size.Under(n):
		return "minLength"
	case size.Over(n):
		return "maxLength"
	}
	return ""
}

// Broken returns the first keyword that a property's name violates, or "".
func (n *NameRules) Broken(name string) string {
	if rule := brokenLength(n.Size, name); rule != "" {
		return rule
	}
	if n.Pattern != nil && !n.Pattern.Match(name) {
		return "pattern"
	}
	return ""
}
