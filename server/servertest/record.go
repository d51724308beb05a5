package servertest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/cloud-sessions/sessions/server"
)

// The bounds of the record.
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
	Path  string
	Query url.Values
	// Header does not have the token and other secrets.
	Header http.Header
	// Body is at most the first 64 KiB; Cut is whether there was more.
	Body []byte
	Cut  bool
	// Status is the status of the response; 0 before there is one, and when the connection was dropped before it.
	Status int
}

// recorder records the requests that it passes to the server.
type recorder struct {
	next *server.Server

	mu       sync.Mutex
	requests []*Request
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	seen := r.read(req)
	r.mu.Lock()
	if len(r.requests) == maxRequests {
		r.requests = slices.Delete(r.requests, 0, 1)
	}
	r.requests = append(r.requests, seen)
	r.mu.Unlock()
	r.next.ServeHTTP(&statusWriter{ResponseWriter: w, status: func(status int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		seen.Status = status
	}}, req)
}

// read makes a Request of req, which keeps its body.
func (r *recorder) read(req *http.Request) *Request {
	seen := &Request{
		Operation: r.next.OperationID(req), Method: req.Method, Path: req.URL.EscapedPath(), Query: req.URL.Query(), Header: req.Header.Clone(),
	}
	for _, secret := range []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"} {
		seen.Header.Del(secret)
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

// list returns copies of the requests for these operations, or of all.
func (r *recorder) list(operations []string) []Request {
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
