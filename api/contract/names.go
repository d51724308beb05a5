package contract

import (
	"maps"
	"slices"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

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
	return o.propertyNames(func(s *rules.Schema) bool { return s.Kind == rules.String && s.Format == rules.Password })
}

// Maps returns the names of the properties of the operation's requests and responses that are objects whose names callers
// choose, such as metadata, sorted.
func (o *Operation) Maps() []string {
	return o.propertyNames(func(s *rules.Schema) bool { return s.Kind == rules.Object && len(s.Properties) == 0 })
}

// QueryParameters returns the names of the operation's parameters in the query, in the document's order.
func (o *Operation) QueryParameters() []string {
	var names []string
	for i := range o.rules.Parameters {
		if p := o.rules.Parameters[i]; p.In == rules.InQuery {
			names = append(names, p.Key)
		}
	}
	return names
}

// propertyNames returns the names of the properties in the operation's requests and responses whose schema is chosen, sorted.
func (o *Operation) propertyNames(chosen func(*rules.Schema) bool) []string {
	roots := []*rules.Schema{o.rules.Body, o.rules.Form}
	for _, r := range o.rules.Responses {
		for _, body := range r.Bodies {
			roots = append(roots, body.Schema)
		}
	}
	names := map[string]bool{}
	eachProperty(roots, func(p *rules.Property) {
		if p.Schema != nil && chosen(p.Schema) {
			names[p.Name] = true
		}
	})
	return slices.Sorted(maps.Keys(names))
}

// Mentions returns the names of all properties in a schema, at any depth.
func (s *Schema) Mentions() map[string]bool {
	names := map[string]bool{}
	eachProperty([]*rules.Schema{s.root}, func(p *rules.Property) { names[p.Name] = true })
	return names
}

// eachProperty visits the properties in schemas, at any depth, those of each schema once. Schemas may be nil.
func eachProperty(roots []*rules.Schema, visit func(*rules.Property)) {
	seen := map[*rules.Schema]bool{}
	var walk func(s *rules.Schema)
	walk = func(s *rules.Schema) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		for i := range s.Properties {
			visit(&s.Properties[i])
			walk(s.Properties[i].Schema)
		}
		walk(s.Items)
		walk(s.Extra)
		for _, variant := range s.Variants {
			walk(variant)
		}
	}
	for _, s := range roots {
		walk(s)
	}
}
