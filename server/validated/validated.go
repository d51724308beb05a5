// Package validated is how an operation returns a response whose JSON has been validated already: the bytes go
// to the caller unchanged, and are neither encoded nor validated again.
package validated

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
)

// Body is the body of a response of status 200: complete JSON that has passed Check for its operation. It must not be
// changed after it was returned.
type Body []byte

// Check validates the body as a response of op. It returns a *contract.Violation or nil.
func (b Body) Check(op *contract.Operation) error {
	return op.CheckBody(http.StatusOK, "application/json", b)
}

// WithItems returns a list's body: envelope, whose array data comes first and is empty, with items in it that were
// validated one by one. Only the envelope is validated: a violation is returned as by Check.
func WithItems(op *contract.Operation, envelope []byte, items [][]byte) (Body, error) {
	const opening = `{"data":[`
	closing, ok := bytes.CutPrefix(envelope, []byte(opening))
	if !ok {
		return nil, errEnvelope
	}
	if err := op.CheckEnvelope(http.StatusOK, envelope, len(items)); err != nil {
		return nil, err
	}
	size := len(envelope) + len("\n")
	for _, item := range items {
		size += len(item) + len(",")
	}
	body := append(make(Body, 0, size), opening...)
	for i, item := range items {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, item...)
	}
	return append(append(body, closing...), '\n'), nil
}

var errEnvelope = errors.New("validated: the envelope of a list begins with its data")

var (
	_ echoserver.GetSessionResponseObject   = Body(nil)
	_ echoserver.ListSessionsResponseObject = Body(nil)
	_ echoserver.SendEventsResponseObject   = Body(nil)
	_ echoserver.ListEventsResponseObject   = Body(nil)
	_ echoserver.PollWorkResponseObject     = Body(nil)
)

// VisitGetSessionResponse implements echoserver.GetSessionResponseObject.
func (b Body) VisitGetSessionResponse(w http.ResponseWriter) error { return b.write(w) }

// VisitListSessionsResponse implements echoserver.ListSessionsResponseObject.
func (b Body) VisitListSessionsResponse(w http.ResponseWriter) error { return b.write(w) }

// VisitSendEventsResponse implements echoserver.SendEventsResponseObject.
func (b Body) VisitSendEventsResponse(w http.ResponseWriter) error { return b.write(w) }

// VisitListEventsResponse implements echoserver.ListEventsResponseObject.
func (b Body) VisitListEventsResponse(w http.ResponseWriter) error { return b.write(w) }

// VisitPollWorkResponse implements echoserver.PollWorkResponseObject. No cache may store it.
func (b Body) VisitPollWorkResponse(w http.ResponseWriter) error {
	w.Header().Set("Cache-Control", "no-store")
	return b.write(w)
}

// Writer is a response writer that accepts a validated body in place of Write. It keeps the body.
type Writer interface {
	WriteValidated(body []byte) error
}

// write hands the body to the Writer among w and the writers that it wraps. Without one it writes the body as any
// other, to be validated once more.
func (b Body) write(w http.ResponseWriter) error {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(http.StatusOK)
	for inner := w; inner != nil; inner = unwrap(inner) {
		if to, ok := inner.(Writer); ok {
			return to.WriteValidated(b)
		}
	}
	_, err := w.Write(b)
	return err
}

// unwrap returns the writer that w wraps, as http.ResponseController finds it; nil for none.
func unwrap(w http.ResponseWriter) http.ResponseWriter {
	wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
	if !ok {
		return nil
	}
	return wrapper.Unwrap()
}
