package pipeline

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// resets is a response whose stream is reset when a write has taken some time, as the one of HTTP/2 is at its deadline.
type resets struct {
	*httptest.ResponseRecorder
	after time.Duration
}

var errReset = errors.New("stream closed")

// Write implements http.ResponseWriter.
func (r *resets) Write([]byte) (int, error) {
	time.Sleep(r.after)
	return 0, errReset
}

// FlushError is found by http.ResponseController.
func (r *resets) FlushError() error {
	_, err := r.Write(nil)
	return err
}

// TestALateWriteIsToldFromABrokenOne writes to a stream that is reset at the deadline, and to one that its caller resets before.
func TestALateWriteIsToldFromABrokenOne(t *testing.T) {
	t.Parallel()
	for after, patience := range map[time.Duration]time.Duration{5 * time.Millisecond: time.Millisecond, 0: time.Hour} {
		w := &pacedWriter{ResponseWriter: &resets{httptest.NewRecorder(), after}, patience: patience}
		_, written := w.Write([]byte("x"))
		for _, err := range []error{written, http.NewResponseController(w).Flush()} {
			if late := errors.Is(err, os.ErrDeadlineExceeded); late != (after > patience) || !errors.Is(err, errReset) {
				t.Errorf("after %s of %s: %v", after, patience, err)
			}
		}
	}
}
