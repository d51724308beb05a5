package compile

import (
	"fmt"
	"math"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// compileWhole compiles the inclusive bounds of an integer.
func compileWhole(place string, s *rules.Schema, doc *openapi3.Schema) error {
	s.Minimum, s.Maximum = floatBounds(doc)
	b := rules.WholeBounds{Least: math.MinInt64, Most: math.MaxInt64, Under: "format", Over: "format"}
	if doc.Format == "int32" {
		b.Least, b.Most = math.MinInt32, math.MaxInt32
	}
	for _, bound := range []*rules.Bound{s.Minimum, s.Maximum} {
		if bound != nil && bound.Exclusive && math.Abs(bound.Value) >= 1<<53 {
			return fmt.Errorf("%s: exclusiveMinimum or exclusiveMaximum: the integer next to the bound is not exact in a float64", place)
		}
	}
	if s.Minimum != nil {
		switch least := math.Ceil(s.Minimum.Value); {
		case s.Minimum.Exclusive && least == s.Minimum.Value:
			raise(&b, least+1, "exclusiveMinimum")
		default:
			raise(&b, least, "minimum")
		}
	}
	if s.Maximum != nil {
		switch most := math.Floor(s.Maximum.Value); {
		case s.Maximum.Exclusive && most == s.Maximum.Value:
			lower(&b, most-1, "exclusiveMaximum")
		default:
			lower(&b, most, "maximum")
		}
	}
	s.Whole = b
	return nil
}

// raise raises the lower bound to an integer, unless it is already as high.
func raise(b *rules.WholeBounds, least float64, keyword string) {
	switch {
	case least >= math.MaxInt64: // 2^63, which no int64 reaches
		b.Least, b.Most, b.Under, b.Over = 1, 0, keyword, keyword
	case least > float64(b.Least):
		b.Least, b.Under = int64(least), keyword
	}
}

// lower lowers the upper bound to an integer, unless it is already as low.
func lower(b *rules.WholeBounds, most float64, keyword string) {
	switch {
	case most < math.MinInt64:
		b.Least, b.Most, b.Under, b.Over = 1, 0, keyword, keyword
	case most < float64(b.Most):
		b.Most, b.Over = int64(most), keyword
	}
}

// floatBounds returns the bounds of a number, nil where the document has none.
func floatBounds(doc *openapi3.Schema) (least, most *rules.Bound) {
	if doc.Min != nil {
		least = &rules.Bound{Value: *doc.Min, Exclusive: isTrue(doc.ExclusiveMin.Bool)}
	}
	if doc.Max != nil {
		most = &rules.Bound{Value: *doc.Max, Exclusive: isTrue(doc.ExclusiveMax.Bool)}
	}
	return least, most
}

func isTrue(b *bool) bool { return b != nil && *b }
