package broker

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/event"
)

// Errors of Reader.Next, Read and Poll that are final.
var (
	// ErrClosed means that the broker was closed: the reader may resume in another process.
	ErrClosed = errors.New("broker: closed")
	// ErrEnded means that the session was deleted.
	ErrEnded = errors.New("broker: the session was deleted")
)

// Deltas selects the types of events that a reader also gets in pieces, ahead of the event.
type Deltas struct{ Message, Thinking bool }

// Reader reads one session's log. It is for one goroutine at a time.
type Reader struct {
	topic  *topic
	deltas Deltas
	grant  *budget.Grant // for the frames that were returned last
	large  int           // bytes that the grant has for large pieces among them
	progress

	place int // among those that wait to be woken, from 1; 0 for none. It is guarded by the topic.
}

// progress is how far a reader is.
type progress struct {
	cursor int64 // the position of the last event that was returned
	ended  bool

	started string // the event whose start was returned
	given   int    // bytes of its text that were returned
}

// Close ends the reader, which no longer counts.
func (r *Reader) Close() {
	r.grant.Close()
	r.topic.forget(r)
	r.topic.broker.leave(r.topic)
}

// Next waits for the next frames and returns them in order. It returns ctx's error if ctx ends first, ErrEnded after the
// frame session.deleted, and ErrClosed once the broker is closed. After an error of the store it may be called again. The
// frames are the caller's until the next call.
func (r *Reader) Next(ctx context.Context) ([]Frame, error) {
	for {
		frames, changed, err := r.read(ctx)
		if err != nil || len(frames) > 0 {
			return frames, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.topic.broker.ctx.Done():
		case <-changed:
		}
	}
}

// Read is Next that does not wait for the log to grow: at its end it returns no frames.
func (r *Reader) Read(ctx context.Context) ([]Frame, error) {
	frames, _, err := r.read(ctx)
	return frames, err
}

// read is Read. If it returns no frames, the channel is closed once there may be some. It waits until there is memory for
// large pieces.
func (r *Reader) read(ctx context.Context) (out []Frame, changed <-chan struct{}, err error) {
	for {
		out, changed, err = r.attempt(ctx)
		if err != nil {
			r.grant.Keep(0) // whoever waits holds nothing
		}
		var full *noRoomError
		if !errors.As(err, &full) {
			return out, changed, err
		}
		if err := r.grant.Wait(ctx, full.bytes+2*pageBytes); err != nil {
			return nil, nil, err
		}
	}
}

// attempt is read that returns a *noRoomError in place of waiting for memory for pieces.
func (r *Reader) attempt(ctx context.Context) (out []Frame, changed <-chan struct{}, err error) {
	if err := r.begin(); err != nil {
		return nil, nil, err
	}
	changed, _ = r.topic.latest()
	d, drafted := r.topic.broker.draftOf(r.topic.session) // read before the log, so that the events before the draft are in the log
	frames, err := r.topic.after(ctx, r.cursor, r.grant)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case len(frames) > 0:
		out, err = r.weave(frames)
	case drafted && r.deltas.Message && !d.stale:
		out, err = r.draft(ctx, d)
	}
	return out, changed, err
}

// noRoomError is pieces of that many bytes that the budget has no room for at present.
type noRoomError struct{ bytes int }

func (e *noRoomError) Error() string { return "broker: no memory for the pieces of a message" }

// reserve reserves what a piece takes, or returns a *noRoomError. Small pieces are shared, as the topic's window is.
func (r *Reader) reserve(bytes int) error {
	if bytes <= windowBytes {
		return nil
	}
	r.large += bytes
	if r.grant.Grow(bytes) != nil {
		return &noRoomError{r.large}
	}
	return nil
}

// begin gives back what the frames took that were returned last. It returns the error of a reader that gets no more.
func (r *Reader) begin() error {
	r.grant.Keep(0)
	r.large = 0
	switch {
	case r.topic.broker.ctx.Err() != nil:
		return ErrClosed
	case r.ended:
		return ErrEnded
	}
	return nil
}

// draft returns the pieces of a draft that the reader has not got, unless the message is in the log already.
func (r *Reader) draft(ctx context.Context, d draft) (out []Frame, err error) {
	if r.started != d.eventID {
		stored, err := r.topic.holds(ctx, d.eventID, r.cursor)
		if err != nil || stored {
			return nil, err
		}
	}
	err = r.pieces(&out, d)
	return out, err
}

// weave moves the cursor past the frames, and inserts the pieces that the reader asked for. After an error the reader is where
// it was.
func (r *Reader) weave(frames []Frame) (_ []Frame, err error) {
	before := r.progress
	defer func() {
		if err != nil {
			r.progress = before
		}
	}()
	if r.deltas == (Deltas{}) {
		r.pass(frames)
		return frames, nil
	}
	out := make([]Frame, 0, len(frames)+2)
	for _, f := range frames {
		switch {
		case r.deltas.Message && f.Type == event.AgentMessage:
			if err := r.finish(&out, f); err != nil {
				return nil, err
			}
			r.started = "" // increments that come after their message are not delivered
		case r.deltas.Thinking && f.Type == event.AgentThinking:
			start, err := r.topic.broker.passing(event.Start, startOf(f.ID, types.DeltaTypeAgentThinking))
			if err != nil {
				return nil, err
			}
			out = append(out, start)
		}
		out = append(out, f)
	}
	r.pass(frames)
	return out, nil
}

func (r *Reader) pass(frames []Frame) {
	if len(frames) > 0 {
		last := frames[len(frames)-1]
		r.cursor, r.ended = last.position, last.Type == event.SessionDeleted
	}
}

// finish adds the remaining pieces of a message whose event comes next, if the reader has got its start or the draft is
// still there.
func (r *Reader) finish(out *[]Frame, f Frame) error {
	d, ok := r.topic.broker.draftOf(r.topic.session)
	if !ok || d.eventID != f.ID {
		if r.started != f.ID {
			return nil
		}
		var message types.AgentMessageEvent
		if err := json.Unmarshal(f.Data, &message); err != nil {
			return err
		}
		d = draft{eventID: f.ID}
		for _, text := range message.Content {
			d.text = append(d.text, text...)
		}
	}
	return r.pieces(out, d)
}

// pieces adds the start of a draft, unless the reader has got it, and the text that the reader has not got. After an error the
// reader has got neither.
func (r *Reader) pieces(out *[]Frame, d draft) error {
	begun, given := r.started == d.eventID, r.given
	if !begun {
		given = 0
	}
	var piece Frame
	if missing := len(d.text) - given; missing > 0 {
		err := r.reserve(missing)
		if err != nil {
			return err
		}
		if piece, err = r.topic.piece(d, given); err != nil {
			return err
		}
		if err := r.reserve(len(piece.Text) - missing); err != nil { // what takes more in JSON
			return err
		}
	}
	if !begun {
		start, err := r.topic.start(d.eventID)
		if err != nil {
			return err
		}
		*out = append(*out, start)
	}
	if piece.Text != nil {
		*out = append(*out, piece)
	}
	r.started, r.given = d.eventID, max(given, len(d.text))
	return nil
}
