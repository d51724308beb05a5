package contract

import (
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// response is the compiled response of one status of an operation.
type response struct {
	headers []header // by name
	content map[string]*schema
}

// header is a header of a response.
type header struct {
	name, key string // as declared, and canonical
	required  bool
	schema    *schema
}

func (c *compiler) response(place string, doc *openapi3.Response) (*response, error) {
	r := &response{content: map[string]*schema{}}
	for _, name := range slices.Sorted(maps.Keys(doc.Headers)) {
		h := doc.Headers[name].Value
		s, err := c.compile(place+" header "+name, h.Schema)
		if err != nil {
			return nil, err
		}
		if s.kind > stringKind {
			return nil, fmt.Errorf("%s header %s: only strings, numbers and booleans are supported", place, name)
		}
		r.headers = append(r.headers, header{name: name, key: http.CanonicalHeaderKey(name), required: h.Required, schema: s})
	}
	for media, content := range doc.Content {
		if media != jsonType && media != streamType && media != anyType {
			return nil, fmt.Errorf("%s: content type %s is not supported", place, media)
		}
		s, err := c.compile(place+" "+media, content.Schema)
		if err != nil {
			return nil, err
		}
		r.content[media] = s
	}
	return r, nil
}

// CheckResponse validates a complete response: status, headers, content type, body. It returns a *Violation,
// the first in the document's order, or nil. The writer or reader of an event stream validates each event
// instead (Contract.Schema, Operation.Stream).
func (o *Operation) CheckResponse(status int, header http.Header, body []byte) error {
	if err := o.CheckHead(status, header); err != nil {
		return err
	}
	return o.CheckBody(status, contentType(header), body)
}

// CheckHead validates the status and the headers: it suffices for a body that CheckBody has validated
// before.
func (o *Operation) CheckHead(status int, header http.Header) error {
	r := o.responses[status]
	if r == nil {
		return o.undeclared(status)
	}
	for i := range r.headers {
		h := &r.headers[i]
		if reason := h.broken(header[h.key]); reason != "" {
			return o.violation(status, &Violation{Rule: "header", Reason: h.name + " " + reason})
		}
	}
	return nil
}

// CheckBody validates the content type and the body.
func (o *Operation) CheckBody(status int, media string, body []byte) error {
	r := o.responses[status]
	if r == nil {
		return o.undeclared(status)
	}
	if len(r.content) == 0 && len(body) == 0 {
		return nil
	}
	s := r.content[media]
	if s == nil {
		media, _, _ = mime.ParseMediaType(media)
		s = r.content[media]
	}
	switch {
	case s == nil && r.content[anyType] != nil:
		return nil
	case s == nil:
		return o.violation(status, &Violation{Rule: "content", Reason: "the content type is not declared"})
	case media == streamType:
		return nil
	}
	if m := check(s, view(body), o.limits.jsonDepth); m != nil {
		return o.violation(status, m.violation())
	}
	return nil
}

// Bytes reports whether the body of a response is bytes that the contract does not look into, as large as they may be.
func (o *Operation) Bytes(status int) bool {
	r := o.responses[status]
	return r != nil && r.content[anyType] != nil
}

// CheckEnvelope is CheckBody for a JSON object whose array data is left empty because its items were validated before;
// items is how many there are.
func (o *Operation) CheckEnvelope(status int, body []byte, items int) error {
	if err := o.CheckBody(status, jsonType, body); err != nil {
		return err
	}
	data := (&Schema{place: o.ID, root: o.responses[status].content[jsonType]}).At("data")
	if items > data.MaxItems() {
		return o.violation(status, &Violation{Pointer: "/data", Rule: "maxItems", Reason: fmt.Sprintf("there are %d items", items)})
	}
	return nil
}

func (o *Operation) undeclared(status int) error {
	return o.violation(status, &Violation{Rule: "status", Reason: "the status is not declared"})
}

func (o *Operation) violation(status int, v *Violation) error {
	v.Operation, v.Status = o.ID, status
	return v
}

// broken returns what is wrong with a header's values, or "".
func (h *header) broken(values []string) string {
	switch {
	case len(values) == 0 && h.required:
		return "is missing"
	case len(values) > 1:
		return "occurs twice"
	case len(values) == 1:
		if rule := h.schema.brokenParameter(values[0]); rule != "" {
			return "violates " + rule
		}
	}
	return ""
}
