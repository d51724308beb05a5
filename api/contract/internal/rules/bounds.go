package rules

// WholeBounds are the inclusive bounds of an integer, within those of its format. Under and Over are the
// keywords that a smaller and a larger integer violates.
type WholeBounds struct {
	Least, Most int64
	Under, Over string
}

// Bound is a minimum or a maximum.
type Bound struct {
	Value     float64
	Exclusive bool
}

// BrokenWhole returns the keyword that an integer violates, or "".
func (s *Schema) BrokenWhole(value int64) string {
	switch {
	case value < s.Whole.Least:
		return s.Whole.Under
	case value > s.Whole.Most:
		return s.Whole.Over
	}
	return ""
}

// BrokenFloat returns the first keyword that a number violates, or "".
func (s *Schema) BrokenFloat(value float64) string {
	least, most := s.Minimum, s.Maximum
	switch {
	case least != nil && least.Exclusive && value <= least.Value:
		return "exclusiveMinimum"
	case most != nil && most.Exclusive && value >= most.Value:
		return "exclusiveMaximum"
	case least != nil && value < least.Value:
		return "minimum"
	case most != nil && value > most.Value:
		return "maximum"
	}
	return ""
}
