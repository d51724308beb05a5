package contract

import (
	"net/http"
	"strconv"
)

// What callers ask: they hold what they send and what they get against the contract, and change nothing of it.

// CheckSent holds a request that is about to be sent, and its whole body, against the operation: token, parameters,
// content type, body. It returns a *Violation with the status 0, the first in the document's order, or nil. pathParam is
// as for CheckRequest.
func (o *Operation) CheckSent(r *http.Request, body []byte, pathParam func(name string) string) error {
	if b := o.sentViolation(r, body, pathParam); b != nil {
		b.Operation = o.ID
		return b
	}
	return nil
}

func (o *Operation) sentViolation(r *http.Request, body []byte, pathParam func(string) string) *Violation {
	if o.Secured && r.Header.Get("Authorization") == "" {
		return &Violation{Rule: "security", Reason: "Header 'Authorization' is missing."}
	}
	if wrong := o.checkParameters(r.Clone(r.Context()), pathParam); wrong != nil { // it fills in defaults
		return wrong.violation()
	}
	switch {
	case o.body == nil && len(body) > 0:
		return &Violation{Rule: "content", Reason: "the operation takes no body"}
	case o.body == nil:
		return nil
	case !isJSON(r.Header):
		return &Violation{Rule: "content", Reason: notJSON}
	case int64(len(body)) > o.limits.bodyBytes:
		return &Violation{Rule: "max-body-bytes", Reason: "longer than " + strconv.FormatInt(o.limits.bodyBytes, 10) + " bytes"}
	}
	if m := check(o.body, string(body), o.limits.jsonDepth); m != nil {
		return m.violation()
	}
	return nil
}

// Stream returns the schema of the event data in the event stream that the operation responds with at a
// status; nil when the response is not an event stream.
func (o *Operation) Stream(status int) *Schema {
	r := o.responses[status]
	if r == nil || r.content[streamType] == nil {
		return nil
	}
	return &Schema{place: o.ID + " stream", root: r.content[streamType], maxDepth: o.limits.jsonDepth}
}
