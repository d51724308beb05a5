package mcptools

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/egress"
	"github.com/cloud-sessions/sessions/server/tracing"
)

// door is the http.RoundTripper to one MCP server. It adds the credential, sends nothing to another origin, and notes what
// became of each call, since the errors of the MCP client tell little of it.
type door struct {
	egress *egress.Client
	origin string
	bearer func(ctx context.Context, refused string) (string, error)

	mu    sync.Mutex
	token *string // nil before it was asked for
	// spent reports whether the token replaced a refused one and was not accepted since: it is not replaced again.
	spent bool
}

// origin returns the scheme and host of a URL.
func origin(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

// errElsewhere is a request to another origin than the server's.
var errElsewhere = errors.New("it sends its clients to another host, which is not allowed")

// credentialError is a credential that cannot be used. Its text is for callers.
type credentialError struct{ error }

// RoundTrip implements http.RoundTripper.
func (d *door) RoundTrip(r *http.Request) (*http.Response, error) {
	note, _ := r.Context().Value(noteKey{}).(*note)
	copies := messageCopies
	if r.Method == http.MethodGet {
		copies = streamCopies
	}
	resp, err := d.send(r)
	note.add(r.Method, resp, err)
	if err != nil {
		return nil, err
	}
	resp.Body = &notedBody{resp.Body, note, copies}
	return resp, nil
}

// send sends a request with the credential. If the server refuses it, it sends the request once more with another one.
func (d *door) send(r *http.Request) (*http.Response, error) {
	defer func() {
		if r.Body != nil {
			_ = r.Body.Close()
		}
	}()
	if origin(r.URL) != d.origin {
		return nil, errElsewhere
	}
	token, err := d.credential(r.Context(), "")
	if err != nil {
		return nil, err
	}
	resp, err := d.attempt(r, token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !d.replaceable(token) || r.Body != nil && r.GetBody == nil {
		return resp, err
	}
	_ = resp.Body.Close()
	if token, err = d.credential(r.Context(), token); err != nil {
		return nil, err
	}
	return d.attempt(r, token)
}

// attempt sends a copy of a request with a token.
func (d *door) attempt(r *http.Request, token string) (*http.Response, error) {
	attempt := r.Clone(r.Context())
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		attempt.Body = body
	}
	if token != "" {
		attempt.Header.Set("Authorization", "Bearer "+token)
	}
	if d.egress.Named(r.URL) { // the operator knows the server
		tracing.Inject(r.Context(), attempt.Header)
	}
	resp, err := d.egress.RoundTrip(attempt)
	if err == nil && resp.StatusCode != http.StatusUnauthorized {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.spent = false
	}
	return resp, err
}

// replaceable reports whether another token may be asked for after one was refused.
func (d *door) replaceable(token string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return token != "" && !d.spent
}

// credential returns the token, or another one than the one that the server has refused.
func (d *door) credential(ctx context.Context, refused string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.token != nil && (refused == "" || *d.token != refused) {
		return *d.token, nil
	}
	token, err := d.bearer(ctx, refused)
	if err != nil {
		return "", credentialError{err}
	}
	d.token, d.spent = &token, refused != ""
	return token, nil
}

// How often a byte of a response is held until its message was dealt with: as it is read, decoded and encoded again. Of a
// stream that lasts as long as its session, messages are dealt with one after the other.
const (
	messageCopies = 8
	streamCopies  = 1
)

// note is what became of the requests of one call, and what their responses have reserved.
type note struct {
	mu       sync.Mutex
	grant    *budget.Grant
	released bool
	accepted bool  // the server has accepted the message
	document bool  // its response is one document: the MCP client gives up the session when it cannot read it to its end
	status   int   // of the last response to a message, or of the first to another request; 0 for none
	err      error // of the last request without a response, or of reading a response
}

type noteKey struct{}

// noted returns a context whose requests are noted. The caller releases the note.
func (s *server) noted(ctx context.Context) (context.Context, *note) {
	n := &note{grant: s.Budget.Open(s.account)}
	return context.WithValue(ctx, noteKey{}, n), n
}

// add notes a response or the lack of one. What is not a POST only reads what a POST has caused.
func (n *note) add(method string, resp *http.Response, err error) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err != nil:
		n.status, n.err = 0, err
	case method == http.MethodPost || n.status == 0:
		n.status, n.err = resp.StatusCode, nil
		n.accepted = n.accepted || method == http.MethodPost && resp.StatusCode/100 == 2
		n.document = n.accepted && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json")
	}
}

// fail notes an error of reading a response, unless another one came before: that one ended the reading.
func (n *note) fail(err error) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = cmp.Or(n.err, err)
}

// reserve reserves bytes for the call's account, unless the note was released.
func (n *note) reserve(bytes int) error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.released {
		return nil
	}
	return n.grant.Grow(bytes)
}

// release gives back what was reserved. It may be called repeatedly.
func (n *note) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.released = true
	n.grant.Close()
}

// unfinished reports whether the response began as a document, which a call that ends early leaves unread.
func (n *note) unfinished() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.document
}

// read returns what was noted.
func (n *note) read() (accepted bool, status int, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.accepted, n.status, n.err
}

// notedBody reserves what is read of a response's body, and notes an error.
type notedBody struct {
	io.ReadCloser
	note   *note
	copies int
}

// Read implements io.Reader.
func (b *notedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if exceeded := b.note.reserve(n * b.copies); exceeded != nil {
		n, err = 0, exceeded
	}
	if err != nil && err != io.EOF {
		b.note.fail(err)
	}
	return n, err
}
