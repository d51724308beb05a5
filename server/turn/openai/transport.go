package openai

import (
	"errors"
	"io"
	"net/http"

	"github.com/cloud-sessions/sessions/server/tracing"
)

// The bounds of what is read of one HTTP response, in bytes: of a refusal, and of all else, where most of it is not text.
const (
	maxRefusal  = 64 << 10
	maxResponse = 128 << 20
)

// errTooMuch ends a response that is longer than any that makes sense.
var errTooMuch = errors.New("the response is too long")

// bounded is a transport whose responses end, and whose requests name the trace that they are in, if any.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(tracing.Outgoing(request))
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusBadRequest {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxRefusal, end: io.EOF}
	} else {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxResponse, end: errTooMuch}
	}
	return response, nil
}

// boundedBody reads left bytes and then ends with an error.
type boundedBody struct {
	io.ReadCloser
	left int
	end  error
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.end
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// withBounds returns a client whose responses are bounded.
func withBounds(client *http.Client) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	next := client.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	copied := *client
	copied.Transport = bounded{next}
	return &copied
}

// noticing calls a function whenever something was read.
type noticing struct {
	io.Reader
	notice func()
}

// Read implements io.Reader.
func (r noticing) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.notice()
	}
	return n, err
}
