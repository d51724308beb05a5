package contract

import (
	"maps"
	"slices"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// RequestHeaders returns the names of the headers that some operation has as parameters, sorted. Authorization and
// Content-Type are not among them: OpenAPI describes these elsewhere.
func (c *Contract) RequestHeaders() []string {
	names := map[string]bool{}
	for op := range c.Operations() {
		for _, p := range op.rules.Parameters {
			if p.In == rules.InHeader {
				names[p.Key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// ResponseHeaders returns the names of the headers that some response declares, sorted.
func (c *Contract) ResponseHeaders() []string {
	names := map[string]bool{}
	for op := range c.Operations() {
		for _, r := range op.rules.Responses {
			for _, h := range r.Headers {
				names[h.Key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// DeclaresHeader reports whether the response of a status has a header of that name.
func (o *Operation) DeclaresHeader(status int, name string) bool {
	r := o.rules.Response(status)
	return r != nil && slices.ContainsFunc(r.Headers, func(h rules.Header) bool { return h.Name == name })
}
