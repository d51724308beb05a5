// Package replay responds to requests with what a recording has for them, without a server:
//
//	rec, err := recording.Load("tour.txt")
//	...
//	c, err := client.New(client.WithHTTPClient(&http.Client{Transport: replay.New(rec, replay.Options{})}))
package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/client/recording"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Options configure a Transport.
type Options struct {
	// InOrder accepts requests only in the order in which they were recorded. By default a request gets the first exchange
	// with its method, path and query that has not been served, the first with its body as well if there is one; after that a
	// GET gets the last one again. Parameters that the operation does not have do not count.
	InOrder bool
	// RealTime lets responses and the frames of streams take the time that they took. By default they take none.
	RealTime bool
	// Errors returns a *MissingError in place of a 501, for a proxy that responds itself.
	Errors bool
	// Redactor is that of the recording, so that what it removed from the recorded requests is not compared; nil for none.
	Redactor *recording.Redactor
}

// Transport is an http.RoundTripper. A request that the recording does not have gets a 501 with the contract's envelope. An
// exchange that the server broke off fails where it did; the response of one that its caller broke off remains open. It is
// safe for concurrent use.
type Transport struct {
	options  Options
	contract *contract.Contract
	all      []*entry

	mu sync.Mutex
}

// entry is an exchange and what identifies its request.
type entry struct {
	*recording.Exchange
	key    key
	served bool
}

// key identifies a request.
type key struct {
	// what is the method with the operation's path below the base URL, or with the complete path for a request outside
	// of the contract.
	what  string
	query string
	// body is that of JSON. Requests that differ in it alone may mean the same.
	body string
}

// like reports whether two requests are the same, except for their bodies.
func (k key) like(other key) bool { return k.what == other.what && k.query == other.query }

// New returns a transport that serves a recording.
func New(rec *recording.Recording, o Options) (*Transport, error) {
	compiled, err := contract.Load()
	if err != nil {
		return nil, err
	}
	t := &Transport{options: o, contract: compiled}
	for _, e := range rec.Exchanges {
		u, err := url.Parse(e.Target)
		if err != nil {
			return nil, err
		}
		t.all = append(t.all, &entry{Exchange: e, key: t.key(e.Method, u, e.RequestHeader, e.RequestBody)})
	}
	return t, nil
}

// Left returns the exchanges that were not served, in the order in which they were recorded.
func (t *Transport) Left() []*recording.Exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	var left []*recording.Exchange
	for _, e := range t.all {
		if !e.served {
			left = append(left, e.Exchange)
		}
	}
	return left
}

// key returns what identifies a request. Parameters that the operation does not have are left out, and so is a body that is
// not JSON, as that of a form has a boundary of its own.
func (t *Transport) key(method string, u *url.URL, h http.Header, body []byte) key {
	find := method
	if method == http.MethodHead {
		find = http.MethodGet
	}
	op, param := t.contract.FindBelow(find, u.EscapedPath())
	if op == nil {
		return key{what: method + " " + u.EscapedPath(), query: u.Query().Encode()}
	}
	path := op.Path
	for name := range strings.SplitSeq(op.Path, "/") {
		if name = strings.Trim(name, "{}"); param(name) != "" {
			path = strings.ReplaceAll(path, "{"+name+"}", param(name))
		}
	}
	query := u.Query()
	for name := range query {
		if !slices.Contains(op.QueryParameters(), name) {
			delete(query, name)
		}
	}
	k := key{what: method + " " + path, query: t.options.Redactor.Text(query.Encode())}
	if media, _, _ := mime.ParseMediaType(h.Get("Content-Type")); media == "application/json" {
		k.body = canonical(t.options.Redactor.JSON(op.ID, body))
	}
	return k
}

// canonical returns a JSON text with sorted names, or the text itself when it is not valid.
func canonical(data []byte) string {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return string(data)
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		return string(data)
	}
	return string(sorted)
}

// longestBody is the most bytes that are read of a request: more than the contract allows.
const longestBody = 64 << 20

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(io.LimitReader(req.Body, longestBody))
		if err = errors.Join(err, req.Body.Close()); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	e, missing := t.choose(t.key(req.Method, req.URL, req.Header, body))
	switch {
	case missing != nil && t.options.Errors:
		return nil, missing
	case missing != nil:
		return t.refuse(req, missing), nil
	}
	if t.options.RealTime && !sleepUntil(req.Context(), began.Add(e.After)) {
		return nil, context.Cause(req.Context())
	}
	switch {
	case e.Status == 0 && e.End == recording.Left:
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	case e.Status == 0:
		return nil, fmt.Errorf("the recorded exchange %d has no response: %w", e.Number, io.ErrUnexpectedEOF)
	}
	resp := &http.Response{
		StatusCode: e.Status, Status: fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: e.Header.Clone(), Request: req, ContentLength: -1,
	}
	if e.Frames == nil && e.End == recording.Complete && req.Method != http.MethodHead {
		resp.ContentLength = int64(len(e.Body))
	}
	ctx, cancel := context.WithCancel(req.Context())
	resp.Body = &playback{transport: t, ctx: ctx, cancel: cancel, exchange: e.Exchange, began: began, rest: e.Body}
	return resp, nil
}

// MissingError is a request that the recording does not have.
type MissingError struct {
	// Message is one sentence that tells what the recording has instead.
	Message string
}

// Error returns the message.
func (e *MissingError) Error() string { return e.Message }

// Problem implements problem.Error.
func (e *MissingError) Problem() problem.Problem {
	const longest = 1000 // of the 1,024 characters that a message may have
	message := []rune(strings.ToValidUTF8(e.Message, ""))
	return problem.Problem{Type: types.ErrorTypeFeatureNotAvailable, Message: string(message[:min(len(message), longest)])}
}

// choose returns the exchange for a request and marks it as served, or tells why there is none.
func (t *Transport) choose(k key) (*entry, *MissingError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	choose := t.match
	if t.options.InOrder {
		choose = t.nextInOrder
	}
	e, missing := choose(k)
	if e == nil {
		return nil, &MissingError{missing}
	}
	e.served = true
	return e, nil
}

func (t *Transport) nextInOrder(k key) (*entry, string) {
	i := slices.IndexFunc(t.all, func(e *entry) bool { return !e.served })
	switch {
	case i < 0:
		return nil, fmt.Sprintf("All %d exchanges of the recording were served.", len(t.all))
	case !t.all[i].key.like(k):
		return nil, fmt.Sprintf("The next exchange of the recording is %d, %s; %s is not: %s.", t.all[i].Number, t.all[i].key.what, k.what, difference(k, t.all[i].key))
	}
	return t.all[i], ""
}

func (t *Transport) match(k key) (*entry, string) {
	var first, last, near *entry
	for _, e := range t.all {
		switch {
		case e.key == k && !e.served:
			return e, ""
		case e.key.like(k) && !e.served && first == nil:
			first = e
		case e.key.like(k):
			last = e
		case e.key.what == k.what && near == nil:
			near = e
		}
	}
	switch {
	case first != nil:
		return first, ""
	case last != nil && (strings.HasPrefix(k.what, http.MethodGet) || strings.HasPrefix(k.what, http.MethodHead)):
		return last, ""
	case last != nil:
		return nil, fmt.Sprintf("Every exchange of the recording for this %s was served; the last is %d.", k.what, last.Number)
	case near != nil:
		return nil, fmt.Sprintf("The recording has %s, but not like this; exchange %d differs: %s.", k.what, near.Number, difference(k, near.key))
	}
	return nil, fmt.Sprintf("The recording has no %s.", k.what)
}

// difference tells what two requests differ in.
func difference(a, b key) string {
	if a.what != b.what {
		return "it is another request"
	}
	return "it has another query"
}

// refuse returns a 501, which clients do not retry.
func (t *Transport) refuse(req *http.Request, missing *MissingError) *http.Response {
	id := req.Header.Get("X-Request-Id")
	if !t.contract.Accepts("RequestID", id) {
		id = "replay"
	}
	p := missing.Problem()
	body := p.Envelope(id)
	return &http.Response{
		StatusCode: p.HTTPStatus(), Status: fmt.Sprintf("%d %s", p.HTTPStatus(), http.StatusText(p.HTTPStatus())),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header:        http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {id}, "X-Should-Retry": {"false"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}
}

// sleepUntil waits until a time, or returns false when ctx ends before.
func sleepUntil(ctx context.Context, at time.Time) bool {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// playback is the body of a recorded response.
type playback struct {
	transport *Transport
	ctx       context.Context
	cancel    context.CancelFunc
	exchange  *recording.Exchange
	began     time.Time
	frame     int    // the next one
	rest      []byte // of the body, or of a frame
}

// Read waits for the time of a frame when the replay is in real time.
func (p *playback) Read(to []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.frame == len(p.exchange.Frames) {
			return 0, p.end()
		}
		next := p.exchange.Frames[p.frame]
		if p.transport.options.RealTime && !sleepUntil(p.ctx, p.began.Add(next.After)) {
			return 0, context.Cause(p.ctx)
		}
		p.frame++
		p.rest = next.Text
	}
	n := copy(to, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// end returns the error at the end of the body, when it is time for it.
func (p *playback) end() error {
	switch {
	case p.exchange.End == recording.Left:
		<-p.ctx.Done()
		return context.Cause(p.ctx)
	case p.transport.options.RealTime && !sleepUntil(p.ctx, p.began.Add(p.exchange.EndAfter)):
		return context.Cause(p.ctx)
	case p.exchange.End == recording.Cut:
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// Close ends a Read that waits.
func (p *playback) Close() error {
	p.cancel()
	return nil
}
