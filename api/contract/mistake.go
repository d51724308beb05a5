package contract

import (
	"math"
	"strconv"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// The rules that are not keywords of a schema: most of them say what any JSON text must be.
const (
	ruleSyntax   = "syntax"
	ruleTrailing = "trailing"
	ruleUTF8     = "utf-8"
	ruleTwice    = "twice"
	ruleDepth    = "depth"
	ruleNames    = "x-property-names/" // and the keyword in it
	ruleMaxBytes = "x-max-bytes"
)

// mistake is a place where a JSON text is not valid. A request's becomes a RequestError, a response's a
// Violation.
type mistake struct {
	at     path
	rule   string        // the violated keyword, or one of the rules above
	schema *rules.Schema // the schema with the keyword; nil for the rules of any JSON text
	limit  int           // the byte for ruleSyntax, the levels for ruleDepth
}

// mistakeOf returns the mistake of a value that violates a keyword of s.
func mistakeOf(s *rules.Schema, rule string) *mistake { return &mistake{rule: rule, schema: s} }

// grave reports whether the text itself is invalid, which takes precedence over any schema.
func (m *mistake) grave() bool { return m.schema == nil }

// ranked keeps the first of an object's mistakes: grave ones in the order of the text, then the others in the
// order of the document's properties. Properties that the document does not name come last, by name.
type ranked struct {
	*mistake
	position int
	name     string
}

// noMistake returns a ranked without a mistake.
func noMistake() ranked { return ranked{position: math.MaxInt} }

// open reports whether a schema's mistake at that property would be the first.
func (r *ranked) open(position int, name string) bool {
	switch {
	case r.mistake == nil:
		return true
	case r.grave():
		return false
	}
	return position < r.position || position == r.position && name < r.name
}

// offer keeps a mistake at a property, or in it, if it is the first. A nil mistake is ignored.
func (r *ranked) offer(m *mistake, position int, name string) {
	if m != nil {
		m.at = append(m.at, key(name))
		r.keep(m, position, name)
	}
}

// keep is offer for a mistake whose path is that of the object itself.
func (r *ranked) keep(m *mistake, position int, name string) {
	if r.open(position, name) || m.grave() && !r.grave() {
		r.mistake, r.position, r.name = m, position, name
	}
}

// requestError returns a mistake in a request's body in words for the caller.
func (m *mistake) requestError() *RequestError {
	subject := m.at.field()
	switch m.rule {
	case ruleSyntax:
		return &RequestError{Param: wholeBody, Message: "The request body is not valid JSON (near byte " + strconv.Itoa(m.limit) + ")."}
	case ruleTrailing:
		return &RequestError{Param: wholeBody, Message: "The request body must be one JSON value with nothing after it."}
	case ruleDepth:
		return &RequestError{Param: wholeBody, Message: "The request body must not be nested deeper than " + strconv.Itoa(m.limit) + " levels."}
	case ruleUTF8:
		return &RequestError{Param: m.at.param(), Message: subject + " must be valid UTF-8."}
	case ruleTwice:
		return &RequestError{Param: m.at.param(), Message: subject + " occurs twice."}
	}
	return &RequestError{Param: m.at.param(), Message: m.sentence(subject)}
}

// violation returns a mistake in words for logs. It quotes names, never values.
func (m *mistake) violation() *Violation {
	v := &Violation{Pointer: m.at.pointer(), Rule: m.rule}
	switch m.rule {
	case ruleSyntax:
		v.Rule, v.Reason = "json", "invalid JSON near byte "+strconv.Itoa(m.limit)
	case ruleTrailing:
		v.Rule, v.Reason = "json", "bytes after the JSON value"
	case ruleDepth:
		v.Rule, v.Pointer, v.Reason = "json", "", "nested deeper than "+strconv.Itoa(m.limit)+" levels"
	case ruleUTF8:
		v.Rule, v.Reason = "json", "must be valid UTF-8"
	case ruleTwice:
		v.Rule, v.Reason = "json", "occurs twice"
	case "required":
		v.Reason = "is missing"
	case "additionalProperties":
		v.Reason = "unknown property"
	case "nullable":
		v.Reason = "must not be null"
	case ruleNames + "minLength", ruleNames + "maxLength", ruleNames + "pattern":
		v.Reason = "property name is not allowed"
	default:
		v.Reason = m.expectation()
	}
	return v
}
