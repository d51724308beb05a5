package contract

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
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
func check(s *schema, text string, maxDepth int) *mistake {
	w := walker{cursor: cursor{data: text}, maxDepth: maxDepth}
	return w.check(s)
}

// checkSent is check for a text of a request.
func checkSent(s *schema, text string, maxDepth int) *mistake {
	w := walker{cursor: cursor{data: text}, maxDepth: maxDepth, sent: true}
	return w.check(s)
}

// check returns the first mistake of the complete text, or nil.
func (w *walker) check(s *schema) *mistake {
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
func (w *walker) value(s *schema, depth int) *mistake {
	if w.peek() <= ' ' {
		w.space()
	}
	if depth >= w.maxDepth {
		w.skip()
		return &mistake{rule: ruleDepth, limit: w.maxDepth}
	}
	start, bounded, kind := w.pos, s, w.kind()
	var m, wrong *mistake
	if s != nil && s.kind != kind && (s.kind != integerKind || kind != numberKind) {
		s, wrong = w.meant(s, kind)
	}
	if s != nil && s.maxBytes > 0 { // a variant's own bound counts instead of the union's
		bounded = s
	}
	switch kind {
	case objectKind:
		m = w.object(s, depth)
	case arrayKind:
		m = w.array(s, depth)
	case stringKind:
		m = w.string(s)
	case numberKind:
		m = w.numeral(s)
	default:
		w.literal()
	}
	switch {
	case m != nil:
		return m
	case w.sent && wrong == nil && bounded != nil && bounded.maxBytes > 0 && w.pos-start > bounded.maxBytes:
		return bounded.mistake(ruleMaxBytes)
	}
	return wrong
}

// meant returns the schema by which to walk a value whose kind is not that of s. If s does not accept the kind
// it returns a mistake, and the value is walked only to validate the text.
func (w *walker) meant(s *schema, found kind) (*schema, *mistake) {
	switch {
	case found == nullKind && s.nullable:
		return nil, nil
	case found == nullKind:
		return nil, s.mistake("nullable")
	case s.kind == unionKind && s.discriminator == "":
		if variant := s.byKind[found]; variant != nil {
			return variant, nil
		}
		return nil, s.mistake("oneOf")
	case s.kind == unionKind:
		if variant := w.variant(s, found); variant != nil {
			return variant, nil
		}
		return nil, s.mistake("discriminator")
	case s.text.enum != nil:
		return nil, s.mistake("enum")
	}
	return nil, s.mistake("type")
}

// variant looks ahead for the discriminator of the object that starts here and returns the schema that it
// selects, or nil.
func (w *walker) variant(s *schema, found kind) *schema {
	ahead := w.cursor
	if found != objectKind {
		return nil
	}
	ahead.pos++
	for first := true; ahead.more('}', first); first = false {
		name := ahead.name()
		ahead.space()
		if name.value() == s.discriminator {
			value := ahead.text()
			if ahead.broken {
				return nil
			}
			return s.byValue[value.value()]
		}
		ahead.skip()
	}
	return nil
}

func (w *walker) object(s *schema, depth int) *mistake {
	first, met, n, next := noMistake(), metNames{}, 0, 0
	w.pos++
	for ; w.more('}', n == 0); n++ {
		sent, name, position := w.member(s, next)
		if w.broken {
			return nil
		}
		next = position + 1
		child := s.at(position)
		switch {
		case !sent.valid:
			first.keep(&mistake{rule: ruleUTF8}, position, name)
		case met.again(s, position, name):
			first.offer(&mistake{rule: ruleTwice}, position, name)
		case first.open(position, name) && !s.names(position):
			first.offer(s.unnamed(name), position, name)
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
	case s.size.under(n):
		return s.mistake("minProperties")
	case s.size.over(n):
		return s.mistake("maxProperties")
	}
	if missing := s.required &^ met.named; missing != 0 {
		i := bits.TrailingZeros64(missing)
		first.offer(s.mistake("required"), i, s.properties[i].name)
	}
	if first.mistake == nil && w.fill {
		w.fillIn(s, met.named, n)
	}
	return first.mistake
}

// member reads a member's name and returns its position by schema.position. next is the position of the next
// name in the document's order, in which encoders write: that name costs only one comparison.
func (w *walker) member(s *schema, next int) (sent text, name string, position int) {
	if s.names(next) && strings.HasPrefix(w.data[w.pos:], s.properties[next].sent) {
		name = s.properties[next].name
		w.pos += len(s.properties[next].sent)
		return text{raw: name, valid: true}, name, next
	}
	sent = w.name()
	name = sent.value()
	return sent, name, s.position(name)
}

// unnamed returns the mistake in the name of a property that is not one of s's, or nil.
func (s *schema) unnamed(name string) *mistake {
	switch {
	case s == nil:
		return nil
	case s.closed:
		return s.mistake("additionalProperties")
	case s.nameRules != nil:
		if rule := s.nameRules.broken(name); rule != "" {
			return s.mistake(ruleNames + rule)
		}
	}
	return nil
}

func (w *walker) array(s *schema, depth int) *mistake {
	var first *mistake
	var items *schema
	var met nameSet
	twice := false
	if s != nil {
		items = s.items
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
		if s.size.over(n + 1) {
			items = nil
		} else if s.unique {
			value, ok := s.items.identity(cursor{data: w.data, pos: start})
			twice = ok && !met.add(value) || twice
		}
	}
	switch {
	case s == nil || first != nil && first.grave():
	case s.size.under(n):
		return s.mistake("minItems")
	case s.size.over(n):
		return s.mistake("maxItems")
	case twice:
		return s.mistake("uniqueItems")
	}
	return first
}

// identity returns a value that is the same for equal items, which are strings or integers. ok is false for an
// item of another kind.
func (s *schema) identity(c cursor) (value string, ok bool) {
	switch found := c.kind(); {
	case found != numberKind:
		return c.text().value(), found == stringKind && s.kind == stringKind
	case s.kind == integerKind:
		if whole, ok := integer(c.number()); ok {
			return strconv.FormatInt(whole, 10), true
		}
	}
	return "", false
}

func (w *walker) string(s *schema) *mistake {
	sent := w.text()
	switch {
	case w.broken:
		return nil
	case !sent.valid:
		return &mistake{rule: ruleUTF8}
	case s == nil:
		return nil
	}
	if rule := s.brokenText(sent.value()); rule != "" {
		return s.mistake(rule)
	}
	return nil
}

func (w *walker) numeral(s *schema) *mistake {
	start := w.pos
	raw, plain := w.number()
	if w.broken || s == nil {
		return nil
	}
	rule := "type"
	if s.kind != integerKind {
		rule = s.brokenNumber(raw)
	} else if whole, ok := integer(raw, plain); ok {
		rule = s.brokenWhole(whole)
		if !plain && w.fill {
			w.edits = append(w.edits, edit{from: start, to: w.pos, text: strconv.FormatInt(whole, 10)})
		}
	}
	if rule != "" {
		return s.mistake(rule)
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
