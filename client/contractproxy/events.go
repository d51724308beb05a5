package contractproxy

import (
	"bytes"
	"errors"
	"io"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/sse"
)

// events validates the events of a stream.
type events struct {
	*validation
	schema   *contract.Schema
	boundary sse.Boundary
	event    bytes.Buffer // what has come of the current one
	reader   *sse.Reader  // of event
	large    bool         // the current one is too large
}

func newEvents(v *validation, schema *contract.Schema) *events {
	s := &events{validation: v, schema: schema}
	s.reader = sse.NewReader(&s.event, v.proxy.options.MaxBody)
	return s
}

// pass validates what passes.
func (s *events) pass(p []byte) {
	for len(p) > 0 {
		n, ok := s.boundary.Find(p)
		_ = s.add(p[:n], ok)
		p = p[n:]
	}
}

// add takes a piece of an event, and validates the event at its end. It returns a *refusedError where the contract is enforced.
func (s *events) add(p []byte, end bool) error {
	if !s.large && s.event.Len()+len(p) > s.proxy.options.MaxBody {
		s.large = true
		s.event = bytes.Buffer{}
		s.reader = sse.NewReader(&s.event, s.proxy.options.MaxBody)
		s.found(Unchecked, s.status, s.proxy.tooLarge("event"))
	}
	if s.large {
		s.large = !end
		return nil
	}
	s.event.Write(p)
	if !end {
		return nil
	}
	for {
		event, err := s.reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err // never: an event is not longer than the buffer
		case len(event.Data) == 0:
			continue
		}
		if v := s.schema.CheckFrame(event); v != nil {
			return s.judge(v)
		}
	}
}

// heldEvents passes on a stream by the event: each once it has been validated. Instead of one that violates the contract it
// sends an error, which ends the stream.
type heldEvents struct {
	io.ReadCloser
	events *events
	held   []byte // of the event that has not ended
	ready  []byte // to be passed on
	piece  [4 << 10]byte
	err    error
}

// Read implements io.Reader.
func (h *heldEvents) Read(p []byte) (int, error) {
	for len(h.ready) == 0 {
		if h.err != nil {
			return 0, h.err
		}
		n, err := h.ReadCloser.Read(h.piece[:])
		h.ready = h.ready[:0]
		h.take(h.piece[:n])
		if err != nil && h.err == nil {
			h.ready = append(h.ready, h.held...) // an event that was cut off, which is none
			h.held, h.err = nil, err
		}
	}
	n := copy(p, h.ready)
	h.ready = h.ready[n:]
	return n, nil
}

// take takes what has come.
func (h *heldEvents) take(p []byte) {
	for len(p) > 0 {
		n, ok := h.events.boundary.Find(p)
		err := h.events.add(p[:n], ok)
		h.held = append(h.held, p[:n]...)
		p = p[n:]
		if refused, is := errors.AsType[*refusedError](err); is {
			h.ready = append(h.ready, errorEvent(h.events.exchange, refused)...)
			h.err = io.EOF
			return
		}
		if ok || h.events.large {
			h.ready = append(h.ready, h.held...)
			h.held = h.held[:0]
		}
	}
}

// errorEvent is the event that ends a stream: the contract's envelope under the name that clients know.
func errorEvent(e *exchange, refused *refusedError) []byte {
	id := e.requestID
	if !e.proxy.contract.Accepts("RequestID", id) {
		id = newID()
	}
	return append(append([]byte("event: error\ndata: "), violationProblem(refused).Envelope(id)...), '\n')
}
