package contractcheck

import (
	"bytes"
	"errors"
	"io"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/sse"
)

// streamChecks validates the events of one response.
type streamChecks struct {
	*exchange
	status int
	schema *contract.Schema
}

// event validates an event.
func (c *streamChecks) event(f sse.Event) error {
	all := c.schema.FrameViolations(f)
	for _, v := range all {
		v.Status = c.status
	}
	return c.foundAll(all)
}

// broken passes a violation that the contract itself does not check to the judge.
func (c *streamChecks) broken(rule, reason string) error {
	return c.responseViolation(c.status, rule, reason)
}

// streamBody passes a stream on as it arrives, and validates each event once it is complete.
type streamBody struct {
	io.ReadCloser
	checks *streamChecks

	events   *sse.Reader  // of complete events
	whole    bytes.Buffer // what arrived since the end of the last event
	boundary sse.Boundary
	gone     bool // an event is too long: what follows is not checked
	err      error
}

func newStreamBody(in io.ReadCloser, checks *streamChecks) *streamBody {
	s := &streamBody{ReadCloser: in, checks: checks}
	s.events = sse.NewReader(&s.whole, maxResponse)
	return s
}

// Read passes on the stream, up to an event that must not pass.
func (s *streamBody) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.ReadCloser.Read(p)
	for passed := 0; passed < n && !s.gone; { // passed is the end of what was validated
		length, ended := s.boundary.Find(p[passed:n])
		s.whole.Write(p[passed : passed+length])
		switch {
		case s.whole.Len() > maxResponse:
			s.gone, s.whole = true, bytes.Buffer{}
			s.err = s.checks.broken("size", tooLarge)
		case ended:
			s.err = s.checkWhole()
		}
		if s.err != nil {
			return passed, s.err
		}
		passed += length
	}
	return n, err
}

// checkWhole validates the complete events.
func (s *streamBody) checkWhole() error {
	for {
		f, err := s.events.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(f.Data) == 0:
			continue
		}
		if err := s.checks.event(f); err != nil {
			return err
		}
	}
}
