package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// service is a collection of the contract's paths, and a type of package client with a method for each operation.
type service struct {
	Field  string // of the client or of its parent: "Resources"
	Name   string // from the client: "Sessions.Resources"
	Noun   string // what it is about: "SessionResource"
	Parent *service

	Children []*service
	Methods  []*method
	Aliases  []*operation // they only repeat another operation: PUTs that repeat a POST, and other paths
}

// Type is the Go type.
func (s *service) Type() string { return s.Noun + "Service" }

// Nouns is what it is about, in words: "session resources".
func (s *service) Nouns() string { return plural(words(s.Noun)) }

// Holder is the expression in links of the documentation: "SessionService.Resources".
func (s *service) Holder() string {
	if s.Parent == nil {
		return "Client." + s.Field
	}
	return s.Parent.Type() + "." + s.Field
}

// Plain lists the methods that are generated.
func (s *service) Plain() (plain []*method) {
	for _, m := range s.Methods {
		if !m.Handwritten {
			plain = append(plain, m)
		}
	}
	return plain
}

// method is an operation as a method of a service.
type method struct {
	*operation
	Service *service
	Name    string
	All     string // of the method that yields all pages' records; "" for none
	Result  string // the Go type of the result, or of a page's records
	IDs     []argument
	Request string   // the Go type of the body; "" for none
	Params  string   // the Go type of the query parameters; "" for none
	Lists   []string // the Go fields of Params that are lists
	Times   []string // the Go fields of Params that are times
}

// argument is a path parameter.
type argument struct{ Wire, Go, Type, Example string }

// Op is the method's name in errors.
func (m *method) Op() string { return m.Service.Name + "." + m.Name }

// Link is the method's name in links of the documentation.
func (m *method) Link() string { return m.Service.Type() + "." + m.Name }

// Call is the name of the operation in Go, as oapi-codegen has it.
func (m *method) Call() string { return exported(m.ID) }

// Query reports whether a copy of Params has to be made to fit the contract.
func (m *method) Query() bool { return len(m.Lists)+len(m.Times) > 0 }

// has reports whether the operation has a query parameter of a name.
func (m *method) has(name string) bool {
	return slices.ContainsFunc(m.in("query"), func(p *parameter) bool { return p.Name == name })
}

// Keyed reports whether the request of the operation may have an idempotency key, which the client sets by itself.
func (m *method) Keyed() bool { return len(m.in("header")) > 0 }

// Aliased reports whether the cursors of a list have their second names, after and before, as well.
func (m *method) Aliased() bool {
	return slices.ContainsFunc(m.in("query"), isCursorAlias)
}

// isCursorAlias reports whether a parameter is the second name of a cursor. It has no flag.
func isCursorAlias(p *parameter) bool { return p.Name == "after" || p.Name == "before" }

// collection is the static segments of a path up to the operation's verb, and the verb: "/sessions/{session_id}/archive"
// of archiveSession is "sessions" and "archive". A segment may say more than the verb, such as "mcp_oauth_validate".
func (o *operation) collection() (segments []string, verb, noun string) {
	split := strings.IndexFunc(o.ID, unicode.IsUpper)
	verb, noun = o.ID[:split], o.ID[split:]
	for _, segment := range strings.Split(strings.Trim(o.Path, "/"), "/") {
		if !isVerb(segment, verb) && !strings.HasPrefix(segment, "{") {
			segments = append(segments, segment)
		}
	}
	return segments, verb, noun
}

// isVerb reports whether a segment of a path is an operation's verb, or ends in it after an underscore.
func isVerb(segment, verb string) bool {
	return segment == verb || strings.HasSuffix(segment, "_"+verb)
}

// collectServices groups the operations. A collection within another one that has a single operation is not a service: it is
// listed by a method of its parent, such as Agents.ListVersions. An operation that only repeats another one, as a PUT does
// a POST, has no method.
func (d *document) collectServices() {
	operations := map[string]int{}
	for _, op := range d.operations {
		segments, _, _ := op.collection()
		operations[strings.Join(segments, "/")]++
	}
	known := map[string]*service{}
	byID := map[string]*service{}
	for _, op := range d.operations {
		if op.Alias != "" {
			byID[op.Alias].Aliases = append(byID[op.Alias].Aliases, op)
			continue
		}
		segments, verb, noun := op.collection()
		suffix := ""
		if last := len(segments) - 1; last > 0 && operations[strings.Join(segments, "/")] == 1 {
			suffix, segments = camel(segments[last]), segments[:last]
		}
		path := strings.Join(segments, "/")
		if known[path] == nil {
			known[path] = &service{Noun: singular(noun)}
			known[path].place(segments, known[strings.Join(segments[:len(segments)-1], "/")], &d.services)
		}
		if verb == "put" {
			known[path].Aliases = append(known[path].Aliases, op)
			continue
		}
		byID[op.ID] = known[path]
		known[path].Methods = append(known[path].Methods, d.method(op, known[path], exported(verb)+suffix, suffix))
	}
}

// place gives a service its place among the others.
func (s *service) place(segments []string, parent *service, roots *[]*service) {
	s.Field, s.Parent = camel(segments[len(segments)-1]), parent
	s.Name = s.Field
	if parent == nil {
		*roots = append(*roots, s)
		return
	}
	s.Name = parent.Name + "." + s.Field
	parent.Children = append(parent.Children, s)
}

// method makes the method of an operation.
func (d *document) method(op *operation, s *service, name, suffix string) *method {
	m := &method{operation: op, Service: s, Name: name}
	for _, p := range op.in("path") {
		m.IDs = append(m.IDs, argument{p.Name, unexported(camel(p.Name)), d.schema(p.Schema).Name, fmt.Sprint(p.Example)})
	}
	if body := op.body(); body != nil {
		m.Request = d.schema(body).Name
	}
	if query := op.in("query"); len(query) > 0 {
		m.Params = m.Call() + "Params"
		for _, p := range query {
			switch s := d.schema(p.Schema); {
			case s.Type == "array":
				m.Lists = append(m.Lists, p.field())
			case s.Format == "date-time":
				m.Times = append(m.Times, p.field())
			}
		}
	}
	result := d.schema(op.result())
	m.Result = result.Name
	if d.isPage(result) {
		m.Result = d.schema(d.schema(result.Properties.values["data"]).Items).Name
		m.All = "All" + suffix
	}
	return m
}

// isPage reports whether a schema is a page of a list.
func (d *document) isPage(s *schema) bool { return slices.Contains(s.Properties.names, "next_page") }

// field is the Go name of a parameter.
func (p *parameter) field() string {
	if p.GoName != "" {
		return p.GoName
	}
	return camel(p.Name)
}

// all lists services with those that they hold, each after its parent.
func all(services []*service) (flat []*service) {
	for _, s := range services {
		flat = append(flat, s)
		flat = append(flat, all(s.Children)...)
	}
	return flat
}
