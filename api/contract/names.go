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

// SecretsByOperation returns the names of the properties that hold a secret by operationId. The names for "", which stands for
// requests outside of the contract, are those of all operations.
func (c *Contract) SecretsByOperation() map[string][]string {
	names := map[string][]string{"": c.Secrets()}
	for o := range c.Operations() {
		names[o.ID] = o.Secrets()
	}
	return names
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
	roots := []*schema{o.body, o.form}
	for _, r := range o.responses {
		roots = append(roots, slices.Collect(maps.Values(r.content))...)
	}
	names := map[string]bool{}
	eachProperty(roots, func(p *property) {
		if p.schema != nil && chosen(p.schema) {
			names[p.name] = true
		}
	})
	return slices.Sorted(maps.Keys(names))
}

// Mentions returns the names of all properties in a schema, at any depth.
func (s *Schema) Mentions() map[string]bool {
	names := map[string]bool{}
	eachProperty([]*schema{s.root}, func(p *property) { names[p.name] = true })
	return names
}

// eachProperty visits the properties in schemas, at any depth, those of each schema once. Schemas may be nil.
func eachProperty(roots []*schema, visit func(*property)) {
	seen := map[*schema]bool{}
	var walk func(s *schema)
	walk = func(s *schema) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		for i := range s.properties {
			visit(&s.properties[i])
			walk(s.properties[i].schema)
		}
		walk(s.items)
		walk(s.extra)
		for _, variant := range s.variants() {
			walk(variant)
		}
	}
	for _, s := range roots {
		walk(s)
	}
}
