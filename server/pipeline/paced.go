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
}

// Write writes in pieces.
func (w *pacedWriter) Write(p []byte) (written int, err error) {
	out := http.NewResponseController(w.ResponseWriter)
	for first := true; first || len(p) > 0 && err == nil; first = false {
		piece := p[:min(len(p), pieceBytes)]
		began := w.extend(out)
		var n int
		n, err = w.ResponseWriter.Write(piece)
		err = w.late(began, err)
		written, p = written+n, p[len(piece):]
	}
	return written, err
}

// FlushError sends what is buffered; http.ResponseController calls it.
func (w *pacedWriter) FlushError() error {
	out := http.NewResponseController(w.ResponseWriter)
	began := w.extend(out)
	return w.late(began, out.Flush())
}

// extend gives the caller time for the next piece, from the time that it returns.
func (w *pacedWriter) extend(out *http.ResponseController) (now time.Time) {
	now = time.Now()
	if w.patience > 0 {
		_ = out.SetWriteDeadline(now.Add(w.patience)) // not every writer has deadlines
	}
	return now
}

// late makes the error of a write that has taken all of its time an os.ErrDeadlineExceeded. Over HTTP/2 it is another one: at
// the deadline the stream is reset.
func (w *pacedWriter) late(began time.Time, err error) error {
	if err == nil || w.patience <= 0 || time.Since(began) < w.patience || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
