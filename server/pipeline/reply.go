package pipeline

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/validated"
)

var _ validated.Writer = (*heldReply)(nil)

// heldReply is a response whose status and body are written to memory first, so that it can be validated, recorded or
// taken back. It replaces echo's writer until it is released.
type heldReply struct {
	to        http.ResponseWriter
	outer     http.Header // of what surrounds the operation, such as the permission for other origins
	op        *contract.Operation
	id        []string // the request's id, which overrides the one that a handler sets
	status    int
	body      bytes.Buffer
	validated []byte // replaces body, and has passed op.CheckBody; nil for none
	packed    []byte // is sent in place of body or validated; nil for none
	open      bool   // what is written goes straight to the caller
	grant     *budget.Grant
}

// replies are held replies to be reused.
type replies struct{ pool sync.Pool }

// hold makes the context write to memory, until release.
func (p *replies) hold(c echo.Context, op *contract.Operation, grant *budget.Grant) *heldReply {
	reply, ok := p.pool.Get().(*heldReply)
	if !ok {
		reply = &heldReply{}
	}
	to := c.Response().Writer
	reply.to, reply.op, reply.grant = to, op, grant
	reply.id, reply.open = to.Header()[echo.HeaderXRequestID], false
	reply.outer = nil
	if len(to.Header()) > 1 { // beside the request's id
		reply.outer = to.Header().Clone()
	}
	c.Response().Writer = reply
	reply.reset(c)
	return reply
}

// largestKept bounds the buffer, in bytes, that a held reply keeps for its next use. A body up to that size needs no
// reservation of its own: an error can always be reported.
const largestKept = 64 << 10

// release sends the held reply, which must not be used afterwards.
func (p *replies) release(c echo.Context, r *heldReply) (err error) {
	c.Response().Writer = r.to
	if !r.open {
		r.to.Header()[echo.HeaderContentLength] = []string{strconv.Itoa(len(r.sent()))}
		err = r.send()
	}
	if r.body.Cap() <= largestKept {
		r.to, r.validated, r.packed, r.grant, r.outer = nil, nil, nil, nil, nil
		p.pool.Put(r)
	}
	return err
}

// Header returns the headers, which are not held: reset clears them.
func (r *heldReply) Header() http.Header { return r.to.Header() }

// WriteHeader keeps the status.
func (r *heldReply) WriteHeader(status int) {
	r.Header()[echo.HeaderXRequestID] = r.id
	r.status = status
}

// Write keeps a part of the body.
func (r *heldReply) Write(p []byte) (int, error) {
	if r.open {
		return r.to.Write(p)
	}
	if err := r.reserve(r.body.Len()+len(p), len(p)); err != nil {
		return 0, err
	}
	return r.body.Write(p)
}

// reserve reserves more bytes for a body that will have that size.
func (r *heldReply) reserve(size, more int) error {
	if size <= largestKept {
		return nil
	}
	return r.grant.Grow(more)
}

// FlushError sends what is held, unless that violates the contract, and from then on holds nothing back: the reply
// becomes a stream. http.ResponseController finds it.
func (r *heldReply) FlushError() error {
	if !r.open {
		if err := r.check(); err != nil {
			return err
		}
		r.open = true
		r.grant.Close() // a stream reserves what it holds at a time
		if err := r.send(); err != nil {
			return err
		}
	}
	return http.NewResponseController(r.to).Flush()
}

// Unwrap returns the wrapped writer, for deadlines.
func (r *heldReply) Unwrap() http.ResponseWriter { return r.to }

// WriteValidated implements validated.Writer.
func (r *heldReply) WriteValidated(body []byte) error {
	if r.open {
		_, err := r.to.Write(body)
		return err
	}
	if err := r.reserve(len(body), len(body)); err != nil {
		return err
	}
	r.validated = body
	return nil
}

// bytes returns the body.
func (r *heldReply) bytes() []byte {
	if r.validated != nil {
		return r.validated
	}
	return r.body.Bytes()
}

// sent returns the body as it is sent.
func (r *heldReply) sent() []byte {
	if r.packed != nil {
		return r.packed
	}
	return r.bytes()
}

// check validates the held reply.
func (r *heldReply) check() error {
	if r.validated != nil {
		return r.op.CheckHead(r.status, r.Header())
	}
	r.plain()
	return r.op.CheckResponse(r.status, r.Header(), r.body.Bytes())
}

// plain removes escapes for HTML, which generated code writes, from a body of JSON.
func (r *heldReply) plain() {
	body := r.body.Bytes()
	r.body.Truncate(len(plainjson.Unescape(body)))
}

// send sends the held status and body.
func (r *heldReply) send() error {
	r.to.WriteHeader(r.status)
	_, err := r.to.Write(r.sent())
	return err
}

// reset forgets what was written so far.
func (r *heldReply) reset(c echo.Context) {
	clear(r.Header())
	maps.Copy(r.Header(), r.outer)
	r.Header()[echo.HeaderXRequestID] = r.id
	r.status, r.validated, r.packed = http.StatusOK, nil, nil
	r.body.Reset()
	c.Response().Committed, c.Response().Size, c.Response().Status = false, 0, http.StatusOK
}

// replay writes a recorded reply in place of a handler's.
func (r *heldReply) replay(c echo.Context, recorded store.RecordedResponse) error {
	r.reset(c)
	r.Header().Set("Idempotent-Replayed", "true")
	return c.Blob(recorded.Status, recorded.ContentType, recorded.Body)
}

// successful reports whether the held reply is one of 2xx.
func (r *heldReply) successful() bool { return r.status >= 200 && r.status <= 299 }
