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
)

// CheckRequest holds a request against the operation: parameters, then content type, then body. It
// returns a *RequestError, the first in the document's order, or nil. The body is replaced by what was checked,
// so that nothing reads other bytes: those that were sent, or, when need be, a copy with defaults filled
// in and integers written as such. Defaults are written into the query and the headers, too.
// pathParam returns a path parameter by name, percent-encoded as it was sent.
func (o *Operation) CheckRequest(r *http.Request, pathParam func(name string) string) error {
	if wrong := o.checkParameters(r, pathParam); wrong != nil {
		return wrong.requestError()
	}
	if o.body == nil {
		return nil
	}
	if !isJSON(r.Header) {
		return &RequestError{Param: "Content-Type", Message: notJSON}
	}
	data, fault := o.readBody(r)
	if fault != nil {
		return fault
	}
	w := walker{cursor: cursor{data: data}, maxDepth: o.limits.jsonDepth, fill: true}
	if m := w.check(o.body); m != nil {
		return m.requestError()
	}
	checked := new(checkedBody)
	checked.Reset(w.edited())
	r.Body, r.ContentLength = checked, checked.Size()
	return nil
}

// contentType is header.Get of it, but does not spell the name anew.
func contentType(header http.Header) string {
	if values := header["Content-Type"]; len(values) > 0 {
		return values[0]
	}
	return ""
}

const notJSON = "Header 'Content-Type' must be application/json."

// isJSON reports whether a request says that its body is JSON.
func isJSON(h http.Header) bool {
	sent := contentType(h)
	if sent == jsonType {
		return true
	}
	media, _, err := mime.ParseMediaType(sent)
	return err == nil && media == jsonType
}

// checkedBody is a body in memory.
type checkedBody struct{ strings.Reader }

// Close does nothing.
func (*checkedBody) Close() error { return nil }

// eagerBytes is how much room is made for a body on the word of its Content-Length alone.
const eagerBytes = 64 << 10

// readBody reads the body, no further than the contract's limit.
func (o *Operation) readBody(r *http.Request) (string, *RequestError) {
	tooLarge := func() *RequestError {
		limit := strconv.FormatInt(o.limits.bodyBytes, 10)
		return &RequestError{Param: wholeBody, Message: "The request body must be at most " + limit + " bytes long."}
	}
	if r.ContentLength > o.limits.bodyBytes {
		return "", tooLarge()
	}
	limit := int(o.limits.bodyBytes) + 1
	data := make([]byte, 0, min(max(int(r.ContentLength), 0), eagerBytes)+1) // one more, to see the end
	var err error
	for err == nil && len(data) < limit {
		if len(data) == cap(data) {
			data = slices.Grow(data, bytes.MinRead)
		}
		var n int
		n, err = r.Body.Read(data[len(data):min(cap(data), limit)])
		data = data[:len(data)+n]
	}
	switch {
	case err != nil && err != io.EOF:
		return "", &RequestError{Param: wholeBody, Message: "The request body could not be read to its end."}
	case len(data) == limit:
		return "", tooLarge()
	case len(data) == 0:
		return "", &RequestError{Param: wholeBody, Message: "The request body is missing; send a JSON object."}
	}
	return view(data), nil
}
