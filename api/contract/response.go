package contract

import (
	"fmt"
	"mime"
	"net/http"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

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
	r := o.rules.Response(status)
	if r == nil {
		return o.undeclared(status)
	}
	for i := range r.Headers {
		h := &r.Headers[i]
		if reason := brokenHeader(h, header[h.Key]); reason != "" {
			return o.violation(status, &Violation{Rule: "header", Reason: h.Name + " " + reason})
		}
	}
	return nil
}

// CheckBody validates the content type and the body.
func (o *Operation) CheckBody(status int, media string, body []byte) error {
	r := o.rules.Response(status)
	if r == nil {
		return o.undeclared(status)
	}
	if len(r.Bodies) == 0 && len(body) == 0 {
		return nil
	}
	s := r.Body(media)
	if s == nil {
		media, _, _ = mime.ParseMediaType(media)
		s = r.Body(media)
	}
	switch {
	case s == nil && r.Body(anyType) != nil:
		return nil
	case s == nil:
		return o.violation(status, &Violation{Rule: "content", Reason: "the content type is not declared"})
	case media == streamType:
		return nil
	}
	if m := check(s, view(body), o.limits.JSONDepth); m != nil {
		return o.violation(status, m.violation())
	}
	return nil
}

// Bytes reports whether the body of a response is bytes that the contract does not look into, as large as they may be.
func (o *Operation) Bytes(status int) bool {
	r := o.rules.Response(status)
	return r != nil && r.Body(anyType) != nil
}

// CheckEnvelope is CheckBody for a JSON object whose array data is left empty because its items were validated before;
// items is how many there are.
func (o *Operation) CheckEnvelope(status int, body []byte, items int) error {
	if err := o.CheckBody(status, jsonType, body); err != nil {
		return err
	}
	data := (&Schema{place: o.ID, root: o.rules.Response(status).Body(jsonType)}).At("data")
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

// brokenHeader returns what is wrong with a header's values, or "".
func brokenHeader(h *rules.Header, values []string) string {
	switch {
	case len(values) == 0 && h.Required:
		return "is missing"
	case len(values) > 1:
		return "occurs twice"
	case len(values) == 1:
		if rule := brokenParameter(h.Schema, values[0]); rule != "" {
			return "violates " + rule
		}
	}
	return ""
}
