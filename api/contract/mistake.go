package contract

import (
	"math"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

// The rules that are not keywords of a schema: what a JSON text must be before any schema is asked.
const (
	ruleSyntax   = "syntax"
	ruleTrailing = "trailing"
	ruleUTF8     = "utf-8"
	ruleTwice    = "twice"
	ruleDepth    = "depth"
	ruleNames    = "x-property-names/" // and the keyword in it
	ruleMaxBytes = "x-max-bytes"
)

// mistake is one disagreement between a JSON text and what it should be.
type mistake struct {
	at     path
	rule   string           // the keyword that is broken, or one of the rules above
	schema *openapi3.Schema // the schema that holds the keyword; nil for the rules above
	limit  int              // the byte for ruleSyntax, the levels for ruleDepth
}

// grave reports whether the text itself is at fault, which matters more than any schema.
func (m *mistake) grave() bool { return m.schema == nil }

// ranked keeps that one of an object's mistakes which comes first: grave ones in the order of the text,
// then the others in the order of the document's properties. Those that the document does not know come
// last, by name.
type ranked struct {
	*mistake
	position int
	name     string
}

// noMistake is before the first one.
func noMistake() ranked { return ranked{position: math.MaxInt} }

// open reports whether a schema's mistake at that property would come first.
func (r *ranked) open(position int, name string) bool {
	switch {
	case r.mistake == nil:
		return true
	case r.grave():
		return false
	}
	return position < r.position || position == r.position && name < r.name
}

// offer keeps a mistake at a property, or in it, if it comes first. nil is none.
func (r *ranked) offer(m *mistake, position int, name string) {
	if m != nil {
		m.at = append(m.at, key(name))
		r.keep(m, position, name)
	}
}

// keep is offer for a mistake whose place is the object itself.
func (r *ranked) keep(m *mistake, position int, name string) {
	if r.open(position, name) || m.grave() && !r.grave() {
		r.mistake, r.position, r.name = m, position, name
	}
}

// fault makes a mistake in a request's body fit for callers.
func (m *mistake) requestError() *RequestError {
	subject := m.at.field()
	switch m.rule {
	case ruleSyntax:
		return &RequestError{Param: wholeBody, Message: "The request body is not valid JSON (near byte " + strconv.Itoa(m.limit) + ")."}
	case ruleTrailing:
		return &RequestError{Param: wholeBody, Message: "The request body must hold one JSON value and nothing after it."}
	case ruleDepth:
		return &RequestError{Param: wholeBody, Message: "The request body must not be nested deeper than " + strconv.Itoa(m.limit) + " levels."}
	case ruleUTF8:
		return &RequestError{Param: m.at.param(), Message: subject + " must be valid UTF-8."}
	case ruleTwice:
		return &RequestError{Param: m.at.param(), Message: subject + " is given twice."}
	}
	return &RequestError{Param: m.at.param(), Message: m.sentence(subject)}
}

// violation makes a mistake in a response fit for logs. It quotes names, never values.
func (m *mistake) violation() *Violation {
	b := &Violation{Pointer: m.at.pointer(), Rule: m.rule}
	switch m.rule {
	case ruleSyntax:
		b.Rule, b.Reason = "json", "no valid JSON near byte "+strconv.Itoa(m.limit)
	case ruleTrailing:
		b.Rule, b.Reason = "json", "something follows the JSON value"
	case ruleDepth:
		b.Rule, b.Pointer, b.Reason = "json", "", "nested deeper than "+strconv.Itoa(m.limit)+" levels"
	case ruleUTF8:
		b.Rule, b.Reason = "json", "must be valid UTF-8"
	case ruleTwice:
		b.Rule, b.Reason = "json", "is given twice"
	case "required":
		b.Reason = "is missing"
	case "additionalProperties":
		b.Reason = "unknown property"
	case "nullable":
		b.Reason = "must not be null"
	case ruleNames + "minLength", ruleNames + "maxLength", ruleNames + "pattern":
		b.Reason = "property name is not allowed"
	default:
		b.Reason = m.expectation()
	}
	return b
}
