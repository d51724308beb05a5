package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// plan is a conformance run: its steps, each after what it needs, and the contract's examples of path parameters.
type plan struct {
	Steps []step
	IDs   []argument
}

// step is an operation with what is sent to it.
type step struct {
	*operation
	Needs   []string // path parameters: ids that the body must have
	Holds   string   // a path parameter: ids that the response has
	Bodies  []string // the examples of the body, as JSON
	Queries []query
}

// query is a query parameter with its example.
type query struct {
	Name   string
	Values []string
}

// plan orders the operations: what makes something before what uses it, and in the end, in the opposite order, what
// archives and deletes it.
func (d *document) plan() (p plan) {
	seen := map[*service]bool{}
	var ends [][]step
	var consequences []*service // whose records the server makes when others change
	var visit func(s *service)
	visit = func(s *service) {
		if seen[s] {
			return
		}
		seen[s] = true
		var steps []step
		for _, op := range s.operations() {
			steps = append(steps, d.step(op))
			for _, name := range steps[len(steps)-1].Needs {
				visit(d.holder(name))
			}
		}
		of := func(from, to int) (part []step) {
			for _, step := range steps {
				if r := step.rank(); from <= r && r <= to {
					part = append(part, step)
				}
			}
			return part
		}
		if s.creates() {
			p.Steps = append(p.Steps, of(creates, reads)...)
		} else { // its records are known once they have been read
			p.Steps = append(append(p.Steps, of(lists, reads)...), of(updates, updates)...)
		}
		for _, child := range s.Children {
			if child.creates() {
				visit(child)
			} else {
				consequences = append(consequences, child)
			}
		}
		p.Steps = append(p.Steps, of(acts, acts)...)
		if s.Parent != nil {
			p.Steps = append(p.Steps, of(archives, deletes)...)
			return
		}
		ends = append(ends, of(archives, deletes))
	}
	roots := slices.Clone(d.services)
	slices.SortStableFunc(roots, func(a, b *service) int { // what is only read comes first
		return -cmp.Compare(a.operations()[0].rank(), b.operations()[0].rank())
	})
	for _, s := range roots {
		visit(s)
	}
	for _, s := range consequences {
		visit(s)
	}
	for _, steps := range slices.Backward(ends) {
		p.Steps = append(p.Steps, steps...)
	}
	for _, parameter := range d.Components.Parameters.all {
		if parameter.In == "path" {
			p.IDs = append(p.IDs, argument{Wire: parameter.Name, Example: fmt.Sprint(parameter.Example)})
		}
	}
	return p
}

// What operations do, in the order in which those of a service are tried.
const (
	creates = iota
	updates
	lists
	reads
	acts
	archives
	deletes
)

// creates reports whether an operation of a service creates its records.
func (s *service) creates() bool {
	return slices.ContainsFunc(s.operations(), func(op *operation) bool { return op.rank() == creates })
}

// rank is what an operation does.
func (op *operation) rank() int {
	_, verb, _ := op.collection()
	item := strings.HasSuffix(op.Path, "}")
	switch {
	case op.Method == "DELETE":
		return deletes
	case verb == "archive":
		return archives
	case op.Method == "GET" && item:
		return reads
	case op.Method == "GET":
		return lists
	case isVerb(path.Base(op.Path), verb):
		return acts
	case item:
		return updates
	}
	return creates
}

// operations are those of a service in the order in which they are tried.
func (s *service) operations() []*operation {
	var all []*operation
	for _, m := range s.Methods {
		all = append(all, m.operation)
	}
	all = append(all, s.Aliases...)
	slices.SortStableFunc(all, func(a, b *operation) int { return cmp.Compare(a.rank(), b.rank()) })
	return all
}

// step returns the step of an operation.
func (d *document) step(op *operation) step {
	s := step{operation: op, Holds: d.holds(op)}
	if media := op.RequestBody.Content.values["application/json"]; media.Schema != nil {
		s.Needs = d.needs(d.schema(media.Schema), media)
		for _, name := range slices.Sorted(maps.Keys(media.Examples.values)) {
			body, err := json.Marshal(media.Examples.values[name].Value)
			if err != nil {
				panic(err) // never: it was read from YAML with texts for keys
			}
			s.Bodies = append(s.Bodies, string(body))
		}
		for _, p := range d.Components.Parameters.all {
			named := p.In == "path" && slices.ContainsFunc(s.Bodies, func(body string) bool { return strings.Contains(body, fmt.Sprint(p.Example)) })
			if named && d.creates(p.Name) && !slices.Contains(s.Needs, p.Name) {
				s.Needs = append(s.Needs, p.Name)
			}
		}
	}
	for _, p := range op.in("query") {
		values, many := p.Example.([]any)
		if !many {
			values = []any{p.Example}
		}
		q := query{Name: p.Name}
		for _, v := range values {
			q.Values = append(q.Values, fmt.Sprint(v))
		}
		s.Queries = append(s.Queries, q)
	}
	return s
}

// creates reports whether an operation creates what a path parameter names.
func (d *document) creates(name string) bool {
	return slices.ContainsFunc(d.operations, func(op *operation) bool {
		return op.rank() == creates && op.Method == "POST" && d.holds(op) == name
	})
}

// needs lists the path parameters whose ids a body must have or, if it need not have anything, has in its examples.
func (d *document) needs(body *schema, media media) (names []string) {
	fields := body.Required
	if len(fields) == 0 {
		fields = slices.DeleteFunc(slices.Clone(body.Properties.names), func(field string) bool { return !media.shows(field) })
	}
	for _, field := range fields {
		schemas := d.forms(body.Properties.values[field])
		for _, p := range d.Components.Parameters.all {
			if p.In == "path" && schemas[d.schema(p.Schema)] {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

// shows reports whether an example has a field.
func (m media) shows(field string) bool {
	for _, example := range m.Examples.values {
		if object, ok := example.Value.(map[string]any); ok && object[field] != nil {
			return true
		}
	}
	return false
}

// forms returns a schema and the forms of it, if it has several.
func (d *document) forms(s *schema) map[*schema]bool {
	all := map[*schema]bool{d.schema(s): true}
	for _, form := range d.schema(s).OneOf {
		all[d.schema(form)] = true
	}
	return all
}

// holds returns the path parameter that follows an operation's path, such as agent_id for /agents; "" for none.
func (d *document) holds(op *operation) string {
	for _, other := range d.operations {
		if name, ok := strings.CutPrefix(other.Path, op.Path+"/{"); ok && strings.HasSuffix(name, "}") && !strings.Contains(name, "/") {
			return strings.TrimSuffix(name, "}")
		}
	}
	return ""
}

// holder returns the service whose records a path parameter names.
func (d *document) holder(name string) *service {
	for _, m := range d.methods() {
		if strings.HasSuffix(m.Path, "/{"+name+"}") {
			return m.Service
		}
	}
	panic("no operation's path ends in {" + name + "}")
}
