package pipeline

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/internal/panics"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/streams"
	"github.com/cloud-sessions/sessions/server/tracing"
)

// EventStream returns the response of streamEvents: the reader's frames as server-sent events, until the caller leaves,
// the session is deleted, the caller's token expires or is revoked, or the server stops. A caller that does not read a
// frame in time is disconnected, to resume from its cursor. The response closes the reader.
//
// Over HTTP/1.1 without TLS the response takes its connection over and continues in package streams, which needs a fraction
// of the memory. What the caller gets is the same, except that the connection is closed at the stream's end.
func (p *Pipeline) EventStream(ctx context.Context, reader *broker.Reader) echoserver.StreamEventsResponseObject {
	return &eventStream{pipeline: p, reader: reader, ctx: ctx}
}

type eventStream struct {
	pipeline *Pipeline
	reader   *broker.Reader
	ctx      context.Context
}

// VisitStreamEventsResponse implements echoserver.StreamEventsResponseObject. It sends the headers at once, then the
// stream.
func (s *eventStream) VisitStreamEventsResponse(w http.ResponseWriter) error {
	info := request.From(s.ctx)
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-transform") // a proxy that compresses holds frames back
	w.Header().Set("X-Accel-Buffering", "no")
	own := info.OwnConnection && !info.Head
	if own {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	err := out.Flush()
	if err != nil || info.Head {
		s.reader.Close()
		s.countDropped(err)
		return err
	}
	if own {
		if conn, _, err := out.Hijack(); err == nil {
			info.Continue = func(end func()) { s.continueOn(conn, end) }
			return nil
		}
	}
	s.run(w, out)
	return nil
}

// continueOn leaves the stream to the writers, on a connection of its own. Of the request's context only the span stays.
func (s *eventStream) continueOn(conn net.Conn, end func()) {
	info := request.From(s.ctx)
	info.Context = tracing.Detach(info.Context)
	s.pipeline.streams.Serve(streams.Stream{
		Conn: conn, Reader: s.reader, Context: info, Account: info.Account, Ended: end,
		Hold: func(end func()) (release func()) {
			return s.pipeline.opts.Auth.OnEnd(info.Token, func(error) { end() })
		},
	})
}

// run writes the stream as net/http does it, and waits for its end.
func (s *eventStream) run(w http.ResponseWriter, out *http.ResponseController) {
	defer s.reader.Close()
	held, release := s.pipeline.opts.Auth.Hold(s.ctx, request.From(s.ctx).Token)
	defer release()
	s.ctx = held
	defer cutOff(held, out)()
	_ = out.SetReadDeadline(time.Time{}) // the server's deadline is for requests, not for the time that their responses take
	for {
		frames, more := s.next()
		if !more {
			return
		}
		err := s.write(w, frames)
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			s.countDropped(err)
			return
		}
	}
}

// countDropped counts a stream that ended because its reader did not read in time.
func (s *eventStream) countDropped(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.pipeline.metrics.dropped.Inc()
	}
}

// cutOff leaves a stream streams.LastWrite for what it still writes once ctx is done, whatever deadlines the writes set. The
// function that it returns ends that.
func cutOff(ctx context.Context, out *http.ResponseController) (stop func()) {
	ended, returned := make(chan struct{}), make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(returned)
		for last := time.Now().Add(streams.LastWrite); ; {
			_ = out.SetWriteDeadline(last)
			select {
			case <-ended:
				return
			case <-time.After(streams.LastWrite / 4):
			}
		}
	})
	return func() {
		close(ended)
		if !cancel() {
			<-returned
		}
	}
}

// write writes frames; a heartbeat if there are none.
func (s *eventStream) write(w http.ResponseWriter, frames []broker.Frame) error {
	if len(frames) == 0 {
		_, err := io.WriteString(w, streams.Heartbeat)
		return err
	}
	for _, f := range frames {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if _, err := w.Write(f.Text); err != nil {
			return err
		}
	}
	return nil
}

// next returns the next frames, none for a heartbeat; more is false at the stream's end.
func (s *eventStream) next() (frames []broker.Frame, more bool) {
	ctx, cancel := context.WithTimeout(s.ctx, s.pipeline.opts.Heartbeat)
	defer cancel()
	frames, err := s.reader.Next(ctx)
	switch {
	case err == nil:
		return frames, true
	case s.ctx.Err() != nil, errors.Is(err, broker.ErrClosed), errors.Is(err, broker.ErrEnded):
		return nil, false
	case ctx.Err() == nil:
		s.pipeline.unreadable(s.ctx, err)
		select {
		case <-s.ctx.Done():
			return nil, false
		case <-time.After(streams.RetryRead):
		}
	}
	return nil, true
}

// unreadable logs that a stream could not read its session.
func (p *Pipeline) unreadable(ctx context.Context, err error) {
	p.log.WarnContext(ctx, "a stream could not read its session", "request_id", request.From(ctx).ID, "error", err)
}

// streamFailed logs that a stream has panicked.
func (p *Pipeline) streamFailed(ctx context.Context, err *panics.Error) {
	p.log.ErrorContext(ctx, "a stream failed", "request_id", request.From(ctx).ID, "error", err, "stack", string(err.Stack))
}

// OpenedStreams returns how many streams have ever taken over their connections.
func (p *Pipeline) OpenedStreams() int { return p.streams.Opened() }

// EndStreams waits until the streams that have taken over their connections have ended, which they do when the broker is
// closed. When ctx ends before, it closes their connections and returns ctx's error.
func (p *Pipeline) EndStreams(ctx context.Context) error {
	err := p.streams.Wait(ctx)
	if err != nil {
		p.streams.Abort()
	}
	return err
}
