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

	events *sse.Reader  // of complete events
	whole  bytes.Buffer // what arrived since the end of the last event
	blank  bool         // the current line has no text so far
	cr     bool         // the last byte was a CR, so that an LF belongs to it
	gone   bool         // an event is too long: what follows is not checked
	err    error
}

func newStreamBody(in io.ReadCloser, checks *streamChecks) *streamBody {
	s := &streamBody{ReadCloser: in, checks: checks, blank: true}
	s.events = sse.NewReader(&s.whole, maxResponse)
	return s
}

// Read passes on the stream, up to an event that must not pass.
func (s *streamBody) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.ReadCloser.Read(p)
	passed := 0 // the end of what was validated
	for i, c := range p[:n] {
		if s.gone {
			break
		}
		s.whole.WriteByte(c)
		ends := s.ends(c)
		switch {
		case ends:
			s.err = s.checkWhole()
		case s.whole.Len() > maxResponse:
			s.gone, s.whole = true, bytes.Buffer{}
			s.err = s.checks.broken("size", tooLarge)
		}
		if s.err != nil {
			return passed, s.err
		}
		if ends {
			passed = i + 1
		}
	}
	return n, err
}

// ends reports whether c ends an event, which a blank line does.
func (s *streamBody) ends(c byte) bool {
	second := s.cr && c == '\n' // of a line's end that has been seen
	s.cr = c == '\r'
	switch {
	case second:
		return false
	case c == '\r' || c == '\n':
		was := s.blank
		s.blank = true
		return was
	}
	s.blank = false
	return false
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
