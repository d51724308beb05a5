package pipeline

import (
	"net/http"
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
		w.extend(out)
		var n int
		n, err = w.ResponseWriter.Write(piece)
		written, p = written+n, p[len(piece):]
	}
	return written, err
}

// FlushError sends what is buffered; http.ResponseController calls it.
func (w *pacedWriter) FlushError() error {
	out := http.NewResponseController(w.ResponseWriter)
	w.extend(out)
	return out.Flush()
}

// extend gives the caller time for the next piece.
func (w *pacedWriter) extend(out *http.ResponseController) {
	if w.patience > 0 {
		_ = out.SetWriteDeadline(time.Now().Add(w.patience)) // not every writer has deadlines
	}
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
