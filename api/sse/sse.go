// Package sse reads server-sent events as the HTML standard defines them (section 9.2): a byte order mark, lines that
// end in CR, LF or both, comments, and events of any length up to a limit. The client reads the server's streams with
// it, the server those of model endpoints. It imports the standard library only.
package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// ErrTooLong is returned for an event, or a line, that is longer than the reader's limit.
var ErrTooLong = errors.New("sse: an event is too long")

// longestRetry bounds the wait that a server may request.
const longestRetry = time.Minute

// Event is one event. A field that it does not have is empty.
type Event struct {
	// ID is the event's own id. Unlike in the standard, the events that follow do not inherit it.
	ID string
	// Type is the event's name.
	Type string
	// Data is the event's data, its lines joined by line feeds. It is valid until the next call of Next.
	Data []byte
}

// Reader reads events from a stream. It is not safe for concurrent use.
type Reader struct {
	// Ignored, unless it is nil, is called with every line that adds nothing to an event, without the line's end:
	// comments, which begin with a colon, and unknown fields. The line is valid during the call.
	Ignored func(line []byte)

	in    *bufio.Reader
	limit int

	begun bool // the first line was read
	after bool // the last line ended in CR, so that an LF belongs to it
	line  []byte
	data  []byte
	open  bool // the current event has data
	retry time.Duration
}

// NewReader returns a reader of r that accepts events with up to limit bytes of data.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{in: bufio.NewReader(r), limit: limit}
}

// Retry returns how long the server asks to wait before the next connection, at most a minute; 0 when it does not ask.
func (r *Reader) Retry() time.Duration { return r.retry }

// Unfinished returns the data of an event that the end of the stream cut off before its blank line, which Next drops
// as the standard demands; ok is false when there is none. The data is valid until the next call of Next.
func (r *Reader) Unfinished() (data []byte, ok bool) { return r.data, r.open }

// Next returns the next event that has data or an id. It returns the error of the stream, io.EOF at its end, and
// ErrTooLong. An event without its blank line is dropped.
func (r *Reader) Next() (Event, error) {
	var e Event
	r.open = false
	r.data = r.data[:0]
	for {
		line, err := r.readLine()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			if r.open || e.ID != "" {
				e.Data, r.open = r.data, false
				return e, nil
			}
			e = Event{}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			if r.open {
				r.data = append(r.data, '\n')
			}
			r.open = true
			if len(r.data)+len(value) > r.limit {
				return Event{}, ErrTooLong
			}
			r.data = append(r.data, value...)
		case "event":
			e.Type = string(value)
		case "id":
			if !bytes.Contains(value, []byte{0}) {
				e.ID = string(value)
			}
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 63); err == nil {
				r.retry = time.Duration(min(ms, uint64(longestRetry/time.Millisecond))) * time.Millisecond
			}
		default:
			if r.Ignored != nil {
				r.Ignored(line)
			}
		}
	}
}

// readLine returns the next line without its end, which is CR, LF or both. It does not wait for the LF after a CR.
func (r *Reader) readLine() ([]byte, error) {
	r.line = r.line[:0]
	for {
		if _, err := r.in.Peek(1); err != nil {
			return nil, err
		}
		part, _ := r.in.Peek(r.in.Buffered())
		if r.after {
			r.after = false
			if part[0] == '\n' {
				_, _ = r.in.Discard(1)
				continue
			}
		}
		text, end := part, bytes.IndexByte(part, '\n')
		if end >= 0 {
			text = part[:end]
		}
		if cr := bytes.IndexByte(text, '\r'); cr >= 0 {
			text, end = part[:cr], cr
		}
		if len(r.line)+len(text) > r.limit+len("data: ") {
			return nil, ErrTooLong
		}
		r.line = append(r.line, text...)
		if end < 0 {
			_, _ = r.in.Discard(len(part))
			continue
		}
		r.after = part[end] == '\r'
		_, _ = r.in.Discard(end + 1)
		if !r.begun {
			r.begun = true
			r.line = bytes.TrimPrefix(r.line, []byte("\xef\xbb\xbf"))
		}
		return r.line, nil
	}
}
