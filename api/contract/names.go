package contract

import (
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// passwordFormat marks strings that are secrets.
const passwordFormat = "password"

// Secrets returns the names of the properties that hold a secret (format password) somewhere in the document, sorted.
func (c *Contract) Secrets() []string {
	names := map[string]bool{}
	for o := range c.Operations() {
		for _, name := range o.Secrets() {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Secrets returns the names of the properties that hold a secret (format password) in requests or responses of the
// operation, sorted.
func (o *Operation) Secrets() []string {
	return o.propertyNames(func(s *schema) bool { return s.kind == stringKind && s.doc.Format == passwordFormat })
}

// Maps returns the names of the properties of the operation's requests and responses that are objects whose names callers
// choose, such as metadata, sorted.
func (o *Operation) Maps() []string {
	return o.propertyNames(func(s *schema) bool { return s.kind == objectKind && len(s.properties) == 0 })
}

// QueryParameters returns the names of the operation's parameters in the query, in the document's order.
func (o *Operation) QueryParameters() []string {
	var names []string
	for i := range o.parameters {
		if p := &o.parameters[i]; p.in == openapi3.ParameterInQuery {
			names = append(names, p.name)
		}
	}
	return names
}

// propertyNames returns the names of the properties in the operation's requests and responses whose schema is chosen, sorted.
func (o *Operation) propertyNames(chosen func(*schema) bool) []string {
	names, seen := map[string]bool{}, map[*schema]bool{}
	var visit func(s *schema)
	visit = func(s *schema) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		for _, p := range s.properties {
			if p.schema != nil && chosen(p.schema) {
				names[p.name] = true
			}
			visit(p.schema)
		}
		visit(s.items)
		visit(s.extra)
		for _, variant := range s.byValue {
			visit(variant)
		}
		for _, variant := range s.byKind {
			visit(variant)
		}
	}
	visit(o.body)
	visit(o.form)
	for _, r := range o.responses {
		for _, s := range r.content {
			visit(s)
		}
	}
	return slices.Sorted(maps.Keys(names))
}
