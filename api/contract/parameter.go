package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

// parameter is a compiled parameter of the path, the query or the headers.
type parameter struct {
	name     string // canonical for headers
	in       string
	doc      *openapi3.Parameter
	required bool
	schema   *schema
	absent   string // the default; "" when there is none
}

// parameter compiles a parameter with one value or, in the query, with several values of one name.
func (c *compiler) parameter(doc *openapi3.Parameter) (p parameter, err error) {
	place := doc.In + " parameter " + doc.Name
	inQuery, style := doc.In == openapi3.ParameterInQuery, openapi3.SerializationSimple
	if inQuery {
		style = openapi3.SerializationForm
	}
	if doc.Style != "" && doc.Style != style || doc.Explode != nil && *doc.Explode != inQuery {
		return p, fmt.Errorf("%s: style and explode: only the defaults are supported", place)
	}
	if doc.Schema == nil || doc.Content != nil || doc.AllowEmptyValue || doc.AllowReserved {
		return p, fmt.Errorf("%s: only a schema is supported, without content, allowEmptyValue and allowReserved", place)
	}
	p = parameter{name: doc.Name, in: doc.In, doc: doc, required: doc.Required}
	if p.schema, err = c.compile(place, doc.Schema); err != nil {
		return p, err
	}
	value := p.schema
	switch {
	case doc.In == openapi3.ParameterInCookie:
		return p, fmt.Errorf("%s: cookies are not supported", place)
	case doc.In == openapi3.ParameterInHeader:
		p.name = http.CanonicalHeaderKey(doc.Name)
	case inQuery && value.kind == arrayKind:
		value = value.items
	}
	if p.schema.unique && value.kind != stringKind {
		return p, fmt.Errorf("%s: uniqueItems: only strings are supported", place)
	}
	if value.kind > stringKind || value.kind == anyKind {
		return p, fmt.Errorf("%s: only strings, numbers and booleans are supported, and arrays of them in the query", place)
	}
	if p.absent, err = defaultText(p.schema); err != nil {
		return p, fmt.Errorf("%s: default: %w", place, err)
	}
	if p.absent != "" && doc.In == openapi3.ParameterInPath {
		return p, fmt.Errorf("%s: default: not supported in paths", place)
	}
	return p, nil
}

// defaultText returns a schema's default as a parameter writes it, or "".
func defaultText(s *schema) (string, error) {
	value, err := s.defaultJSON()
	if err != nil || s.kind != stringKind || value == "" {
		return value, err
	}
	var text string
	if err = json.Unmarshal([]byte(value), &text); err == nil && text == "" {
		err = errors.New("must not be empty")
	}
	return text, err
}

// checkParameters validates a request's parameters in the document's order and adds defaults to its query and
// headers.
func (o *Operation) checkParameters(r *http.Request, pathParam func(string) string) *misuse {
	var query url.Values
	if r.URL.RawQuery != "" {
		var err error
		if query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return &misuse{rule: ruleSyntax}
		}
	}
	for i := range o.parameters {
		p := &o.parameters[i]
		var values []string
		switch p.in {
		case openapi3.ParameterInPath:
			value, err := url.PathUnescape(pathParam(p.name))
			if err != nil {
				return &misuse{p, ruleSyntax, "is not valid percent-encoding"}
			}
			if wrong := p.check([]string{value}); wrong != nil {
				return wrong
			}
			continue
		case openapi3.ParameterInQuery:
			values = query[p.name]
		default:
			values = r.Header[p.name]
		}
		if wrong := p.check(values); wrong != nil {
			return wrong
		}
		if len(values) == 0 && p.absent != "" {
			p.fillIn(r)
		}
	}
	return nil
}

// check validates all values of a parameter: by its schema, in the order sent, then that they are text.
func (p *parameter) check(values []string) *misuse {
	if wrong := p.checkAll(values); wrong != nil || !slices.ContainsFunc(values, notText) {
		return wrong
	}
	return &misuse{p, ruleSyntax, "must be text in UTF-8 without NUL"}
}

func (p *parameter) checkAll(values []string) *misuse {
	switch {
	case len(values) == 0:
		if p.required {
			return p.broken(p.schema, "type")
		}
		return nil
	case p.schema.kind == arrayKind:
		return p.checkMany(values)
	case len(values) > 1:
		return &misuse{p, ruleTwice, "must occur only once"}
	}
	return p.checkOne(values[0])
}

// notText reports whether a value is something that no database takes for text.
func notText(value string) bool { return !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0 }

func (p *parameter) checkOne(value string) *misuse {
	if rule := p.schema.brokenParameter(value); rule != "" {
		return p.broken(p.schema, rule)
	}
	return nil
}

func (p *parameter) checkMany(values []string) *misuse {
	s, twice := p.schema, false
	var met nameSet
	switch {
	case s.size.under(len(values)):
		return p.broken(s, "minItems")
	case s.size.over(len(values)):
		return p.broken(s, "maxItems")
	}
	for _, value := range values {
		twice = s.unique && !met.add(value) || twice
	}
	if twice {
		return p.broken(s, "uniqueItems")
	}
	for _, value := range values {
		if rule := s.items.brokenParameter(value); rule != "" {
			return p.broken(s.items, rule)
		}
	}
	return nil
}

// fillIn adds the default to the request.
func (p *parameter) fillIn(r *http.Request) {
	if p.in == openapi3.ParameterInHeader {
		r.Header[p.name] = []string{p.absent}
		return
	}
	if r.URL.RawQuery != "" {
		r.URL.RawQuery += "&"
	}
	r.URL.RawQuery += url.QueryEscape(p.name) + "=" + url.QueryEscape(p.absent)
}

// broken returns the misuse of a parameter whose value violates a keyword of s.
func (p *parameter) broken(s *schema, rule string) *misuse {
	return &misuse{p, rule, s.mistake(rule).expectation()}
}

// misuse is an invalid parameter, or an invalid query string.
type misuse struct {
	p         *parameter // nil for the query string as a whole
	rule      string
	predicate string // the end of a sentence
}

// requestError returns a misuse in words for the caller; nil for nil.
func (m *misuse) requestError() *RequestError {
	switch {
	case m == nil:
		return nil
	case m.p == nil:
		return &RequestError{Param: "query", Message: m.sentence()}
	}
	return &RequestError{Param: m.p.doc.Name, Message: m.sentence()}
}

// violation returns a misuse in words for logs.
func (m *misuse) violation() *Violation { return &Violation{Rule: m.rule, Reason: m.sentence()} }

func (m *misuse) sentence() string {
	switch {
	case m.p == nil:
		return "The query string is malformed; percent-encode its names and values."
	case m.p.in == openapi3.ParameterInHeader:
		return "Header '" + m.p.doc.Name + "' " + m.predicate + "."
	}
	return "Parameter '" + m.p.doc.Name + "' " + m.predicate + "."
}
