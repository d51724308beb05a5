package contract

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

const (
	jsonType   = "application/json"
	streamType = "text/event-stream"
)

// CheckRequest holds a request against the operation: parameters, then content type, then body. It
// returns a *Fault, the first in the document's order, or nil. The body is replaced by what was checked,
// so that nothing reads other bytes: those that were sent, or, when need be, a copy with defaults filled
// in and integers written as such. Defaults are written into the query and the headers, too.
// pathParam returns a path parameter by name, percent-encoded as it was sent.
func (o *Operation) CheckRequest(r *http.Request, pathParam func(name string) string) error {
	if wrong := o.checkParameters(r, pathParam); wrong != nil {
		return wrong.fault()
	}
	if o.body == nil {
		return nil
	}
	if !isJSON(r.Header) {
		return &Fault{Param: "Content-Type", Message: notJSON}
	}
	data, fault := o.readBody(r)
	if fault != nil {
		return fault
	}
	w := walker{cursor: cursor{data: data}, maxDepth: o.limits.jsonDepth, fill: true}
	if m := w.check(o.body); m != nil {
		return m.fault()
	}
	checked := new(checkedBody)
	checked.Reset(w.edited())
	r.Body, r.ContentLength = checked, checked.Size()
	return nil
}

const notJSON = "Header 'Content-Type' must be application/json."

// isJSON reports whether a request says that its body is JSON.
func isJSON(h http.Header) bool {
	sent := h.Get("Content-Type")
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
func (o *Operation) readBody(r *http.Request) (string, *Fault) {
	tooLarge := func() *Fault {
		limit := strconv.FormatInt(o.limits.bodyBytes, 10)
		return &Fault{Param: wholeBody, Message: "The request body must be at most " + limit + " bytes long."}
	}
	if r.ContentLength > o.limits.bodyBytes {
		return "", tooLarge()
	}
	room := min(max(r.ContentLength, 0), eagerBytes) + bytes.MinRead
	data := bytes.NewBuffer(make([]byte, 0, room))
	_, err := data.ReadFrom(io.LimitReader(r.Body, o.limits.bodyBytes+1))
	switch {
	case err != nil:
		return "", &Fault{Param: wholeBody, Message: "The request body could not be read to its end."}
	case int64(data.Len()) > o.limits.bodyBytes:
		return "", tooLarge()
	case data.Len() == 0:
		return "", &Fault{Param: wholeBody, Message: "The request body is missing; send a JSON object."}
	}
	return data.String(), nil
}
