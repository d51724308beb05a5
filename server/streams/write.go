package streams

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/broker"
)

// lastChunk ends a body in chunks (RFC 9112, section 7.1).
var lastChunk = []byte("0\r\n\r\n")

// heartbeat is frames in whose place a heartbeat is written.
var heartbeat = []broker.Frame{{Text: []byte(Heartbeat)}}

// appendChunkHead appends what comes before a chunk's data of that size.
func appendChunkHead(text []byte, size int) []byte {
	return append(strconv.AppendInt(text, int64(size), 16), "\r\n"...)
}

// lineEnd comes after a chunk's data.
const lineEnd = "\r\n"

// roundsAtOnce is how often a stream is written to before others have their turn.
const roundsAtOnce = 2

// serve writes what there is without waiting, and leaves the stream to whoever goes on with it. text is room for what is
// written; serve returns it for the next stream.
func (s *stream) serve(text []byte) (room []byte) {
	defer s.survive()
	s.take()
	for range roundsAtOnce {
		if s.isOver() {
			s.complete()
			return text
		}
		frames, err := s.Reader.Poll(s)
		switch {
		case final(err):
			s.complete()
			return text
		case err != nil:
			go s.follow(nil, 0)
			return text
		case len(frames) == 0 && !s.silent.Load():
			s.rest()
			return text
		case len(frames) == 0:
			frames = heartbeat
		}
		text = text[:0]
		for _, f := range frames {
			text = appendChunkHead(text, len(f.Text))
			text = append(append(text, f.Text...), lineEnd...)
		}
		n, err := s.try(text)
		switch {
		case err != nil:
			s.abandon(err)
			return text
		case n < len(text):
			go s.follow(frames, n)
			return text
		}
		s.writers.beats.postpone(s)
	}
	s.requeue()
	return text
}

// final reports whether an error of the reader is its end.
func final(err error) bool {
	return errors.Is(err, broker.ErrClosed) || errors.Is(err, broker.ErrEnded)
}

// follow writes the frames, of whose chunks that many bytes are written already, and goes on until the stream has caught up
// with its session. It waits for the caller and for the store.
func (s *stream) follow(frames []broker.Frame, written int) {
	defer s.survive()
	for {
		if err := s.send(frames, written); err != nil {
			s.abandon(err)
			return
		}
		if s.isOver() {
			s.complete()
			return
		}
		var err error
		frames, err = s.read()
		written = 0
		switch {
		case err != nil:
			s.complete()
			return
		case len(frames) == 0:
			s.deadline(time.Time{})
			s.requeue()
			return
		}
	}
}

// read returns the next frames, none when the stream has caught up, or an error when they have ended. It returns a heartbeat
// when one is due, when the stream has to end, and RetryRead after the store has failed.
func (s *stream) read() ([]broker.Frame, error) {
	ctx, done := s.reading()
	defer done()
	frames, err := s.Reader.Read(ctx)
	if err == nil || final(err) {
		return frames, err
	}
	if ctx.Err() == nil {
		s.writers.opts.Unreadable(ctx, err)
		select {
		case <-ctx.Done():
		case <-time.After(RetryRead):
		}
	}
	return heartbeat, nil
}

// buffers are those of follow, which gather small writes.
var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 4<<10) }}

// send writes the chunks of frames, of which that many bytes are written already. It stops between two frames when the
// stream has to end.
func (s *stream) send(frames []broker.Frame, written int) error {
	if len(frames) == 0 {
		return nil
	}
	out := buffers.Get().(*bufio.Writer)
	out.Reset(paced{s})
	defer func() {
		out.Reset(nil)
		buffers.Put(out)
	}()
	for _, f := range frames {
		head := appendChunkHead(nil, len(f.Text))
		if size := len(head) + len(f.Text) + len(lineEnd); written >= size {
			written -= size
			continue
		}
		if written == 0 && s.isOver() {
			break
		}
		for _, part := range [][]byte{head, f.Text, []byte(lineEnd)} {
			skip := min(written, len(part))
			written -= skip
			if _, err := out.Write(part[skip:]); err != nil {
				return err
			}
		}
	}
	err := out.Flush()
	s.writers.beats.postpone(s)
	return err
}

// extend gives the caller time to read the next piece.
func (s *stream) extend() {
	if s.writers.opts.Patience > 0 {
		s.deadline(time.Now().Add(s.writers.opts.Patience))
	}
}

// paced writes to the connection of a stream piece by piece, and gives the caller time for each.
type paced struct{ s *stream }

var _ io.Writer = paced{}

// Write implements io.Writer.
func (p paced) Write(text []byte) (written int, err error) {
	for len(text) > 0 && err == nil {
		p.s.extend()
		var n int
		n, err = p.s.Conn.Write(text[:min(len(text), p.s.writers.opts.Piece)])
		written, text = written+n, text[n:]
	}
	return written, err
}
