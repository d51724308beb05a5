package server

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/server/contract"
	"github.com/cloud-sessions/sessions/server/store"
)

// heldReply is a response that is written to memory first, so that it can be checked, recorded, or
// taken back. It stands in for echo's writer until it is released.
type heldReply struct {
	to     http.ResponseWriter
	id     string // the request's id, which wins over whatever a handler sets
	header http.Header
	status int
	body   bytes.Buffer

	check func() error // holds what is held against the contract
	open  bool         // what is written goes straight to the caller
}

// holdReply makes the context write to memory.
func holdReply(c echo.Context, op *contract.Operation) *heldReply {
	reply := &heldReply{to: c.Response().Writer, id: infoOf(c.Request().Context()).id, header: http.Header{}, status: http.StatusOK}
	reply.check = func() error { return op.CheckResponse(reply.status, reply.header, reply.body.Bytes()) }
	c.Response().Writer = reply
	return reply
}

// Header returns the held headers.
func (r *heldReply) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *heldReply) WriteHeader(status int) {
	r.header.Set(echo.HeaderXRequestID, r.id)
	r.status = status
}

// Write keeps a part of the body.
func (r *heldReply) Write(p []byte) (int, error) {
	if r.open {
		return r.to.Write(p)
	}
	return r.body.Write(p)
}

// FlushError sends what is held, unless that breaks the contract, and from then on holds nothing back: it makes a
// stream of the reply. http.ResponseController finds it.
func (r *heldReply) FlushError() error {
	if !r.open {
		if err := r.check(); err != nil {
			return err
		}
		r.open = true
		maps.Copy(r.to.Header(), r.header)
		r.to.WriteHeader(r.status)
		if _, err := r.to.Write(r.body.Bytes()); err != nil {
			return err
		}
	}
	return http.NewResponseController(r.to).Flush()
}

// Unwrap returns the writer behind, for deadlines.
func (r *heldReply) Unwrap() http.ResponseWriter { return r.to }

// reset forgets what was written so far.
func (r *heldReply) reset(c echo.Context) {
	clear(r.header)
	r.status = http.StatusOK
	r.body.Reset()
	c.Response().Committed, c.Response().Size, c.Response().Status = false, 0, http.StatusOK
}

// replay writes a recorded reply in place of a handler's.
func (r *heldReply) replay(c echo.Context, recorded *store.Reply) error {
	r.reset(c)
	r.header.Set("Idempotent-Replayed", "true")
	return c.Blob(recorded.Status, recorded.ContentType, recorded.Body)
}

// record returns the held reply as the store keeps it.
func (r *heldReply) record() store.Reply {
	return store.Reply{Status: r.status, ContentType: r.header.Get(echo.HeaderContentType), Body: bytes.Clone(r.body.Bytes())}
}

// release sends the held reply.
func (r *heldReply) release(c echo.Context) error {
	c.Response().Writer = r.to
	if r.open {
		return nil
	}
	header := r.to.Header()
	maps.Copy(header, r.header)
	header["Content-Length"] = []string{strconv.Itoa(r.body.Len())}
	r.to.WriteHeader(r.status)
	_, err := r.to.Write(r.body.Bytes())
	return err
}
