package pipeline

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// deadlines keeps the read deadlines that are set.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

// SetReadDeadline is found by http.ResponseController.
func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// slowReader takes some time for each read.
type slowReader struct {
	io.Reader
	takes time.Duration
}

func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(s.takes)
	return s.Reader.Read(p)
}

// TestPacedBody reads a body: every read has a deadline, the time for a piece runs while it is read, and starts anew with
// the next piece.
func TestPacedBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		const takes = 20 * time.Millisecond
		from := io.NopCloser(slowReader{strings.NewReader(strings.Repeat("x", 2*pieceBytes)), takes})
		body := &pacedBody{ReadCloser: from, out: http.NewResponseController(w), patience: time.Hour}
		for _, size := range []int{10, pieceBytes - 10, 10} {
			if n, err := io.ReadFull(body, make([]byte, size)); n != size || err != nil {
				t.Fatalf("%d bytes, %v", n, err)
			}
		}
		if len(w.set) != 3 {
			t.Fatalf("%d deadlines for 3 reads", len(w.set))
		}
		// The first read took at least so much of the piece's time, which the second one lacks; the third begins a piece.
		if waited := body.waited; waited < takes || body.piece != 10 {
			t.Errorf("waited %v for %d bytes of the second piece", waited, body.piece)
		}
		if gained := w.set[1].Sub(w.set[0]); gained > takes/2 {
			t.Errorf("the second read has %v more time", gained)
		}
		if gained := w.set[2].Sub(w.set[1]); gained < takes {
			t.Errorf("the second piece has only %v more time", gained)
		}
	})
}
