package contract

import (
	"fmt"
	"math"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

// wholeBounds are inclusive, and within the format's. under and over are the keywords that set them.
type wholeBounds struct {
	least, most int64
	under, over string
}

// floatBounds are infinite where there is none.
type floatBounds struct {
	least, most          float64
	overLeast, underMost bool // the bound itself is not allowed
}

// compileWhole makes the inclusive bounds of integers.
func (s *schema) compileWhole(place string) error {
	b := wholeBounds{least: math.MinInt64, most: math.MaxInt64, under: "format", over: "format"}
	if s.doc.Format == "int32" {
		b.least, b.most = math.MinInt32, math.MaxInt32
	}
	f := newFloatBounds(s.doc)
	if f.overLeast && math.Abs(f.least) >= 1<<53 || f.underMost && math.Abs(f.most) >= 1<<53 {
		return fmt.Errorf("%s: exclusiveMinimum or exclusiveMaximum: the next integer to the bound is not exact", place)
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

// raise lifts the lower bound to a whole number, unless it is as high already.
func (b *wholeBounds) raise(least float64, keyword string) {
	switch {
	case least >= math.MaxInt64: // 2^63, which no int64 reaches
		b.least, b.most, b.under, b.over = 1, 0, keyword, keyword
	case least > float64(b.least):
		b.least, b.under = int64(least), keyword
	}
}

// lower is raise for the upper bound.
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

// brokenWhole returns the keyword that an integer breaks, or "".
func (s *schema) brokenWhole(value int64) string {
	switch {
	case value < s.whole.least:
		return s.whole.under
	case value > s.whole.most:
		return s.whole.over
	}
	return ""
}

// brokenFloat returns the first keyword that a number breaks, or "".
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

// brokenNumber returns the first keyword that a number in JSON's spelling breaks, or "".
func (s *schema) brokenNumber(raw string) string {
	value, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return "type"
	}
	return s.brokenFloat(value)
}
