package contract

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cloud-sessions/sessions/api/sse"
)

// MaxViolations is the most violations that ResponseViolations and Schema.Violations return.
const MaxViolations = 100

// ResponseViolations validates a complete response as CheckResponse does, and returns all violations instead of the first,
// at most MaxViolations: those of the body in the document's order, then those of the headers. A status that is not
// declared is the only one. body is ignored for streams and for bytes.
func (o *Operation) ResponseViolations(status int, header http.Header, body []byte) []*Violation {
	r := o.responses[status]
	if r == nil {
		return []*Violation{o.undeclared(status).(*Violation)}
	}
	var all []*Violation
	if err := o.CheckBody(status, contentType(header), body); err != nil {
		all = append(all, err.(*Violation))
		if s := r.content[jsonType]; s != nil && all[0].Rule != "content" {
			all = (&Schema{root: s, maxDepth: o.limits.jsonDepth}).Violations(body)
		}
	}
	for i := range r.headers {
		h := &r.headers[i]
		if reason := h.broken(header[h.key]); reason != "" {
			all = append(all, &Violation{Rule: "header", Reason: h.name + " " + reason})
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
func (c *collector) collect(s *schema, text string, at []step) {
	first := check(s, text, c.maxDepth)
	if first == nil || len(c.found) >= MaxViolations {
		return
	}
	w := walker{cursor: cursor{data: text}, maxDepth: c.maxDepth}
	w.space()
	kind := w.kind()
	if s.kind != kind && (s.kind != integerKind || kind != numberKind) {
		var wrong *mistake
		if s, wrong = w.meant(s, kind); wrong != nil || s == nil {
			c.add(first, at)
			return
		}
	}
	switch kind {
	case objectKind:
		c.object(s, text, at)
	case arrayKind:
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

func (c *collector) object(s *schema, text string, at []step) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &members) != nil {
		return // never: it was walked
	}
	switch {
	case s.size.under(len(members)):
		c.add(s.mistake("minProperties"), at)
	case s.size.over(len(members)):
		c.add(s.mistake("maxProperties"), at)
	}
	for i, p := range s.properties {
		value, sent := members[p.name]
		delete(members, p.name)
		if sent {
			c.collect(p.schema, string(value), append(slices.Clone(at), key(p.name)))
		} else if s.required>>i&1 == 1 {
			c.add(s.mistake("required"), append(slices.Clone(at), key(p.name)))
		}
	}
	for _, name := range sortedNames(members) {
		inner := append(slices.Clone(at), key(name))
		if m := s.unnamed(name); m != nil {
			c.add(m, inner)
		} else if s.extra != nil {
			c.collect(s.extra, string(members[name]), inner)
		}
	}
}

// array adds the violations of an array whose first mistake is first.
func (c *collector) array(s *schema, text string, first *mistake, at []step) {
	var items []json.RawMessage
	if json.Unmarshal([]byte(text), &items) != nil {
		return // never: it was walked
	}
	switch {
	case s.size.under(len(items)):
		c.add(s.mistake("minItems"), at)
	case s.size.over(len(items)):
		c.add(s.mistake("maxItems"), at)
	case len(first.at) == 0 && first.rule == "uniqueItems":
		c.add(s.mistake("uniqueItems"), at)
	}
	for i, value := range items {
		c.collect(s.items, string(value), append(slices.Clone(at), item(i)))
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
