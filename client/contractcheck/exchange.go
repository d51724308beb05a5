package contractcheck

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/sse"
	"github.com/cloud-sessions/sessions/client"
)

// The bounds of a 429: how often a request is sent, and the longest wait that the server may ask for.
const (
	mostAttempts = 5
	longestWait  = time.Minute
)

// request is a request as it is sent, which need not be valid.
type request struct {
	op     *contract.Operation // whose response it gets; nil for none
	method string
	path   string
	query  url.Values
	header http.Header // replaces those of the client; a name without values is removed
	body   []byte
	media  string // the content type of the body
	retry  bool   // a failure may be temporary
}

// target returns the path with the query.
func (q *request) target() string {
	if len(q.query) == 0 {
		return q.path
	}
	return q.path + "?" + q.query.Encode()
}

// shape makes a request of the client this one.
func (q *request) shape(req *http.Request) {
	if q.body != nil {
		req.ContentLength = int64(len(q.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.body)), nil }
		req.Body, _ = req.GetBody()
		req.Header.Set("Content-Type", q.media)
	}
	for name, values := range q.header {
		req.Header[http.CanonicalHeaderKey(name)] = values
		if len(values) == 0 {
			delete(req.Header, http.CanonicalHeaderKey(name))
		}
	}
}

// reply is a response, read completely; the status is 0 when there was none.
type reply struct {
	status     int
	header     http.Header
	body       []byte
	redirected bool
	tooLarge   bool
	frames     []frame // of an event stream
	requests   int
	err        error // of the client: nil for a success
}

func (g *reply) ok() bool { return g.status/100 == 2 }

// frame is an event as it was sent.
type frame struct {
	id, kind string
	data     []byte
}

// errRead ends a call whose response was read.
var errRead = errors.New("the response was read")

// exchange sends a request. until ends the reading of an event stream, as does the end of ctx; opened is called when the
// response begins. Both may be nil.
func (r *run) exchange(ctx context.Context, q request, opened func(), until func([]frame) bool) *reply {
	got := &reply{}
	shape := func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			got.requests++
			q.shape(req)
			resp, err := next(req)
			if err != nil {
				return nil, err
			}
			got.status, got.header = resp.StatusCode, resp.Header
			got.redirected = resp.Request != nil && resp.Request.Response != nil
			if opened != nil {
				opened()
			}
			if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); until != nil && media == "text/event-stream" && req.Method != http.MethodHead {
				defer resp.Body.Close()
				got.read(resp.Body, until)
				return nil, client.Permanent(errRead)
			}
			body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
			_ = resp.Body.Close()
			switch {
			case err != nil && until != nil: // a stream that does not say that it is one does not end
				got.body = body
				return nil, client.Permanent(errRead)
			case err != nil:
				got.status = 0
				return nil, err
			}
			got.body, got.tooLarge = body, len(body) > maxResponse
			resp.Body = io.NopCloser(bytes.NewReader(body))
			return resp, nil
		}
	}
	opts := []client.Option{client.WithMiddleware(shape)}
	if until != nil {
		opts = append(opts, client.WithTimeout(0))
	}
	if !q.retry {
		opts = append(opts, client.WithMaxRetries(0))
	}
	for range mostAttempts {
		got.status = 0
		if got.err = r.c.Do(ctx, q.method, q.target(), nil, nil, opts...); errors.Is(got.err, errRead) {
			got.err = nil
		}
		if got.status != http.StatusTooManyRequests || wait(ctx, got.header.Get("Retry-After")) != nil {
			break
		}
	}
	return got
}

// wait waits for the seconds of a Retry-After, one by default.
func wait(ctx context.Context, after string) error {
	d := time.Second
	if n, err := strconv.Atoi(after); err == nil {
		d = min(time.Duration(n)*time.Second, longestWait)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read reads the frames of a stream.
func (g *reply) read(in io.Reader, until func([]frame) bool) {
	events := sse.NewReader(in, maxResponse)
	for !until(g.frames) {
		e, err := events.Next()
		if err != nil {
			return
		}
		if len(e.Data) > 0 {
			g.frames = append(g.frames, frame{e.ID, e.Type, bytes.Clone(e.Data)})
		}
	}
}
