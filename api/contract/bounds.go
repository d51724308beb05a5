package contract

import (
	"fmt"
	"math"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

// wholeBounds are the inclusive bounds of an integer, within those of its format. under and over are the
// keywords that a smaller and a larger integer violates.
type wholeBounds struct {
	least, most int64
	under, over string
}

// floatBounds are the bounds of a number, infinite where the document has none.
type floatBounds struct {
	least, most          float64
	overLeast, underMost bool // exclusive bounds
}

// compileWhole compiles the inclusive bounds of an integer.
func (s *schema) compileWhole(place string) error {
	b := wholeBounds{least: math.MinInt64, most: math.MaxInt64, under: "format", over: "format"}
	if s.doc.Format == "int32" {
		b.least, b.most = math.MinInt32, math.MaxInt32
	}
	f := newFloatBounds(s.doc)
	if f.overLeast && math.Abs(f.least) >= 1<<53 || f.underMost && math.Abs(f.most) >= 1<<53 {
		return fmt.Errorf("%s: exclusiveMinimum or exclusiveMaximum: the integer next to the bound is not exact in a float64", place)
	}
	switch least := math.Ceil(f.least); {
	case f.overLeast && least == f.least:
		b.raise(least+1, "exclusiveMinimum")
	default:
		b.raise(least, "minimum")
	}
	switch most := math.Floor(f.most); {
	case f.underMost && most == f.most:
		b.lower(most-1, "exclusiveMaximum")
	default:
		b.lower(most, "maximum")
	}
	s.whole = b
	return nil
}

// raise raises the lower bound to an integer, unless it is already as high.
func (b *wholeBounds) raise(least float64, keyword string) {
	switch {
	case least >= math.MaxInt64: // 2^63, which no int64 reaches
		b.least, b.most, b.under, b.over = 1, 0, keyword, keyword
	case least > float64(b.least):
		b.least, b.under = int64(least), keyword
	}
}

// lower lowers the upper bound to an integer, unless it is already as low.
func (b *wholeBounds) lower(most float64, keyword string) {
	switch {
	case most < math.MinInt64:
		b.least, b.most, b.under, b.over = 1, 0, keyword, keyword
	case most < float64(b.most):
		b.most, b.over = int64(most), keyword
	}
}

func (s *schema) compileFloat() { s.float = newFloatBounds(s.doc) }

func newFloatBounds(doc *openapi3.Schema) floatBounds {
	b := floatBounds{least: math.Inf(-1), most: math.Inf(1)}
	if doc.Min != nil {
		b.least, b.overLeast = *doc.Min, isTrue(doc.ExclusiveMin.Bool)
	}
	if doc.Max != nil {
		b.most, b.underMost = *doc.Max, isTrue(doc.ExclusiveMax.Bool)
	}
	return b
}

func isTrue(b *bool) bool { return b != nil && *b }

// brokenWhole returns the keyword that an integer violates, or "".
func (s *schema) brokenWhole(value int64) string {
	switch {
	case value < s.whole.least:
		return s.whole.under
	case value > s.whole.most:
		return s.whole.over
	}
	return ""
}

// brokenFloat returns the first keyword that a number violates, or "".
func (s *schema) brokenFloat(value float64) string {
	b := &s.float
	switch {
	case b.overLeast && value <= b.least:
		return "exclusiveMinimum"
	case b.underMost && value >= b.most:
		return "exclusiveMaximum"
	case value < b.least:
		return "minimum"
	case value > b.most:
		return "maximum"
	}
	return ""
}

// brokenNumber returns the first keyword that a number, as written in JSON, violates, or "".
func (s *schema) brokenNumber(raw string) string {
	value, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return "type"
	}
	return s.brokenFloat(value)
}
