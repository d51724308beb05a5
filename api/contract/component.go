package contract

import (
	"fmt"
	"math"
	"net/http"
	"slices"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// Schema is a schema of the document, for JSON that is neither a request nor a complete response, such as
// an event of a stream, and for code that must know a bound before there is anything to validate. Its
// methods are safe for concurrent use.
type Schema struct {
	place    string // for messages
	root     *rules.Schema
	maxDepth int
}

// Schema returns the component schema of that name, or nil.
func (c *Contract) Schema(name string) *Schema { return c.schemas[name] }

// Accepts reports whether a string is valid by the component schema of that name.
func (c *Contract) Accepts(schema, value string) bool {
	s := c.schemas[schema]
	return s != nil && s.root.Kind == rules.String && s.root.BrokenText(value) == ""
}

// CheckJSON validates a JSON text by the component schema of that name and returns a *RequestError, the
// first in the document's order, or nil. Params are relative to the value.
func (c *Contract) CheckJSON(name string, data []byte) error {
	s := c.schemas[name]
	if s == nil {
		return fmt.Errorf("the contract has no schema %q", name)
	}
	if m := checkSent(s.root, view(data), s.maxDepth); m != nil {
		return m.requestError()
	}
	return nil
}

// Check validates a JSON text and returns the first violation, or nil. The caller fills in the violation's
// Operation and Status.
func (s *Schema) Check(data []byte) *Violation {
	if m := check(s.root, view(data), s.maxDepth); m != nil {
		return m.violation()
	}
	return nil
}

// Parameter returns the schema of the operation's parameter of that name, in the path, the query or a
// header. It panics when the operation has none: the name is written in the program.
func (o *Operation) Parameter(name string) *Schema {
	for i := range o.rules.Parameters {
		if p := o.rules.Parameters[i]; p.Name == name || p.Key == http.CanonicalHeaderKey(name) {
			return &Schema{place: o.ID + " parameter " + name, root: p.Schema, maxDepth: o.limits.JSONDepth}
		}
	}
	panic(fmt.Sprintf("contract: %s has no parameter %q", o.ID, name))
}

// Items is the step of Schema.At that leads to an array's items.
const Items = "[]"

// At returns the schema at the end of the steps, each the name of a property, or Items:
//
//	c.Schema("TextBlocks").At(contract.Items, "text").MaxLength()
//
// It panics when there is no such schema: the steps are written in the program, and a bound that is not
// found must not be taken for one that does not exist.
func (s *Schema) At(steps ...string) *Schema {
	at := *s
	for _, step := range steps {
		parent := at.root
		at.place += "." + step
		switch i := parent.Position(step); {
		case parent.HasName(i):
			at.root = parent.At(i)
		case step == Items && parent.Items != nil:
			at.root = parent.Items
		default:
			panic("contract: there is no schema at " + at.place)
		}
	}
	return &at
}

// MaxLength returns the most characters that a string may have; math.MaxInt when it is not bounded.
func (s *Schema) MaxLength() int { return s.most(rules.String) }

// MaxItems returns the most items that an array may have; math.MaxInt when it is not bounded.
func (s *Schema) MaxItems() int { return s.most(rules.Array) }

// MaxProperties returns the most properties that an object may have; math.MaxInt when it is not bounded.
func (s *Schema) MaxProperties() int { return s.most(rules.Object) }

func (s *Schema) most(k rules.Kind) int {
	s.mustBe(k)
	if s.root.Size.Most < 0 {
		return math.MaxInt
	}
	return s.root.Size.Most
}

// Minimum returns the least value of an integer.
func (s *Schema) Minimum() int64 {
	s.mustBe(rules.Integer)
	return s.root.Whole.Least
}

// Maximum returns the greatest value of an integer.
func (s *Schema) Maximum() int64 {
	s.mustBe(rules.Integer)
	return s.root.Whole.Most
}

// MaximumNumber returns the greatest value of a number that is not an integer; infinite when it is not bounded.
func (s *Schema) MaximumNumber() float64 {
	s.mustBe(rules.Number)
	if s.root.Maximum == nil {
		return math.Inf(1)
	}
	return s.root.Maximum.Value
}

// MaxBytes returns the most bytes of JSON that a value may have (x-max-bytes); math.MaxInt when it is not
// bounded.
func (s *Schema) MaxBytes() int {
	if s.root.MaxBytes == 0 {
		return math.MaxInt
	}
	return s.root.MaxBytes
}

// Enum returns the values that a string may have, in the document's order; nil when it has no enum.
func (s *Schema) Enum() []string {
	s.mustBe(rules.String)
	return slices.Clone(s.root.Enum)
}

// Default returns the schema's default, written in JSON; "" when it has none.
func (s *Schema) Default() string { return s.root.Default }

// mustBe panics for a bound of another type: it would always be the zero value.
func (s *Schema) mustBe(k rules.Kind) {
	if s.root.Kind != k {
		panic("contract: " + s.place + " does not have that bound: it is of another type")
	}
}
