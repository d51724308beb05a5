package contract

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	jsonType   = "application/json"
	streamType = "text/event-stream"
	formType   = "multipart/form-data"
	anyType    = "*/*" // of bytes that the contract does not look into
)

// CheckRequest validates a request: parameters, then content type and encoding, then body. It returns a
// *RequestError, the first in the document's order, or nil. It replaces the body by the validated bytes, so
// that nothing reads others: the bytes that were sent or, if that changes them, a copy with defaults added and
// integers without fraction and exponent. A request without a body passes where the body is optional. It sets the
// content type to the contract's spelling, and adds defaults to the query and the headers. pathParam returns a path parameter by name, percent-encoded as sent.
func (o *Operation) CheckRequest(r *http.Request, pathParam func(name string) string) error {
	if wrong := o.checkParameters(r, pathParam); wrong != nil {
		return wrong.requestError()
	}
	if o.rules.Form != nil {
		return checkFormHead(r.Header)
	}
	if o.rules.Body == nil || o.rules.Optional && r.ContentLength == 0 {
		return nil
	}
	if !isJSON(r.Header) {
		return &RequestError{Param: "Content-Type", Message: notJSON}
	}
	if !isIdentity(r.Header) {
		return encodedBody()
	}
	data, invalid := o.readBody(r)
	if invalid != nil {
		return invalid
	}
	w := walker{cursor: cursor{data: data}, maxDepth: o.limits.JSONDepth, sent: true, fill: true}
	if m := w.check(o.rules.Body); m != nil {
		return m.requestError()
	}
	checked := new(checkedBody)
	checked.Reset(w.edited())
	r.Body, r.ContentLength = checked, checked.Size()
	if contentType(r.Header) != jsonType {
		r.Header["Content-Type"] = []string{jsonType}
	}
	return nil
}

// contentType returns the Content-Type without header.Get, which would canonicalize the name.
func contentType(header http.Header) string {
	if values := header["Content-Type"]; len(values) > 0 {
		return values[0]
	}
	return ""
}

const (
	notJSON = "Header 'Content-Type' must be application/json."
	encoded = "Header 'Content-Encoding' must be identity; send the body uncompressed."
)

// isJSON reports whether a request declares its body as JSON. Media types are compared without regard to case
// (RFC 9110, section 8.3.1).
func isJSON(h http.Header) bool {
	sent := contentType(h)
	if sent == jsonType {
		return true
	}
	media, _, err := mime.ParseMediaType(sent)
	return err == nil && media == jsonType
}

// MaxBody returns the most bytes that a request's body may have: the x-max-bytes of its schema, with some room for white
// space around the value, or the limit for all bodies.
func (o *Operation) MaxBody() int {
	const space = 64 << 10
	if o.TakesBody() && o.rules.Body.MaxBytes > 0 {
		return min(o.rules.Body.MaxBytes+space, int(o.limits.BodyBytes))
	}
	return int(o.limits.BodyBytes)
}

// isIdentity reports whether a request's body is not encoded (RFC 9110, section 8.4).
func isIdentity(h http.Header) bool {
	for _, value := range h["Content-Encoding"] {
		for coding := range strings.SplitSeq(value, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return false
			}
		}
	}
	return true
}

// checkedBody is a body in memory.
type checkedBody struct{ strings.Reader }

// Close does nothing.
func (*checkedBody) Close() error { return nil }

// eagerBytes is the most memory that is allocated for a body before it is read, whatever its Content-Length.
const eagerBytes = 64 << 10

// readBody reads the body up to the contract's limit.
func (o *Operation) readBody(r *http.Request) (string, *RequestError) {
	tooLarge := func() *RequestError {
		if o.rules.Body.MaxBytes > 0 {
			return mistakeOf(o.rules.Body, ruleMaxBytes).requestError()
		}
		limit := strconv.Itoa(o.MaxBody())
		return &RequestError{Param: wholeBody, Message: "The request body must be at most " + limit + " bytes long."}
	}
	if r.ContentLength > int64(o.MaxBody()) {
		return "", tooLarge()
	}
	limit := o.MaxBody() + 1
	data := make([]byte, 0, min(max(int(r.ContentLength), 0), eagerBytes)+1) // one more byte, to detect the end
	var err error
	for err == nil && len(data) < limit {
		if len(data) == cap(data) {
			more := bytes.MinRead
			if rest := int(r.ContentLength) - len(data); rest < 4*len(data) { // much of it has come: the rest will fit
				more = max(more, rest+1)
			}
			data = slices.Grow(data, more)
		}
		var n int
		n, err = r.Body.Read(data[len(data):min(cap(data), limit)])
		data = data[:len(data)+n]
	}
	switch {
	case err != nil && err != io.EOF:
		return "", &RequestError{Param: wholeBody, Message: "The request body could not be read to its end; send it again."}
	case len(data) == limit:
		return "", tooLarge()
	case len(data) == 0:
		return "", &RequestError{Param: wholeBody, Message: "The request body is missing; send a JSON object."}
	}
	return view(data), nil
}
