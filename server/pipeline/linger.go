package pipeline

import (
	"io"
	"net/http"
	"time"
)

// The bounds of what is read of a request's body after its response was sent.
const (
	lingerBytes = 64 << 20
	lingerTime  = 5 * time.Second
)

// smallBody is the length, in bytes, of a body that net/http reads to its end by itself before it responds.
const smallBody = 256 << 10

// linger lets callers read a response that did not wait for their body, such as a 401. Most clients write the complete
// body before they read; a server that closes the connection meanwhile resets it, and the caller sees "broken pipe"
// instead of the response. So the rest of the body is read and discarded, up to the bounds, before the connection is
// closed, which net/http does after a body that is not small.
func linger(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := r.Body
		next.ServeHTTP(w, r)
		if 0 <= r.ContentLength && r.ContentLength < smallBody {
			return
		}
		out := http.NewResponseController(w)
		_ = out.Flush()
		if out.SetReadDeadline(time.Now().Add(lingerTime)) == nil { // otherwise nothing would bound the time
			_, _ = io.CopyN(io.Discard, body, lingerBytes)
		}
	})
}
