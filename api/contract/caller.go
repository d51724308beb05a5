package contract

import (
	"net/http"
	"strconv"
)

// CheckSent validates a request that a client is about to send, with its complete body: token, parameters,
// content type, body; of a form, whose body may be nil, only the content type. It returns the first violation in the document's order as a *Violation with status 0, or
// nil. Unlike CheckRequest, whose pathParam it shares, it does not change the request.
func (o *Operation) CheckSent(r *http.Request, body []byte, pathParam func(name string) string) error {
	if v := o.sentViolation(r, body, pathParam); v != nil {
		v.Operation = o.ID
		return v
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
	case o.rules.Form != nil:
		if checkFormHead(r.Header) != nil {
			return &Violation{Rule: "content", Reason: notForm}
		}
		return nil
	case o.rules.Body == nil && len(body) > 0:
		return &Violation{Rule: "content", Reason: "the operation has no request body"}
	case o.rules.Body == nil:
		return nil
	case !isJSON(r.Header):
		return &Violation{Rule: "content", Reason: notJSON}
	case int64(len(body)) > o.limits.BodyBytes:
		return &Violation{Rule: "max-body-bytes", Reason: "longer than " + strconv.FormatInt(o.limits.BodyBytes, 10) + " bytes"}
	}
	if m := checkSent(o.rules.Body, string(body), o.limits.JSONDepth); m != nil {
		return m.violation()
	}
	return nil
}

// Stream returns the schema of the event data in the event stream that the operation responds with at a
// status; nil when the response is not an event stream.
func (o *Operation) Stream(status int) *Schema {
	r := o.rules.Response(status)
	if r == nil || r.Body(streamType) == nil {
		return nil
	}
	return &Schema{place: o.ID + " stream", root: r.Body(streamType), maxDepth: o.limits.JSONDepth}
}
