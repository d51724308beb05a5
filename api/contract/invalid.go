package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Invalid is a part of a request that violates the contract in one way.
type Invalid struct {
	// Param is the part, as the error of a server names it.
	Param string
	// Rule is the violated keyword.
	Rule string
	// Body is the complete body, for a violation in the body.
	Body []byte
	// In is where a parameter is, path, query or header, and Values are its values, for a violation in a parameter.
	In     string
	Values []string
}

// The bounds of what is made up: of a body, a parameter and the items of an array.
const (
	mostInvalidBody  = 1 << 20
	mostInvalidValue = 4 << 10
	mostInvalidItems = 2000
)

// InvalidBodies returns variations of a valid JSON body that violate the contract in one way each: every keyword of every
// property that the body has or the schema has an example for, each once. It leaves out bodies of more than 1 MiB. It returns
// nil for an operation without a body of JSON.
func (o *Operation) InvalidBodies(valid []byte) []Invalid {
	if !o.TakesBody() {
		return nil
	}
	i := &invalidator{op: o, seen: map[string]bool{}}
	if json.Unmarshal(valid, &i.body) != nil {
		return nil
	}
	i.vary(o.body, i.body, func(v any) { i.body = v }, 0)
	return i.found
}

// AcceptsBody reports whether a JSON body is valid by the contract.
func (o *Operation) AcceptsBody(body []byte) bool {
	return o.TakesBody() && checkSent(o.body, string(body), o.limits.jsonDepth) == nil
}

// invalidator changes one place of a body after another. What is a violation is for the validation to say.
type invalidator struct {
	op    *Operation
	body  any
	seen  map[string]bool
	found []Invalid
}

// offer adds the body as it is, if it violates the contract as no other does.
func (i *invalidator) offer() {
	text, err := json.Marshal(i.body)
	if err != nil || len(text) > mostInvalidBody {
		return
	}
	m := checkSent(i.op.body, string(text), i.op.limits.jsonDepth)
	if m == nil || m.grave() {
		return
	}
	id := m.rule + " " + Generic(m.at.pointer())
	if !i.seen[id] {
		i.seen[id] = true
		i.found = append(i.found, Invalid{Param: m.requestError().Param, Rule: m.rule, Body: text})
	}
}

// vary varies the value at a place, which put sets, and what is in it. It leaves the value in place.
func (i *invalidator) vary(s *schema, value any, put func(any), depth int) {
	if s == nil || depth > 8 {
		return
	}
	tried := map[string]bool{}
	for _, other := range s.wrong(value) {
		text, err := json.Marshal(other)
		if err != nil {
			continue
		}
		if m := checkSent(s, string(text), i.op.limits.jsonDepth); m != nil && !tried[m.rule] {
			tried[m.rule] = len(m.at) == 0
			put(other)
			i.offer()
		}
	}
	put(value)
	switch {
	case s.kind == unionKind:
		i.union(s, value, put, depth)
	case s.kind == objectKind:
		if object, ok := value.(map[string]any); ok {
			i.object(s, object, depth)
		}
	case s.kind == arrayKind:
		if items, ok := value.([]any); ok {
			for at := range items {
				i.vary(s.items, items[at], func(v any) { items[at] = v }, depth+1)
			}
		}
	}
}

// union varies the value as the variant that it is, and the examples of the other variants.
func (i *invalidator) union(s *schema, value any, put func(any), depth int) {
	is := s.variantOf(value)
	i.vary(is, value, put, depth)
	variants := slices.Collect(maps.Values(s.byValue))
	for _, v := range s.byKind {
		if s.discriminator == "" && v != nil {
			variants = append(variants, v)
		}
	}
	slices.SortFunc(variants, func(a, b *schema) int { return strings.Compare(a.doc.Description, b.doc.Description) })
	for _, v := range variants {
		if example, ok := v.example(); ok && v != is {
			put(example)
			i.vary(v, example, put, depth+1)
		}
	}
	put(value)
}

// variantOf returns the variant of a union that a value is, or nil.
func (s *schema) variantOf(value any) *schema {
	text, _ := json.Marshal(value) // it was JSON before
	w := walker{cursor: cursor{data: string(text)}}
	if s.discriminator != "" {
		return w.variant(s, w.kind())
	}
	return s.byKind[w.kind()]
}

func (i *invalidator) object(s *schema, object map[string]any, depth int) {
	for at, p := range s.properties {
		value, has := object[p.name]
		if has && s.required>>at&1 == 1 {
			delete(object, p.name)
			i.offer()
			object[p.name] = value
		}
		if !has {
			var ok bool
			if value, ok = p.schema.example(); !ok {
				continue
			}
			object[p.name] = value
		}
		i.vary(p.schema, value, func(v any) { object[p.name] = v }, depth+1)
		if !has {
			delete(object, p.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if s.position(name) == len(s.properties) && s.extra != nil {
			i.vary(s.extra, object[name], func(v any) { object[name] = v }, depth+1)
		}
	}
	for _, name := range []string{"x_unknown", "", strings.Repeat("x", mostInvalidValue), "\x00"} { // unknown, or a name that is not allowed
		object[name] = s.anyExtra(object)
		i.offer()
		delete(object, name)
	}
	if n := s.size.most; n >= 0 && n <= mostInvalidItems && len(s.properties) == 0 {
		i.crowd(object, n+1, s.anyExtra(object))
	}
}

// crowd offers an object with as many members.
func (i *invalidator) crowd(object map[string]any, n int, value any) {
	var added []string
	for at := 0; len(object) < n; at++ {
		if name := "k" + strconv.Itoa(at); object[name] == nil {
			object[name], added = value, append(added, name)
		}
	}
	i.offer()
	for _, name := range added {
		delete(object, name)
	}
}

// anyExtra returns a value for a member that the schema does not name.
func (s *schema) anyExtra(object map[string]any) any {
	for name, value := range object {
		if s.position(name) == len(s.properties) {
			return value
		}
	}
	return "x"
}

// example returns a valid value: the schema's own example, or a simple one; ok is false if neither is known.
func (s *schema) example() (value any, ok bool) {
	doc := s.doc.Example
	if doc == nil {
		doc = s.simple()
	}
	text, err := json.Marshal(doc)
	if err != nil || check(s, string(text), math.MaxInt) != nil {
		return nil, false
	}
	return value, json.Unmarshal(text, &value) == nil
}

// simple returns a value of the schema's kind, which may be invalid; nil for objects and unions.
func (s *schema) simple() any {
	switch s.kind {
	case stringKind:
		if len(s.text.enum) > 0 {
			return s.text.enum[0]
		}
		return strings.Repeat("x", max(s.size.least, 1))
	case integerKind:
		return s.whole.least
	case numberKind:
		return s.float.least
	case booleanKind:
		return true
	case arrayKind:
		if item, ok := s.items.example(); ok {
			return []any{item}
		}
	}
	return nil
}

// wrong returns values that may violate the keywords of s in the place of a value.
func (s *schema) wrong(value any) []any {
	all := []any{json.Number("7"), "x", true, []any{}, map[string]any{}, nil}
	switch s.kind {
	case stringKind:
		text, _ := value.(string)
		for _, other := range s.wrongTexts(text) {
			all = append(all, other)
		}
	case integerKind:
		all = append(all, json.Number("0.5"))
		for _, n := range s.wrongWholes() {
			all = append(all, json.Number(n))
		}
	case numberKind:
		all = append(all, s.float.least-1, s.float.most+1) // infinite ones are not JSON, and left out
	case arrayKind:
		items, _ := value.([]any)
		if len(items) > 0 && s.size.most >= 0 && s.size.most <= mostInvalidItems {
			all = append(all, slices.Repeat(items[:1], s.size.most+1), append(slices.Clone(items), items[0]))
		}
		if len(items) > 0 {
			all = append(all, append(slices.Clone(items), json.Number("7"))) // a valid item and an invalid one
		}
	}
	return all
}

// wrongTexts returns texts that may violate the keywords of a string.
func (s *schema) wrongTexts(text string) []string {
	all := []string{"", "x-unknown", "yesterday", " ", "-", text + "!", text + " ", "/" + text, "7", "\x00", text + "\x00"}
	if most := s.size.most; most >= 0 && most < mostInvalidBody {
		all = append(all, strings.Repeat("x", most+1))
		if text != "" {
			all = append(all, text+strings.Repeat(text[len(text)-1:], max(0, most+1-len(text)))) // of the same form
		}
	}
	return all
}

// wrongWholes returns the integers next to the bounds, outside of them.
func (s *schema) wrongWholes() []string {
	var all []string
	if b := s.whole; b.under != "format" || s.doc.Format == "int32" {
		all = append(all, strconv.FormatInt(b.least-1, 10))
	}
	if b := s.whole; b.over != "format" || s.doc.Format == "int32" {
		all = append(all, strconv.FormatInt(b.most+1, 10))
	}
	return all
}

// InvalidParameters returns values of the operation's parameters that violate the contract in one way each.
func (o *Operation) InvalidParameters() []Invalid {
	var all []Invalid
	for at := range o.parameters {
		p := &o.parameters[at]
		seen := map[string]bool{}
		for _, values := range p.wrong() {
			m := p.check(values)
			if m == nil || m.rule == ruleSyntax || seen[m.rule] || !p.sendable(values) {
				continue
			}
			seen[m.rule] = true
			all = append(all, Invalid{Param: p.doc.Name, Rule: m.rule, In: p.in, Values: values})
		}
	}
	return all
}

// wrong returns values that may violate the keywords of a parameter.
func (p *parameter) wrong() [][]string {
	one, valid := p.schema, fmt.Sprint(p.doc.Example)
	if one.kind == arrayKind {
		one = one.items
		if items, ok := p.doc.Example.([]any); ok && len(items) > 0 {
			valid = fmt.Sprint(items[0])
		}
	}
	texts := one.wrongTexts(valid)
	if one.kind == integerKind {
		texts = append([]string{"1.5"}, append(one.wrongWholes(), texts...)...)
	}
	var all [][]string
	for _, text := range texts {
		all = append(all, []string{text})
	}
	if p.in == openapi3.ParameterInQuery {
		all = append(all, []string{valid, valid})
		if n := p.schema.size.most; p.schema.kind == arrayKind && n >= 0 && n <= mostInvalidItems {
			all = append(all, slices.Repeat([]string{valid}, n+1))
		}
	}
	return all
}

// sendable reports whether the values can be in a request at their place, and are not too long for a request's head.
func (p *parameter) sendable(values []string) bool {
	length := 0
	for _, value := range values {
		length += len(value)
		outside := func(r rune) bool { return r < ' ' || r > '~' }
		switch p.in {
		case openapi3.ParameterInHeader:
			if strings.ContainsFunc(value, outside) || strings.TrimSpace(value) != value || value == "" {
				return false
			}
		case openapi3.ParameterInPath:
			if value == "" || strings.ContainsFunc(value, outside) || strings.Contains(value, "/") || value == "." || value == ".." {
				return false
			}
		}
	}
	return length <= mostInvalidValue
}

// Parameters returns the names of the parameters at a place, path, query or header, in the document's order.
func (o *Operation) Parameters(in string) []string {
	var names []string
	for at := range o.parameters {
		if p := &o.parameters[at]; p.in == in {
			names = append(names, p.doc.Name)
		}
	}
	return names
}

// Body returns the schema of the JSON body of requests; nil for an operation without one.
func (o *Operation) Body() *Schema { return o.schemaOf(o.body, "request body") }

// Success returns the schema of the JSON body of the first status of 2xx; nil when it has none.
func (o *Operation) Success() *Schema {
	for _, status := range o.Statuses {
		if status/100 == 2 {
			return o.schemaOf(o.responses[status].content[jsonType], http.StatusText(status))
		}
	}
	return nil
}

func (o *Operation) schemaOf(root *schema, place string) *Schema {
	if root == nil {
		return nil
	}
	return &Schema{place: o.ID + " " + place, root: root, maxDepth: o.limits.jsonDepth}
}

// Declares reports whether an object has a property of that name, in a union any of its variants.
func (s *Schema) Declares(name string) bool { return s.root.declares(name) }

func (s *schema) declares(name string) bool {
	if s.names(s.position(name)) {
		return true
	}
	for _, v := range s.variants() {
		if v.declares(name) {
			return true
		}
	}
	return false
}

// variants returns the variants of a union.
func (s *schema) variants() []*schema {
	all := slices.Collect(maps.Values(s.byValue))
	for _, v := range s.byKind {
		if v != nil {
			all = append(all, v)
		}
	}
	return all
}

// Values returns the values that a parameter of strings may have, each alone where it is an array; nil when it has no enum.
func (s *Schema) Values() []string {
	if s.root.kind == arrayKind {
		return slices.Clone(s.root.items.text.enum)
	}
	return slices.Clone(s.root.text.enum)
}

// Accepts reports whether a value of a parameter is valid, alone where the parameter is an array.
func (s *Schema) Accepts(value string) bool {
	one := s.root
	if one.kind == arrayKind {
		one = one.items
	}
	return one.brokenParameter(value) == ""
}
