package contract

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// parameter validates the values of a parameter.
type parameter struct{ *rules.Parameter }

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
	for i := range o.rules.Parameters {
		p := parameter{o.rules.Parameters[i]}
		var values []string
		switch p.In {
		case rules.InPath:
			value, err := url.PathUnescape(pathParam(p.Key))
			if err != nil {
				return &misuse{p.Parameter, ruleSyntax, "is not valid percent-encoding"}
			}
			if wrong := p.check([]string{value}); wrong != nil {
				return wrong
			}
			continue
		case rules.InQuery:
			values = query[p.Key]
		default:
			values = r.Header[p.Key]
		}
		if wrong := p.check(values); wrong != nil {
			return wrong
		}
		if len(values) == 0 && p.Absent != "" {
			p.fillIn(r)
		}
	}
	return nil
}

// check validates all values of a parameter: by its schema, in the order sent, then that they are text.
func (p parameter) check(values []string) *misuse {
	if wrong := p.checkAll(values); wrong != nil || !slices.ContainsFunc(values, notText) {
		return wrong
	}
	return &misuse{p.Parameter, ruleSyntax, "must be text in UTF-8 without NUL"}
}

func (p parameter) checkAll(values []string) *misuse {
	switch {
	case len(values) == 0:
		if p.Required {
			return p.broken(p.Schema, "type")
		}
		return nil
	case p.Schema.Kind == rules.Array:
		return p.checkMany(values)
	case len(values) > 1:
		return &misuse{p.Parameter, ruleTwice, "must occur only once"}
	}
	return p.checkOne(values[0])
}

// notText reports whether a value is something that no database takes for text.
func notText(value string) bool { return !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0 }

func (p parameter) checkOne(value string) *misuse {
	if rule := brokenParameter(p.Schema, value); rule != "" {
		return p.broken(p.Schema, rule)
	}
	return nil
}

func (p parameter) checkMany(values []string) *misuse {
	s, twice := p.Schema, false
	var met nameSet
	switch {
	case s.Size.Under(len(values)):
		return p.broken(s, "minItems")
	case s.Size.Over(len(values)):
		return p.broken(s, "maxItems")
	}
	for _, value := range values {
		twice = s.Unique && !met.add(value) || twice
	}
	if twice {
		return p.broken(s, "uniqueItems")
	}
	for _, value := range values {
		if rule := brokenParameter(s.Items, value); rule != "" {
			return p.broken(s.Items, rule)
		}
	}
	return nil
}

// fillIn adds the default to the request.
func (p parameter) fillIn(r *http.Request) {
	if p.In == rules.InHeader {
		r.Header[p.Key] = []string{p.Absent}
		return
	}
	if r.URL.RawQuery != "" {
		r.URL.RawQuery += "&"
	}
	r.URL.RawQuery += url.QueryEscape(p.Key) + "=" + url.QueryEscape(p.Absent)
}

// broken returns the misuse of a parameter whose value violates a keyword of s.
func (p parameter) broken(s *rules.Schema, rule string) *misuse {
	return &misuse{p.Parameter, rule, mistakeOf(s, rule).expectation()}
}

// misuse is an invalid parameter, or an invalid query string.
type misuse struct {
	p         *rules.Parameter // nil for the query string as a whole
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
	return &RequestError{Param: m.p.Name, Message: m.sentence()}
}

// violation returns a misuse in words for logs.
func (m *misuse) violation() *Violation { return &Violation{Rule: m.rule, Reason: m.sentence()} }

func (m *misuse) sentence() string {
	switch {
	case m.p == nil:
		return "The query string is malformed; percent-encode its names and values."
	case m.p.In == rules.InHeader:
		return "Header '" + m.p.Name + "' " + m.predicate + "."
	}
	return "Parameter '" + m.p.Name + "' " + m.predicate + "."
}

// brokenParameter returns the first keyword that a parameter or a header violates, or ""; "type" for a text that
// is not a value of s's kind.
func brokenParameter(s *rules.Schema, value string) string {
	switch s.Kind {
	case rules.String:
		return s.BrokenText(value)
	case rules.Integer:
		if whole, err := strconv.ParseInt(value, 10, 64); err == nil {
			return s.BrokenWhole(whole)
		}
	case rules.Number:
		c := cursor{data: value}
		if c.number(); !c.broken && c.pos == len(value) {
			return brokenNumber(s, value)
		}
	case rules.Boolean:
		if value == "true" || value == "false" {
			return ""
		}
	}
	return "type"
}
