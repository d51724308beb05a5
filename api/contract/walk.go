package contract

import (
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// walker validates a JSON text by a schema in one pass. It reads all of the text even after a mistake, since a
// later one may make the text itself invalid, but builds no values from it.
type walker struct {
	cursor
	maxDepth int
	sent     bool   // enforce x-max-bytes, which is for what callers send: what was stored before it was bounded stays readable
	fill     bool   // collect the edits that add defaults and normalize integers
	edits    []edit // in the order of the text
}

// check returns the first mistake of a text, or nil. It ignores x-max-bytes.
func check(s *rules.Schema, text string, maxDepth int) *mistake {
	w := walker{cursor: cursor{data: text}, maxDepth: maxDepth}
	return w.check(s)
}

// checkSent is check for a text of a request.
func checkSent(s *rules.Schema, text string, maxDepth int) *mistake {
	w := walker{cursor: cursor{data: text}, maxDepth: maxDepth, sent: true}
	return w.check(s)
}

// check returns the first mistake of the complete text, or nil.
func (w *walker) check(s *rules.Schema) *mistake {
	m := w.value(s, 0)
	if w.broken {
		return &mistake{rule: ruleSyntax, limit: min(w.brokenAt+1, len(w.data))}
	}
	if w.space(); w.pos < len(w.data) {
		return &mistake{rule: ruleTrailing}
	}
	return m
}

// value walks the next value, at that depth, and returns its first mistake.
func (w *walker) value(s *rules.Schema, depth int) *mistake {
	if w.peek() <= ' ' {
		w.space()
	}
	if depth >= w.maxDepth {
		w.skip()
		return &mistake{rule: ruleDepth, limit: w.maxDepth}
	}
	start, bounded, kind := w.pos, s, w.kind()
	var m, wrong *mistake
	if s != nil && s.Kind != kind && (s.Kind != rules.Integer || kind != rules.Number) {
		s, wrong = w.meant(s, kind)
	}
	if s != nil && s.MaxBytes > 0 { // a variant's own bound counts instead of the union's
		bounded = s
	}
	switch kind {
	case rules.Object:
		m = w.object(s, depth)
	case rules.Array:
		m = w.array(s, depth)
	case rules.String:
		m = w.string(s)
	case rules.Number:
		m = w.numeral(s)
	default:
		w.literal()
	}
	switch {
	case m != nil:
		return m
	case w.sent && wrong == nil && bounded != nil && bounded.MaxBytes > 0 && w.pos-start > bounded.MaxBytes:
		return mistakeOf(bounded, ruleMaxBytes)
	}
	return wrong
}

// meant returns the schema by which to walk a value whose kind is not that of s. If s does not accept the kind
// it returns a mistake, and the value is walked only to validate the text.
func (w *walker) meant(s *rules.Schema, found rules.Kind) (*rules.Schema, *mistake) {
	switch {
	case found == rules.Null && s.Nullable:
		return nil, nil
	case found == rules.Null:
		return nil, mistakeOf(s, "nullable")
	case s.Kind == rules.Union && s.Discriminator == "":
		if variant := s.OfKind(found); variant != nil {
			return variant, nil
		}
		return nil, mistakeOf(s, "oneOf")
	case s.Kind == rules.Union:
		if variant := w.variant(s, found); variant != nil {
			return variant, nil
		}
		return nil, mistakeOf(s, "discriminator")
	case s.Enum != nil:
		return nil, mistakeOf(s, "enum")
	}
	return nil, mistakeOf(s, "type")
}

// variant looks ahead for the discriminator of the object that starts here and returns the schema that it
// selects, or nil.
func (w *walker) variant(s *rules.Schema, found rules.Kind) *rules.Schema {
	ahead := w.cursor
	if found != rules.Object {
		return nil
	}
	ahead.pos++
	for first := true; ahead.more('}', first); first = false {
		name := ahead.name()
		ahead.space()
		if name.value() == s.Discriminator {
			value := ahead.text()
			if ahead.broken {
				return nil
			}
			return s.OfValue(value.value())
		}
		ahead.skip()
	}
	return nil
}

func (w *walker) object(s *rules.Schema, depth int) *mistake {
	first, met, n, next := noMistake(), metNames{}, 0, 0
	w.pos++
	for ; w.more('}', n == 0); n++ {
		sent, name, position := w.member(s, next)
		if w.broken {
			return nil
		}
		next = position + 1
		child := s.At(position)
		switch {
		case !sent.valid:
			first.keep(&mistake{rule: ruleUTF8}, position, name)
		case met.again(s, position, name):
			first.offer(&mistake{rule: ruleTwice}, position, name)
		case first.open(position, name) && !s.HasName(position):
			first.offer(unnamed(s, name), position, name)
		}
		if !first.open(position, name) {
			child = nil // a mistake of its schema would not be the first
		}
		if m := w.value(child, depth+1); m != nil {
			first.offer(m, position, name)
		}
	}
	if s == nil || w.broken || first.mistake != nil && first.grave() {
		return first.mistake
	}
	switch {
	case s.Size.Under(n):
		return mistakeOf(s, "minProperties")
	case s.Size.Over(n):
		return mistakeOf(s, "maxProperties")
	}
	if missing := s.Required &^ met.named; missing != 0 {
		i := bits.TrailingZeros64(missing)
		first.offer(mistakeOf(s, "required"), i, s.Properties[i].Name)
	}
	if first.mistake == nil && w.fill {
		w.fillIn(s, met.named, n)
	}
	return first.mistake
}

// member reads a member's name and returns its position by Schema.Position. next is the position of the next
// name in the document's order, in which encoders write: that name costs only one comparison.
func (w *walker) member(s *rules.Schema, next int) (sent text, name string, position int) {
	if s.HasName(next) && strings.HasPrefix(w.data[w.pos:], s.Properties[next].Sent) {
		name = s.Properties[next].Name
		w.pos += len(s.Properties[next].Sent)
		return text{raw: name, valid: true}, name, next
	}
	sent = w.name()
	name = sent.value()
	return sent, name, s.Position(name)
}

// unnamed returns the mistake in the name of a property that is not one of s's, or nil.
func unnamed(s *rules.Schema, name string) *mistake {
	switch {
	case s == nil:
		return nil
	case s.Closed:
		return mistakeOf(s, "additionalProperties")
	case s.Names != nil:
		if rule := s.Names.Broken(name); rule != "" {
			return mistakeOf(s, ruleNames+rule)
		}
	}
	return nil
}

func (w *walker) array(s *rules.Schema, depth int) *mistake {
	var first *mistake
	var items *rules.Schema
	var met nameSet
	twice := false
	if s != nil {
		items = s.Items
	}
	w.pos++
	n := 0
	for ; w.more(']', n == 0); n++ {
		w.space()
		start := w.pos
		m := w.value(items, depth+1)
		if m != nil && (first == nil || m.grave() && !first.grave()) {
			m.at = append(m.at, item(n))
			first, items = m, nil
		}
		if s == nil || w.broken {
			continue
		}
		if s.Size.Over(n + 1) {
			items = nil
		} else if s.Unique {
			value, ok := identity(s.Items, cursor{data: w.data, pos: start})
			twice = ok && !met.add(value) || twice
		}
	}
	switch {
	case s == nil || first != nil && first.grave():
	case s.Size.Under(n):
		return mistakeOf(s, "minItems")
	case s.Size.Over(n):
		return mistakeOf(s, "maxItems")
	case twice:
		return mistakeOf(s, "uniqueItems")
	}
	return first
}

// identity returns a value that is the same for equal items, which are strings or integers. ok is false for an
// item of another kind.
func identity(s *rules.Schema, c cursor) (value string, ok bool) {
	switch found := c.kind(); {
	case found != rules.Number:
		return c.text().value(), found == rules.String && s.Kind == rules.String
	case s.Kind == rules.Integer:
		if whole, ok := integer(c.number()); ok {
			return strconv.FormatInt(whole, 10), true
		}
	}
	return "", false
}

func (w *walker) string(s *rules.Schema) *mistake {
	sent := w.text()
	switch {
	case w.broken:
		return nil
	case !sent.valid:
		return &mistake{rule: ruleUTF8}
	case s == nil:
		return nil
	}
	if rule := s.BrokenText(sent.value()); rule != "" {
		return mistakeOf(s, rule)
	}
	return nil
}

func (w *walker) numeral(s *rules.Schema) *mistake {
	start := w.pos
	raw, plain := w.number()
	if w.broken || s == nil {
		return nil
	}
	rule := "type"
	if s.Kind != rules.Integer {
		rule = brokenNumber(s, raw)
	} else if whole, ok := integer(raw, plain); ok {
		rule = s.BrokenWhole(whole)
		if !plain && w.fill {
			w.edits = append(w.edits, edit{from: start, to: w.pos, text: strconv.FormatInt(whole, 10)})
		}
	}
	if rule != "" {
		return mistakeOf(s, rule)
	}
	return nil
}

// integer returns the integer that a number denotes: 100 for 1e2. ok is false if it is not an integer, exceeds
// int64 or is not exact.
func integer(raw string, plain bool) (whole int64, ok bool) {
	if plain {
		whole, err := strconv.ParseInt(raw, 10, 64)
		return whole, err == nil
	}
	f, err := strconv.ParseFloat(raw, 64)
	return int64(f), err == nil && f == math.Trunc(f) && math.Abs(f) <= 1<<53
}

// brokenNumber returns the first keyword that a number, as written in JSON, violates, or "".
func brokenNumber(s *rules.Schema, raw string) string {
	value, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return "type"
	}
	return s.BrokenFloat(value)
}
