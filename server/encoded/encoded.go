// Package encoded is how an operation returns a response that it has encoded itself: JSON that is cached, or put together
// from parts that were encoded before. Bytes that were validated already are not validated again.
package encoded

import (
	"net/http"

	"github.com/cloud-sessions/sessions/gen/echoserver"
)

// Status is the HTTP status of every encoded response.
const Status = http.StatusOK

// Response is a successful response of the operations that it has a Visit method for.
type Response struct {
	// Body is complete JSON. It must not be changed after the response was returned.
	Body []byte
	// Validated is whether Body has been validated as the operation's response. The pipeline validates any other body.
	Validated bool
}

var (
	_ echoserver.GetSessionResponseObject = Response{}
	_ echoserver.SendEventsResponseObject = Response{}
	_ echoserver.ListEventsResponseObject = Response{}
)

// VisitGetSessionResponse implements echoserver.GetSessionResponseObject.
func (r Response) VisitGetSessionResponse(w http.ResponseWriter) error { return r.write(w) }

// VisitSendEventsResponse implements echoserver.SendEventsResponseObject.
func (r Response) VisitSendEventsResponse(w http.ResponseWriter) error { return r.write(w) }

// VisitListEventsResponse implements echoserver.ListEventsResponseObject.
func (r Response) VisitListEventsResponse(w http.ResponseWriter) error { return r.write(w) }

// ValidatedWriter is a response writer that accepts a validated body in place of Write. It keeps the body.
type ValidatedWriter interface {
	WriteValidated(body []byte) error
}

// write writes the response. A validated body goes to the ValidatedWriter among w and the writers that it wraps; without
// one it is written as any other.
func (r Response) write(w http.ResponseWriter) error {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(Status)
	for inner := w; r.Validated && inner != nil; inner = unwrap(inner) {
		if to, ok := inner.(ValidatedWriter); ok {
			return to.WriteValidated(r.Body)
		}
	}
	_, err := w.Write(r.Body)
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
