package contract

import (
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// RequestHeaders returns the names of the headers that some operation has as parameters, sorted. Authorization and
// Content-Type are not among them: OpenAPI describes these elsewhere.
func (c *Contract) RequestHeaders() []string {
	names := map[string]bool{}
	for op := range c.Operations() {
		for _, p := range op.parameters {
			if p.in == openapi3.ParameterInHeader {
				names[p.name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// ResponseHeaders returns the names of the headers that some response declares, sorted.
func (c *Contract) ResponseHeaders() []string {
	names := map[string]bool{}
	for op := range c.Operations() {
		for _, r := range op.responses {
			for _, h := range r.headers {
				names[h.key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// DeclaresHeader reports whether the response of a status has a header of that name.
func (o *Operation) DeclaresHeader(status int, name string) bool {
	r := o.responses[status]
	return r != nil && slices.ContainsFunc(r.headers, func(h header) bool { return h.name == name })
}
