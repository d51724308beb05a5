package contract

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
	"github.com/cloud-sessions/sessions/api/sse"
)

// MaxViolations is the most violations that ResponseViolations and Schema.Violations return.
const MaxViolations = 100

// ResponseViolations validates a complete response as CheckResponse does, and returns all violations instead of the first,
// at most MaxViolations: those of the body in the document's order, then those of the headers. A status that is not
// declared is the only one. body is ignored for streams and for bytes.
func (o *Operation) ResponseViolations(status int, header http.Header, body []byte) []*Violation {
	r := o.rules.Response(status)
	if r == nil {
		return []*Violation{o.undeclared(status).(*Violation)}
	}
	var all []*Violation
	if err := o.CheckBody(status, contentType(header), body); err != nil {
		all = append(all, err.(*Violation))
		if s := r.Body(jsonType); s != nil && all[0].Rule != "content" {
			all = (&Schema{root: s, maxDepth: o.limits.JSONDepth}).Violations(body)
		}
	}
	for i := range r.Headers {
		h := &r.Headers[i]
		if reason := brokenHeader(h, header[h.Key]); reason != "" {
			all = append(all, &Violation{Rule: "header", Reason: h.Name + " " + reason})
		}
	}
	for _, v := range all {
		v.Operation, v.Status = o.ID, status
	}
	return all
}

// Violations validates a JSON text as Check does, and returns all violations instead of the first, at most MaxViolations.
// A text that is not valid JSON has one.
func (s *Schema) Violations(data []byte) []*Violation {
	c := collector{maxDepth: s.maxDepth}
	if m := check(s.root, view(data), s.maxDepth); m != nil && m.grave() {
		return []*Violation{m.violation()}
	}
	c.collect(s.root, string(data), nil)
	return c.found
}

// FrameViolations validates a server-sent event as CheckFrame does, and returns all violations of its data instead of the first.
func (s *Schema) FrameViolations(f sse.Event) []*Violation {
	if all := s.Violations(f.Data); len(all) > 0 {
		return all
	}
	if v := s.CheckFrame(f); v != nil {
		return []*Violation{v}
	}
	return nil
}

// collector collects the violations of a text that is valid JSON. It walks a value into its parts only where there is a
// mistake in it.
type collector struct {
	maxDepth int
	found    []*Violation
}

// collect adds the violations of a value at a place, outermost step first.
func (c *collector) collect(s *rules.Schema, text string, at []step) {
	first := check(s, text, c.maxDepth)
	if first == nil || len(c.found) >= MaxViolations {
		return
	}
	w := walker{cursor: cursor{data: text}, maxDepth: c.maxDepth}
	w.space()
	kind := w.kind()
	if s.Kind != kind && (s.Kind != rules.Integer || kind != rules.Number) {
		var wrong *mistake
		if s, wrong = w.meant(s, kind); wrong != nil || s == nil {
			c.add(first, at)
			return
		}
	}
	switch kind {
	case rules.Object:
		c.object(s, text, at)
	case rules.Array:
		c.array(s, text, first, at)
	default:
		c.add(first, at)
	}
}

// add adds a mistake, whose place is relative to at.
func (c *collector) add(m *mistake, at []step) {
	if len(c.found) < MaxViolations {
		outer := slices.Clone(at)
		slices.Reverse(outer)
		m.at = append(m.at, outer...)
		c.found = append(c.found, m.violation())
	}
}

func (c *collector) object(s *rules.Schema, text string, at []step) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &members) != nil {
		return // never: it was walked
	}
	switch {
	case s.Size.Under(len(members)):
		c.add(mistakeOf(s, "minProperties"), at)
	case s.Size.Over(len(members)):
		c.add(mistakeOf(s, "maxProperties"), at)
	}
	for i, p := range s.Properties {
		value, sent := members[p.Name]
		delete(members, p.Name)
		if sent {
			c.collect(p.Schema, string(value), append(slices.Clone(at), key(p.Name)))
		} else if s.Required>>i&1 == 1 {
			c.add(mistakeOf(s, "required"), append(slices.Clone(at), key(p.Name)))
		}
	}
	for _, name := range sortedNames(members) {
		inner := append(slices.Clone(at), key(name))
		if m := unnamed(s, name); m != nil {
			c.add(m, inner)
		} else if s.Extra != nil {
			c.collect(s.Extra, string(members[name]), inner)
		}
	}
}

// array adds the violations of an array whose first mistake is first.
func (c *collector) array(s *rules.Schema, text string, first *mistake, at []step) {
	var items []json.RawMessage
	if json.Unmarshal([]byte(text), &items) != nil {
		return // never: it was walked
	}
	switch {
	case s.Size.Under(len(items)):
		c.add(mistakeOf(s, "minItems"), at)
	case s.Size.Over(len(items)):
		c.add(mistakeOf(s, "maxItems"), at)
	case len(first.at) == 0 && first.rule == "uniqueItems":
		c.add(mistakeOf(s, "uniqueItems"), at)
	}
	for i, value := range items {
		c.collect(s.Items, string(value), append(slices.Clone(at), item(i)))
	}
}

func sortedNames(members map[string]json.RawMessage) []string {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Generic returns a place in a body, a JSON pointer, with an asterisk for each index: violations of all records of a list
// have one generic place.
func Generic(pointer string) string {
	steps := strings.Split(pointer, "/")
	for i, s := range steps {
		if _, err := strconv.Atoi(s); err == nil {
			steps[i] = "*"
		}
	}
	return strings.Join(steps, "/")
}
