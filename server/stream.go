package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/server/broker"
)

// retryRead is how long a stream waits before it reads on after the store has failed.
const retryRead = time.Second

// eventStream is the answer of streamEvents: server-sent events for as long as the caller, the session and the
// server are there. A caller who does not take a frame in time is let go, to resume from its cursor.
type eventStream struct {
	reader *broker.Reader
	ctx    context.Context
	// heartbeat is the longest silence; patience is how long the caller may take for a frame.
	heartbeat, patience time.Duration
	log                 *slog.Logger
}

var _ echoserver.StreamEventsResponseObject = (*eventStream)(nil)

// VisitStreamEventsResponse sends the headers at once, then the stream.
func (s *eventStream) VisitStreamEventsResponse(w http.ResponseWriter) error {
	defer s.reader.Close()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	_ = out.SetReadDeadline(time.Time{}) // the server's is for requests, not for how long their answers take
	var text []byte
	for first := true; ; first = false {
		if !first {
			var more bool
			if text, more = s.next(text[:0]); !more {
				return nil
			}
		}
		_ = out.SetWriteDeadline(time.Now().Add(s.patience)) // not every writer can
		if len(text) > 0 {
			if _, err := w.Write(text); err != nil {
				return nil
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if cap(text) > 64<<10 {
			text = nil // an idle stream keeps little
		}
	}
}

// next appends what comes next to text; more is false at the stream's end.
func (s *eventStream) next(text []byte) (_ []byte, more bool) {
	ctx, cancel := context.WithTimeout(s.ctx, s.heartbeat)
	defer cancel()
	frames, err := s.reader.Next(ctx)
	switch {
	case err == nil:
		for _, f := range frames {
			text = appendFrame(text, f)
		}
		return text, true
	case s.ctx.Err() != nil, errors.Is(err, broker.ErrClosed), errors.Is(err, broker.ErrEnded):
		return nil, false
	case ctx.Err() == nil:
		s.log.WarnContext(s.ctx, "a stream could not read on", "request_id", infoOf(s.ctx).id, "error", err)
		select {
		case <-s.ctx.Done():
			return nil, false
		case <-time.After(retryRead):
		}
	}
	return append(text, ": heartbeat\n\n"...), true
}

// appendFrame writes one server-sent event. Data is one line: it is JSON.
func appendFrame(text []byte, f broker.Frame) []byte {
	if f.ID != "" {
		text = append(append(append(text, "id: "...), f.ID...), '\n')
	}
	text = append(append(append(text, "event: "...), f.Type...), '\n')
	return append(append(append(text, "data: "...), f.Data...), "\n\n"...)
}
