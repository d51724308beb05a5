package control

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// The bounds of a record, in addition to its bytes.
const (
	maxRequests = 1000
	maxBody     = 64 << 10
)

// Request is a request as it arrived, and the status of its response.
type Request struct {
	// Operation is the operationId; "" for a request outside the contract.
	Operation string
	Method    string
	// Path is the complete path, percent-encoded as it was sent.
	Path string
	// Query and Header do not have the token and other secrets.
	Query  url.Values
	Header http.Header
	// Body is at most the first 64 KiB; Cut is whether there was more.
	Body []byte
	Cut  bool
	// Status is the status of the response; 0 before there is one, and when the connection was dropped before it.
	Status int
}

// bytes is about how much memory the request occupies.
func (r *Request) bytes() int {
	n := len(r.Path) + len(r.Body)
	for _, values := range []map[string][]string{r.Query, r.Header} {
		for name, list := range values {
			n += len(name)
			for _, value := range list {
				n += len(value)
			}
		}
	}
	return n
}

// record is the last requests, within its bounds.
type record struct {
	maxBytes int

	mu       sync.Mutex
	requests []*Request
	bytes    int
}

// add appends a request, in the place of the oldest ones where there is no room.
func (r *record) add(seen *Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.bytes = append(r.requests, seen), r.bytes+seen.bytes()
	for len(r.requests) > maxRequests || r.bytes > r.maxBytes {
		r.bytes -= r.requests[0].bytes()
		r.requests = slices.Delete(r.requests, 0, 1)
	}
}

// answered sets the status of the response to a request.
func (r *record) answered(seen *Request, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen.Status = status
}

func (r *record) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.bytes = nil, 0
}

func (r *record) list(operations []string) []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []Request{}
	for _, seen := range r.requests {
		if len(operations) == 0 || slices.Contains(operations, seen.Operation) {
			list = append(list, *seen)
		}
	}
	return list
}

// Record returns a handler that records requests before it passes them to next: on the stage that stageOf returns, which may
// be nil. Operation returns the operationId of a request.
func Record(next http.Handler, operation func(*http.Request) string, stageOf func(*http.Request) *Stage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		stage := stageOf(req)
		if stage == nil {
			next.ServeHTTP(w, req)
			return
		}
		seen := read(req)
		seen.Operation = operation(req)
		stage.record.add(seen)
		next.ServeHTTP(&statusWriter{ResponseWriter: w, status: func(status int) { stage.record.answered(seen, status) }}, req)
	})
}

// read makes a Request of req, which keeps its body.
func read(req *http.Request) *Request {
	seen := &Request{
		Method: req.Method, Path: req.URL.EscapedPath(), Query: withoutNamedSecrets(req.URL.Query()), Header: withoutNamedSecrets(req.Header),
	}
	start, err := io.ReadAll(io.LimitReader(req.Body, maxBody+1))
	rest := req.Body
	if err != nil {
		rest = io.NopCloser(&failing{err})
	}
	req.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), rest), req.Body}
	seen.Cut = len(start) > maxBody
	seen.Body = start[:min(len(start), maxBody)]
	return seen
}

// failing is the rest of a body that could not be read.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// statusWriter reports the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status func(int)
}

// WriteHeader implements http.ResponseWriter. The server always calls it.
func (w *statusWriter) WriteHeader(status int) {
	w.status(status)
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
