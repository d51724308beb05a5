package contract

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
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
	i := &invalidator{op: o, seen: map[string]bool{}, violating: map[sample][]any{}, texts: map[sample]*mistake{}}
	if json.Unmarshal(valid, &i.body) != nil {
		return nil
	}
	i.vary(o.rules.Body, i.body, func(v any) { i.body = v }, 0)
	return i.found
}

// AcceptsBody reports whether a JSON body is valid by the contract.
func (o *Operation) AcceptsBody(body []byte) bool {
	return o.TakesBody() && checkSent(o.rules.Body, string(body), o.limits.JSONDepth) == nil
}

// invalidator changes one place of a body after another. What is a violation is for the validation to say.
type invalidator struct {
	op    *Operation
	body  any
	seen  map[string]bool
	found []Invalid

	// What was found out before, since several variants of a union may have the same property, whose longest texts are long:
	// the values that violate a schema in the place of a JSON value, and what is wrong with a text.
	violating map[sample][]any
	texts     map[sample]*mistake
}

// sample is a schema with a value.
type sample struct {
	schema *rules.Schema
	value  string
}

// offer adds the body as it is, if it violates the contract as no other does.
func (i *invalidator) offer() {
	text, err := json.Marshal(i.body)
	if err != nil || len(text) > mostInvalidBody {
		return
	}
	m := checkSent(i.op.rules.Body, string(text), i.op.limits.JSONDepth)
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
func (i *invalidator) vary(s *rules.Schema, value any, put func(any), depth int) {
	if s == nil || depth > 8 {
		return
	}
	for _, other := range i.violations(s, value) {
		put(other)
		i.offer()
	}
	put(value)
	switch {
	case s.Kind == rules.Union:
		i.union(s, value, put, depth)
	case s.Kind == rules.Object:
		if object, ok := value.(map[string]any); ok {
			i.object(s, object, depth)
		}
	case s.Kind == rules.Array:
		if items, ok := value.([]any); ok {
			for at := range items {
				i.vary(s.Items, items[at], func(v any) { items[at] = v }, depth+1)
			}
		}
	}
}

// violations returns values that violate s in the place of a value, in one way each.
func (i *invalidator) violations(s *rules.Schema, value any) []any {
	text, _ := json.Marshal(value) // it was JSON before
	if known, ok := i.violating[sample{s, string(text)}]; ok {
		return known
	}
	var all []any
	tried := map[string]bool{}
	for _, other := range wrong(s, value) {
		if text, ok := other.(string); ok && tried["maxLength"] && len(text) > s.Size.Most {
			continue // the other one of a form
		}
		if m := i.check(s, other); m != nil && !tried[m.rule] {
			tried[m.rule] = len(m.at) == 0
			all = append(all, other)
		}
	}
	i.violating[sample{s, string(text)}] = all
	return all
}

// check returns how a value violates s, nil if it does not or has no JSON.
func (i *invalidator) check(s *rules.Schema, value any) *mistake {
	text, isText := value.(string)
	if m, known := i.texts[sample{s, text}]; isText && known {
		return m
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	m := checkSent(s, string(encoded), i.op.limits.JSONDepth)
	if isText {
		i.texts[sample{s, text}] = m
	}
	return m
}

// union varies the value as the variant that it is, and the examples of the other variants.
func (i *invalidator) union(s *rules.Schema, value any, put func(any), depth int) {
	is := variantOf(s, value)
	i.vary(is, value, put, depth)
	for _, v := range s.Variants {
		if example, ok := exampleOf(v); ok && v != is {
			put(example)
			i.vary(v, example, put, depth+1)
		}
	}
	put(value)
}

// variantOf returns the variant of a union that a value is, or nil.
func variantOf(s *rules.Schema, value any) *rules.Schema {
	text, _ := json.Marshal(value) // it was JSON before
	w := walker{cursor: cursor{data: string(text)}}
	if s.Discriminator != "" {
		return w.variant(s, w.kind())
	}
	return s.OfKind(w.kind())
}

func (i *invalidator) object(s *rules.Schema, object map[string]any, depth int) {
	for at, p := range s.Properties {
		value, has := object[p.Name]
		if has && s.Required>>at&1 == 1 {
			delete(object, p.Name)
			i.offer()
			object[p.Name] = value
		}
		if !has {
			var ok bool
			if value, ok = exampleOf(p.Schema); !ok {
				continue
			}
			object[p.Name] = value
		}
		i.vary(p.Schema, value, func(v any) { object[p.Name] = v }, depth+1)
		if !has {
			delete(object, p.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if s.Position(name) == len(s.Properties) && s.Extra != nil {
			i.vary(s.Extra, object[name], func(v any) { object[name] = v }, depth+1)
		}
	}
	for _, name := range []string{"x_unknown", "", strings.Repeat("x", mostInvalidValue), "\x00"} { // unknown, or a name that is not allowed
		object[name] = anyExtra(s, object)
		i.offer()
		delete(object, name)
	}
	if n := s.Size.Most; n >= 0 && n <= mostInvalidItems && len(s.Properties) == 0 {
		i.crowd(object, n+1, anyExtra(s, object))
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
func anyExtra(s *rules.Schema, object map[string]any) any {
	for name, value := range object {
		if s.Position(name) == len(s.Properties) {
			return value
		}
	}
	return "x"
}

// exampleOf returns a valid value: the schema's own example, or a simple one; ok is false if neither is known.
func exampleOf(s *rules.Schema) (value any, ok bool) {
	text := s.Example
	if text == "" {
		encoded, _ := json.Marshal(simple(s)) // values that json.Unmarshal returns, or plainer ones
		text = string(encoded)
	}
	if check(s, text, math.MaxInt) != nil {
		return nil, false
	}
	return value, json.Unmarshal([]byte(text), &value) == nil
}

// simple returns a value of the schema's kind, which may be invalid; nil for objects, unions and numbers without a minimum.
func simple(s *rules.Schema) any {
	switch s.Kind {
	case rules.String:
		if len(s.Enum) > 0 {
			return s.Enum[0]
		}
		return strings.Repeat("x", max(s.Size.Least, 1))
	case rules.Integer:
		return s.Whole.Least
	case rules.Number:
		if s.Minimum != nil {
			return s.Minimum.Value
		}
	case rules.Boolean:
		return true
	case rules.Array:
		if item, ok := exampleOf(s.Items); ok {
			return []any{item}
		}
	}
	return nil
}

// wrong returns values that may violate the keywords of s in the place of a value.
func wrong(s *rules.Schema, value any) []any {
	all := []any{json.Number("7"), "x", true, []any{}, map[string]any{}, nil}
	switch s.Kind {
	case rules.String:
		text, _ := value.(string)
		for _, other := range wrongTexts(s, text) {
			all = append(all, other)
		}
	case rules.Integer:
		all = append(all, json.Number("0.5"))
		for _, n := range wrongWholes(s) {
			all = append(all, json.Number(n))
		}
	case rules.Number:
		if s.Minimum != nil {
			all = append(all, s.Minimum.Value-1)
		}
		if s.Maximum != nil {
			all = append(all, s.Maximum.Value+1)
		}
	case rules.Array:
		items, _ := value.([]any)
		if len(items) > 0 && s.Size.Most >= 0 && s.Size.Most <= mostInvalidItems {
			all = append(all, slices.Repeat(items[:1], s.Size.Most+1), append(slices.Clone(items), items[0]))
		}
		if len(items) > 0 {
			all = append(all, append(slices.Clone(items), json.Number("7"))) // a valid item and an invalid one
		}
	}
	return all
}

// wrongTexts returns texts that may violate the keywords of a string.
func wrongTexts(s *rules.Schema, text string) []string {
	all := []string{"", "x-unknown", "yesterday", " ", "-", text + "!", text + " ", "/" + text, "7", "\x00", text + "\x00"}
	if most := s.Size.Most; most >= 0 && most < mostInvalidBody {
		all = append(all, strings.Repeat("x", most+1))
		if text != "" && (s.Pattern != nil || s.Format != "" || s.Enum != nil) { // or the text above is as good
			all = append(all, text+strings.Repeat(text[len(text)-1:], max(0, most+1-len(text)))) // of the same form
		}
	}
	return all
}

// wrongWholes returns the integers next to the bounds, outside of them.
func wrongWholes(s *rules.Schema) []string {
	var all []string
	if b := s.Whole; b.Under != "format" || s.Format == "int32" {
		all = append(all, strconv.FormatInt(b.Least-1, 10))
	}
	if b := s.Whole; b.Over != "format" || s.Format == "int32" {
		all = append(all, strconv.FormatInt(b.Most+1, 10))
	}
	return all
}

// InvalidParameters returns values of the operation's parameters that violate the contract in one way each.
func (o *Operation) InvalidParameters() []Invalid {
	var all []Invalid
	for at := range o.rules.Parameters {
		p := parameter{o.rules.Parameters[at]}
		seen := map[string]bool{}
		for _, values := range p.wrong() {
			m := p.check(values)
			if m == nil || m.rule == ruleSyntax || seen[m.rule] || !p.sendable(values) {
				continue
			}
			seen[m.rule] = true
			all = append(all, Invalid{Param: p.Name, Rule: m.rule, In: p.In, Values: values})
		}
	}
	return all
}

// wrong returns values that may violate the keywords of a parameter.
func (p parameter) wrong() [][]string {
	one, valid := p.Schema, p.Example
	if one.Kind == rules.Array {
		one = one.Items
	}
	texts := wrongTexts(one, valid)
	if one.Kind == rules.Integer {
		texts = append([]string{"1.5"}, append(wrongWholes(one), texts...)...)
	}
	var all [][]string
	for _, text := range texts {
		all = append(all, []string{text})
	}
	if p.In == rules.InQuery {
		all = append(all, []string{valid, valid})
		if n := p.Schema.Size.Most; p.Schema.Kind == rules.Array && n >= 0 && n <= mostInvalidItems {
			all = append(all, slices.Repeat([]string{valid}, n+1))
		}
	}
	return all
}

// sendable reports whether the values can be in a request at their place, and are not too long for a request's head.
func (p parameter) sendable(values []string) bool {
	length := 0
	for _, value := range values {
		length += len(value)
		outside := func(r rune) bool { return r < ' ' || r > '~' }
		switch p.In {
		case rules.InHeader:
			if strings.ContainsFunc(value, outside) || strings.TrimSpace(value) != value || value == "" {
				return false
			}
		case rules.InPath:
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
	for at := range o.rules.Parameters {
		if p := o.rules.Parameters[at]; p.In == in {
			names = append(names, p.Name)
		}
	}
	return names
}

// Body returns the schema of the JSON body of requests; nil for an operation without one.
func (o *Operation) Body() *Schema { return o.schemaOf(o.rules.Body, "request body") }

// Success returns the schema of the JSON body of the first status of 2xx; nil when it has none.
func (o *Operation) Success() *Schema {
	for _, status := range o.Statuses {
		if status/100 == 2 {
			return o.schemaOf(o.rules.Response(status).Body(jsonType), http.StatusText(status))
		}
	}
	return nil
}

func (o *Operation) schemaOf(root *rules.Schema, place string) *Schema {
	if root == nil {
		return nil
	}
	return &Schema{place: o.ID + " " + place, root: root, maxDepth: o.limits.JSONDepth}
}

// Declares reports whether an object has a property of that name, in a union any of its variants.
func (s *Schema) Declares(name string) bool { return declares(s.root, name) }

func declares(s *rules.Schema, name string) bool {
	if s.HasName(s.Position(name)) {
		return true
	}
	for _, v := range s.Variants {
		if declares(v, name) {
			return true
		}
	}
	return false
}

// Values returns the values that a parameter of strings may have, each alone where it is an array; nil when it has no enum.
func (s *Schema) Values() []string {
	if s.root.Kind == rules.Array {
		return slices.Clone(s.root.Items.Enum)
	}
	return slices.Clone(s.root.Enum)
}

// Accepts reports whether a value of a parameter is valid, alone where the parameter is an array.
func (s *Schema) Accepts(value string) bool {
	one := s.root
	if one.Kind == rules.Array {
		one = one.Items
	}
	return brokenParameter(one, value) == ""
}
