package contract

import (
	"maps"
	"mime"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// CheckResponse holds a whole response against the operation: status, headers, content type, body. It
// returns a *Breach or nil. Event streams are checked event by event instead, by whoever writes them.
func (o *Operation) CheckResponse(status int, header http.Header, body []byte) error {
	breach := func(rule, pointer, reason string) error {
		return &Breach{Operation: o.ID, Status: status, Rule: rule, Pointer: pointer, Reason: reason}
	}
	response := o.responses[status]
	if response == nil {
		return breach("status", "", "the status is not declared")
	}
	for _, name := range slices.Sorted(maps.Keys(response.Headers)) {
		if reason := checkHeader(response.Headers[name].Value, header.Values(name)); reason != "" {
			return breach("header", "", name+" "+reason)
		}
	}
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	declared := response.Content[media]
	switch {
	case declared == nil:
		return breach("content", "", "the content type is not declared")
	case isEventStream(media):
		return nil
	}
	value, fault := decodeJSON(body, o.limits.jsonDepth)
	if fault != nil {
		return breach("json", "", fault.Message)
	}
	if m := firstMistake(declared.Schema.Value, value, openapi3.VisitAsResponse()); m != nil {
		return breach(m.rule, m.at.pointer(), m.reason)
	}
	return nil
}

// checkHeader returns what is wrong with a response header's values, or "".
func checkHeader(header *openapi3.Header, values []string) string {
	switch {
	case len(values) == 0 && header.Required:
		return "is missing"
	case len(values) > 1:
		return "is sent twice"
	case len(values) == 1:
		if m := firstMistake(header.Schema.Value, values[0]); m != nil {
			return "breaks " + m.rule
		}
	}
	return ""
}
