package pipeline

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/request"
)

// lastWrite is how long a write may still take once the stream has ended.
const lastWrite = 250 * time.Millisecond

// retryRead is how long a stream waits before it reads again after the store has failed.
const retryRead = time.Second

// EventStream returns the response of streamEvents: the reader's frames as server-sent events, until the caller leaves,
// the session is deleted, the caller's token expires or is revoked, or the server stops. A caller that does not read a
// frame in time is disconnected, to resume from its cursor. The response closes the reader.
func (p *Pipeline) EventStream(ctx context.Context, reader *broker.Reader) echoserver.StreamEventsResponseObject {
	return &eventStream{
		reader: reader, ctx: ctx, hold: p.opts.Auth.Hold, heartbeat: p.opts.Heartbeat, log: p.log,
		dropped: p.metrics.dropped.Inc,
	}
}

type eventStream struct {
	reader *broker.Reader
	ctx    context.Context
	// hold returns a context that ends when the caller's token is no longer valid.
	hold      func(ctx context.Context, token string) (held context.Context, release func())
	heartbeat time.Duration // the longest silence
	log       *slog.Logger
	dropped   func()
	text      []byte // to be reused
}

// VisitStreamEventsResponse implements echoserver.StreamEventsResponseObject. It sends the headers at once, then the
// stream.
func (s *eventStream) VisitStreamEventsResponse(w http.ResponseWriter) error {
	defer s.reader.Close()
	held, release := s.hold(s.ctx, request.From(s.ctx).Token)
	defer release()
	s.ctx = held
	out := http.NewResponseController(w)
	defer cutOff(held, out)()
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-transform") // a proxy that compresses holds frames back
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if request.From(s.ctx).Head {
		return out.Flush()
	}
	_ = out.SetReadDeadline(time.Time{}) // the server's deadline is for requests, not for the time that their responses take
	for {
		if err := out.Flush(); err != nil {
			s.countDropped(err)
			return err
		}
		frames, more := s.next()
		if !more {
			return nil
		}
		if err := s.write(w, frames); err != nil {
			s.countDropped(err)
			return nil
		}
	}
}

// countDropped counts a stream that ended because its reader did not read in time.
func (s *eventStream) countDropped(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.dropped()
	}
}

// cutOff leaves a stream lastWrite for what it still writes once ctx is done, whatever deadlines the writes set. The
// function that it returns ends that.
func cutOff(ctx context.Context, out *http.ResponseController) (stop func()) {
	ended, returned := make(chan struct{}), make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(returned)
		for last := time.Now().Add(lastWrite); ; {
			_ = out.SetWriteDeadline(last)
			select {
			case <-ended:
				return
			case <-time.After(lastWrite / 4):
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

// write writes frames one by one, so that only one of them is held twice; a heartbeat if there are none.
func (s *eventStream) write(w http.ResponseWriter, frames []broker.Frame) error {
	text := s.text[:0]
	if len(frames) == 0 {
		text = append(text, ": heartbeat\n\n"...)
	}
	for i, f := range frames {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if i > 0 {
			if _, err := w.Write(text); err != nil {
				return err
			}
		}
		text = appendFrame(text[:0], f)
	}
	_, err := w.Write(text)
	if s.text = text; cap(text) > largestKept {
		s.text = nil // an idle stream keeps little
	}
	return err
}

// next returns the next frames, none for a heartbeat; more is false at the stream's end.
func (s *eventStream) next() (frames []broker.Frame, more bool) {
	ctx, cancel := context.WithTimeout(s.ctx, s.heartbeat)
	defer cancel()
	frames, err := s.reader.Next(ctx)
	switch {
	case err == nil:
		return frames, true
	case s.ctx.Err() != nil, errors.Is(err, broker.ErrClosed), errors.Is(err, broker.ErrEnded):
		return nil, false
	case ctx.Err() == nil:
		s.log.WarnContext(s.ctx, "a stream could not read its session", "request_id", request.From(s.ctx).ID, "error", err)
		select {
		case <-s.ctx.Done():
			return nil, false
		case <-time.After(retryRead):
		}
	}
	return nil, true
}

// appendFrame writes one server-sent event. Data is one line of JSON.
func appendFrame(text []byte, f broker.Frame) []byte {
	if f.ID != "" {
		text = append(append(append(text, "id: "...), f.ID...), '\n')
	}
	text = append(append(append(text, "event: "...), f.Type...), '\n')
	return append(appendLine(append(text, "data: "...), f.Data), "\n\n"...)
}

// lineBreaks are the characters that end a line for Unicode but not for server-sent events, with their JSON escapes.
// Clients that split lines by Unicode's rules, as Python's splitlines does, would cut a frame there.
var lineBreaks = [...]struct{ char, escape string }{
	{"\u0085", `\u0085`}, {"\u2028", `\u2028`}, {"\u2029", `\u2029`},
}

// appendLine appends a JSON text without characters that end a line. In JSON they occur in strings only.
func appendLine(text, data []byte) []byte {
	for _, b := range lineBreaks {
		if bytes.Contains(data, []byte(b.char)) {
			data = bytes.ReplaceAll(data, []byte(b.char), []byte(b.escape))
		}
	}
	return append(text, data...)
}
