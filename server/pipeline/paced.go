package pipeline

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

// pieceBytes is how much of a response the caller has to read in time.
const pieceBytes = 64 << 10

// pacedWriter gives the caller some time for each piece of a response, the frames of a stream among them: one who does not
// read is disconnected, so that what the response holds is freed.
type pacedWriter struct {
	http.ResponseWriter
	patience time.Duration // 0 for no bound
	// http2 is whether the response is sent over HTTP/2, where a deadline that passes resets the stream, also while nothing is
	// written.
	http2    bool
	deadline time.Time // that the next write has to meet; zero for none
	passed   bool      // a write began after the deadline of the one before it
}

// Write writes in pieces.
func (w *pacedWriter) Write(p []byte) (written int, err error) {
	out := http.NewResponseController(w.ResponseWriter)
	for first := true; first || len(p) > 0 && err == nil; first = false {
		piece := p[:min(len(p), pieceBytes)]
		w.extend(out)
		var n int
		n, err = w.ResponseWriter.Write(piece)
		err = w.late(err)
		written, p = written+n, p[len(piece):]
	}
	return written, err
}

// FlushError sends what is buffered; http.ResponseController calls it. What is written later gets a time of its own.
func (w *pacedWriter) FlushError() error {
	out := http.NewResponseController(w.ResponseWriter)
	w.extend(out)
	err := out.Flush()
	if err == nil && w.http2 {
		w.deadline = time.Time{}
		_ = out.SetWriteDeadline(w.deadline)
	}
	return w.late(err)
}

// extend gives the caller time for the next piece.
func (w *pacedWriter) extend(out *http.ResponseController) {
	if w.patience <= 0 {
		return
	}
	now := time.Now()
	w.passed = w.passed || w.http2 && !w.deadline.IsZero() && now.After(w.deadline)
	w.deadline = now.Add(w.patience)
	_ = out.SetWriteDeadline(w.deadline) // not every writer has deadlines
}

// late makes the error of a write after a deadline an os.ErrDeadlineExceeded. Over HTTP/2 it is another one, since the stream was
// reset.
func (w *pacedWriter) late(err error) error {
	if err == nil || w.patience <= 0 || errors.Is(err, os.ErrDeadlineExceeded) || !w.passed && time.Now().Before(w.deadline) {
		return err
	}
	return fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
