package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/api/sse"
	"github.com/cloud-sessions/sessions/gen/httpclient"
	"github.com/cloud-sessions/sessions/gen/types"
)

// settled is how long a connection without an event must last to count as a success.
const settled = 5 * time.Second

// errSilence is a connection that brings nothing for too long.
var errSilence = errors.New("the server was silent for too long")

// StreamParams are the parameters of [EventService.Stream].
type StreamParams struct {
	// AfterID is the id of the event to resume after; "" stands for the beginning of the session's log.
	AfterID EventID
	// Deltas are the types of events that are also sent in pieces: an [EventStart], [EventDelta]s, then the event itself.
	Deltas []DeltaType
}

// Stream yields a session's events as they happen, after those of its log. A nil params stands for all events. It
// continues when a turn ends, and ends after session.deleted or with the loop; the end of ctx is an error. An error is
// yielded once, at the end. Ranging again starts anew. Changing params afterwards has no effect.
//
// When a connection breaks, or the server closes it, Stream reconnects and resumes after the last event: no event, and no
// piece of an event, is lost or comes twice. The wait is what the server asks for, or that of retries. [WithMaxRetries]
// applies to the first connection, [WithMaxReconnects] to those that follow. [WithTimeout] bounds the wait for the
// response and then the longest silence; servers send something every 15 seconds.
//
// It returns [ErrNotFound] when the session does not exist, or no longer, [ErrInvalidRequest] when params.AfterID is not
// an event of it, and [ErrRateLimit] when the account has too many open streams.
//
// Operation streamEvents: GET /sessions/{session_id}/events/stream.
func (s *EventService) Stream(ctx context.Context, id SessionID, params *StreamParams, opts ...Option) iter.Seq2[Event, error] {
	return s.stream(ctx, "Sessions.Events.Stream", id, value(params), opts)
}

// stream is Stream for the method op.
func (s *EventService) stream(ctx context.Context, op string, id SessionID, params StreamParams, opts []Option) iter.Seq2[Event, error] {
	params.Deltas = slices.Clone(params.Deltas)
	return func(yield func(Event, error) bool) {
		cfg, err := s.c.config.with(opts)
		st := &stream{ctx: cfg.named(ctx, op), cfg: cfg, id: id, cursor: params.AfterID, deltas: params.Deltas}
		defer st.close()
		for {
			var event Event
			if err == nil {
				event, err = st.next()
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Event{}, cfg.finish(op, err))
				return
			}
			if !yield(event, nil) {
				return
			}
		}
	}
}

// stream reads a session's events over as many connections as it takes.
type stream struct {
	ctx    context.Context
	cfg    *config
	id     SessionID
	deltas []DeltaType

	cursor   EventID // the last event of the log that was yielded
	pieces   pieces
	ended    bool
	opened   bool // there was a connection
	failures int  // attempts in a row without success
	retry    time.Duration
	conn     *connection
}

// connection is one response that is read as it arrives.
type connection struct {
	events *sse.Reader
	body   io.Closer
	ctx    context.Context
	cancel context.CancelCauseFunc
	since  time.Time
	useful bool // it brought an event
}

func (s *stream) close() {
	if s.conn != nil {
		s.conn.cancel(nil)
		_ = s.conn.body.Close()
		s.conn = nil
	}
}

// next returns the next event, io.EOF after the last.
func (s *stream) next() (Event, error) {
	for !s.ended {
		if s.conn == nil {
			if err := s.connect(); err != nil {
				return Event{}, err
			}
		}
		frame, err := s.conn.events.Next()
		if err != nil {
			if err = s.lost(err); err != nil {
				return Event{}, err
			}
			continue
		}
		s.conn.useful, s.failures = true, 0
		event, ok, err := s.take(frame)
		if err != nil || ok {
			return event, err
		}
	}
	return Event{}, io.EOF
}

// take decodes a frame and moves the cursor; ok is false for what is not an event or was yielded before.
func (s *stream) take(frame sse.Event) (event Event, ok bool, err error) {
	if len(frame.Data) == 0 {
		return Event{}, false, nil
	}
	if err := event.UnmarshalJSON(bytes.Trim(frame.Data, " \t\r\n")); err != nil {
		return Event{}, false, unexpected(http.StatusOK, "an event of the stream is not the contract's: %s", err.Error())
	}
	if event.Type == "" {
		event.Type = EventType(frame.Type)
	}
	switch v := event.Value.(type) {
	case EventStart:
		return event, s.pieces.start(v.Event.ID), nil
	case EventDelta:
		if ok = s.pieces.add(&v); ok {
			event.Value = v
			event.raw, err = json.Marshal(v)
		}
		return event, ok, err
	case SessionDeletedEvent:
		s.ended = true
	}
	if event.Type == errorEvent {
		return Event{}, false, eventError(frame.Data)
	}
	if frame.ID != "" {
		if frame.ID == s.cursor {
			return Event{}, false, nil
		}
		s.cursor = frame.ID
	}
	return event, true, nil
}

// errorEvent is the type of an error on a stream, which some servers send although the contract does not have it.
const errorEvent = "error"

// eventError decodes an error from a stream.
func eventError(data []byte) *Error {
	var wire types.Error
	if err := json.Unmarshal(data, &wire); err != nil || wire.Error.Type == "" {
		return unexpected(http.StatusOK, "the stream ended with an error that is not the contract's")
	}
	return &Error{
		Status: http.StatusOK, Type: wire.Error.Type, Message: wire.Error.Message, Param: value(wire.Error.Param), RequestID: wire.RequestID, Raw: data,
	}
}

// lost closes a connection and waits until it is time for the next one. It returns an error when there is to be none.
func (s *stream) lost(err error) error {
	lasted := s.cfg.clock.now().Sub(s.conn.since)
	if s.conn.useful || lasted >= settled {
		s.failures = 0
	}
	s.retry = s.conn.events.Retry()
	silent := context.Cause(s.conn.ctx) == errSilence
	s.close()
	switch {
	case errors.Is(err, sse.ErrTooLong):
		return unexpected(http.StatusOK, "an event of the stream is larger than 32 MiB")
	case isPermanent(err):
		return failed(err)
	case silent:
		err = errSilence
	case err == io.EOF:
		err = io.ErrUnexpectedEOF // only its last event ends a stream
	}
	failure := failed(because("the stream was cut off", err))
	failure.cause = err
	return s.again(nil, failure)
}

// again counts a failure and waits for the next attempt. It returns failure when there is to be none.
func (s *stream) again(resp *response, failure *Error) error {
	if s.ctx.Err() != nil {
		return ended(s.ctx, &Error{})
	}
	most := s.cfg.retries
	if s.opened {
		most = s.cfg.reconnects
	}
	s.failures++
	failure.Attempts = s.failures
	d, worth := s.cfg.clock.wait(s.ctx, s.failures, resp)
	if s.retry > 0 && resp == nil {
		d = s.retry
	}
	if s.failures > most || !worth {
		return failure
	}
	if s.cfg.clock.sleep(s.ctx, d) != nil {
		return ended(s.ctx, &Error{Attempts: s.failures})
	}
	return nil
}

// connect makes attempts until there is a connection.
func (s *stream) connect() error {
	req, err := s.cfg.request(s.ctx, func(server string) (*http.Request, error) {
		if err := checkID("session_id", s.id); err != nil {
			return nil, err
		}
		params := &types.StreamEventsParams{EventDeltas: s.deltas}
		if s.cursor != "" {
			// Some servers know only one of them.
			params.AfterID, params.LastEventID = &s.cursor, &s.cursor
		}
		return httpclient.NewStreamEventsRequest(server, s.id, params)
	})
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	for s.conn == nil {
		if s.ctx.Err() != nil {
			return ended(s.ctx, &Error{})
		}
		resp, err := s.open(req)
		switch {
		case s.conn != nil:
			s.opened = true
			return nil
		case resp != nil && resp.status/100 == 2:
			text := describe(resp)
			failure := unexpected(resp.status, text.own+"; is the base URL right?", text.foreign...)
			failure.Raw = resp.body
			return failure
		}
		var failure *Error
		if resp != nil {
			failure = responseError(resp, s.cfg.clock.now())
		} else {
			failure = failed(err)
		}
		if !retryable(req, resp, err) {
			failure.Attempts = 1
			return failure
		}
		if err := s.again(resp, failure); err != nil {
			return err
		}
	}
	return nil
}

// open sends req once. It sets the connection, or returns the response that is not a stream, or an error without one.
func (s *stream) open(req *http.Request) (*response, error) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	silence := &silence{limit: s.cfg.timeout, cancel: cancel}
	silence.begin()
	in, err := s.cfg.roundTrip(ctx, req)
	silence.end()
	if err != nil {
		defer cancel(nil)
		if context.Cause(ctx) == errSilence {
			err = because(fmt.Sprintf("no response within %v", s.cfg.timeout), context.DeadlineExceeded)
		}
		return nil, err
	}
	resp := &response{status: in.StatusCode, header: in.Header}
	if resp.status/100 != 2 || mediaType(resp) != "text/event-stream" {
		defer cancel(nil)
		defer in.Body.Close()
		silence.begin()
		defer silence.end()
		resp.body, _ = io.ReadAll(io.LimitReader(in.Body, maxError))
		return resp, nil
	}
	silence.in = in.Body
	s.conn = &connection{
		events: sse.NewReader(silence, maxEvent), body: in.Body, ctx: ctx, cancel: cancel, since: s.cfg.clock.now(),
	}
	return nil, nil
}

// silence reads, and cancels the connection when nothing arrives for too long.
type silence struct {
	in     io.Reader
	limit  time.Duration // 0 for none
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (s *silence) begin() {
	if s.limit > 0 {
		s.timer = time.AfterFunc(s.limit, func() { s.cancel(errSilence) })
	}
}

func (s *silence) end() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

func (s *silence) Read(p []byte) (int, error) {
	s.begin()
	defer s.end()
	return s.in.Read(p)
}

// pieces knows how much of an event in pieces was yielded. A new connection begins the event anew; what was yielded is not
// yielded again.
type pieces struct {
	id    EventID
	given map[int32]int // bytes of each block
	read  map[int32]int // bytes of each block since the last start
}

// start records the start of an event, and reports whether it is the first.
func (p *pieces) start(id EventID) bool {
	first := id != p.id
	if first {
		p.id, p.given = id, map[int32]int{}
	}
	p.read = map[int32]int{}
	return first
}

// add removes from a piece what was yielded before, and reports whether anything is left.
func (p *pieces) add(d *EventDelta) bool {
	if d.EventID != p.id {
		p.start(d.EventID)
	}
	block, text := d.Delta.Index, d.Delta.Content.Text
	known := min(max(p.given[block]-p.read[block], 0), len(text))
	p.read[block] += len(text)
	p.given[block] = max(p.given[block], p.read[block])
	d.Delta.Content.Text = text[known:]
	return known < len(text)
}
