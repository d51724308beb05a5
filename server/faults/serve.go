package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Serve applies the fault to a request. Handle is the handler without the fault; sleep waits. requestID is the request's
// id, for the contract's errors. Like a handler, Serve panics with http.ErrAbortHandler to close the connection.
func (f Fault) Serve(w http.ResponseWriter, r *http.Request, requestID string, sleep func(context.Context, time.Duration) error, handle http.Handler) {
	if sleep(r.Context(), f.latency) != nil { // the caller is gone
		panic(http.ErrAbortHandler)
	}
	ctx, leave := context.WithCancel(r.Context())
	defer leave()
	r = r.WithContext(ctx)
	switch {
	case f.rule == nil:
		handle.ServeHTTP(w, r)
	case f.rule.Answer != nil:
		f.rule.Answer.Write(w, requestID)
	case f.rule.Drop != "":
		if f.rule.Drop == DropAfter {
			handle.ServeHTTP(&lostWriter{header: http.Header{}, leave: leave}, r)
		}
		panic(http.ErrAbortHandler)
	default:
		cut := &cutWriter{ResponseWriter: w, leave: leave, left: f.rule.Cut.Bytes, events: f.rule.Cut.Events > 0}
		if cut.events {
			cut.left = f.rule.Cut.Events
		}
		handle.ServeHTTP(cut, r)
		if cut.done {
			panic(http.ErrAbortHandler)
		}
	}
}

const (
	page      = "<!DOCTYPE html>\n<html><head><title>Gateway</title></head><body><h1>The gateway has no answer.</h1></body></html>\n"
	brokenDoc = `{"type": "broken", "data": [`
)

// Write sends the answer. requestID is the request's id, for the contract's errors.
func (a *Answer) Write(w http.ResponseWriter, requestID string) {
	header := w.Header()
	switch wait := a.RetryAfter; {
	case wait == 0:
	case wait%time.Second == 0:
		header.Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	default:
		header.Set("Retry-After-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
	}
	var body []byte
	switch a.body() {
	case HTMLBody:
		header.Set("Content-Type", "text/html; charset=utf-8")
		body = []byte(page)
	case BrokenJSON:
		header.Set("Content-Type", "application/json")
		body = []byte(brokenDoc)
	case ErrorBody:
		header.Set("Content-Type", "application/json")
		header.Set("X-Request-Id", requestID)
		if a.Status == http.StatusUnauthorized {
			header.Set("WWW-Authenticate", "Bearer")
		}
		body = a.envelope(requestID)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.Status)
	_, _ = w.Write(body) // the connection is gone, so there is no one to report it to
}

func (a *Answer) envelope(requestID string) []byte {
	body, err := json.Marshal(types.Error{
		Type:      types.ErrorEnvelopeTypeError,
		Error:     types.ErrorDetail{Type: problem.TypeOf(a.Status), Message: "This failure is a rehearsal: the server was told to inject it."},
		RequestID: requestID,
	})
	if err != nil {
		panic(err) // strings always marshal
	}
	return body
}

// lostWriter discards a response.
type lostWriter struct {
	header http.Header
	leave  func() // cancels the request, as a caller that disconnects
}

// Header implements http.ResponseWriter.
func (w *lostWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *lostWriter) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (w *lostWriter) Write(p []byte) (int, error) { return len(p), nil }

// FlushError ends a stream, which would not end by itself.
func (w *lostWriter) FlushError() error {
	w.leave()
	return nil
}

var errCut = errors.New("the response is cut off")

// cutWriter passes on the beginning of a response.
type cutWriter struct {
	http.ResponseWriter
	leave  func() // cancels the request, as a caller that disconnects
	left   int    // bytes or events
	events bool   // what is counted
	done   bool

	line, event bool // whether a line, and an event, has begun
}

// Write sends what is within the cut immediately, and fails beyond it.
func (w *cutWriter) Write(p []byte) (int, error) {
	n := w.fitting(p)
	if n > 0 {
		if sent, err := w.ResponseWriter.Write(p[:n]); err != nil {
			return sent, err
		}
	}
	if n < len(p) && !w.done {
		w.done = true
		_ = http.NewResponseController(w.ResponseWriter).Flush()
	}
	if w.done {
		return n, errCut
	}
	return n, nil
}

// fitting returns how much of p is within the cut.
func (w *cutWriter) fitting(p []byte) int {
	switch {
	case w.done:
		return 0
	case !w.events:
		n := min(len(p), w.left)
		w.left -= n
		return n
	}
	for i, b := range p {
		if w.left == 0 {
			return i
		}
		switch {
		case b != '\n':
			w.event = w.event || !w.line && b != ':' // a line that begins so is a comment
			w.line = true
		case w.line:
			w.line = false
		case w.event: // an empty line ends the event
			w.event = false
			w.left--
		}
	}
	return len(p)
}

// FlushError sends what was written. A stream that has reached the cut ends here, without waiting for more.
func (w *cutWriter) FlushError() error {
	if w.left == 0 {
		w.done = true
		w.leave()
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker: the connection is not given away, since what is written to it is counted.
func (w *cutWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

// Unwrap returns the wrapped writer, for deadlines.
func (w *cutWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
