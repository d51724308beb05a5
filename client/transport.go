package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// The most bytes read of a response: of a success, and of anything else. The largest success is that of sendEvents, with
// the events of a request of 32 MiB: encoding may double a character. Pages are at most 8 MiB, except for a single record
// that is larger.
const (
	maxResponse = 72 << 20
	maxError    = 1 << 20
)

// maxEvent is the most bytes read of an event of a stream. One that is stored now is at most 2 MiB; older ones may be larger.
const maxEvent = 32 << 20

// builder makes a request for a server, whose URL ends in a slash.
type builder func(server string) (*http.Request, error)

// response is an HTTP response that was read completely, or up to its limit.
type response struct {
	status   int
	header   http.Header
	body     []byte
	tooLarge bool
}

// call runs the operation op: it applies opts, sends the request that build returns and decodes the response as a T. Its
// error is an *Error.
func call[T any](ctx context.Context, c *Client, op string, opts []Option, build builder) (*T, error) {
	out, _, err := callStatus[T](ctx, c, op, opts, build)
	return out, err
}

// callStatus is call, and returns the status of the response as well.
func callStatus[T any](ctx context.Context, c *Client, op string, opts []Option, build builder) (*T, int, error) {
	cfg, err := c.config.with(opts)
	if err != nil {
		return nil, 0, cfg.finish(op, err)
	}
	resp, err := cfg.send(cfg.named(ctx, op), build)
	if err != nil {
		return nil, 0, cfg.finish(op, err)
	}
	out, err := decode[T](resp)
	if err != nil {
		return nil, 0, cfg.finish(op, err)
	}
	return out, resp.status, nil
}

// methodKey is the key of the name of a call's method in the context of its requests.
type methodKey struct{}

// named returns ctx with the name of the call's method, for its middleware.
func (c *config) named(ctx context.Context, method string) context.Context {
	if ctx == nil || len(c.middleware) == 0 {
		return ctx
	}
	return context.WithValue(ctx, methodKey{}, method)
}

// MethodOf returns the name of the method that a [Middleware] sees a request of, such as "Sessions.Create", from the context of
// the request; "" for another context.
func MethodOf(ctx context.Context) string {
	method, _ := ctx.Value(methodKey{}).(string)
	return method
}

// send makes attempts until one succeeds or another one is not worth it.
func (c *config) send(ctx context.Context, build builder) (*response, error) {
	req, err := c.request(ctx, build)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ended(ctx, &Error{})
	}
	for n := 1; ; n++ {
		resp, err := c.attempt(ctx, req)
		var failure *Error
		switch {
		case resp != nil && resp.status/100 == 2:
			return resp, nil
		case resp != nil:
			failure = responseError(resp, c.clock.now())
		case ctx.Err() != nil:
			return nil, ended(ctx, &Error{Attempts: n})
		default:
			failure = failed(err)
			if cut, ok := errors.AsType[*cutOff](err); ok {
				failure.ResourceID, failure.Raw = firstID(cut.arrived), cut.arrived
			}
		}
		failure.Attempts = n
		if n > c.retries || !retryable(req, resp, err) {
			return nil, failure
		}
		d, worth := c.clock.wait(ctx, n, resp)
		if !worth {
			return nil, failure
		}
		if c.clock.sleep(ctx, d) != nil {
			return nil, ended(ctx, failure)
		}
	}
}

// ended returns the error of a call whose context ended: last, the failure of the last attempt if it had one.
func ended(ctx context.Context, last *Error) *Error {
	cause := ctx.Err()
	if why := context.Cause(ctx); why != cause {
		cause = fmt.Errorf("%w: %w", cause, why)
	}
	text := saying("%s", cause.Error())
	if last.words != nil {
		text = saying("%s; the last attempt: "+last.words.own, append([]any{cause.Error()}, last.words.foreign...)...)
	} else if last.Message != "" {
		text = saying("%s; the last attempt: %s", cause.Error(), last.Message)
	}
	last.Message, last.words, last.cause = text.Error(), text, cause
	return last
}

// request builds the request. Every attempt sends a copy of it.
func (c *config) request(ctx context.Context, build builder) (*http.Request, error) {
	if ctx == nil {
		return nil, saying("the context is nil")
	}
	req, err := build(c.baseURL)
	if err != nil {
		return nil, err
	}
	if !c.authenticates() {
		return nil, &Error{Type: ErrAuthentication, words: saying("no token: set QODER_PAT or use client.WithToken")}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	switch req.Method {
	case http.MethodPost, http.MethodPut, http.MethodDelete:
		key := c.key
		if key == "" {
			key = rand.Text()
		}
		req.Header.Set("Idempotency-Key", key)
	}
	return req, nil
}

// attempt sends a copy of req once and reads the response.
func (c *config) attempt(parent context.Context, req *http.Request) (*response, error) {
	ctx, cancel := parent, context.CancelFunc(func() {})
	if c.timeout > 0 {
		ctx, cancel = context.WithTimeout(parent, c.timeout)
	}
	defer cancel()
	resp, err := c.exchange(ctx, req)
	if err != nil && ctx.Err() != nil && parent.Err() == nil {
		return nil, because(fmt.Sprintf("no complete response within %v", c.timeout), context.DeadlineExceeded)
	}
	return resp, err
}

// exchange sends a copy of req through the middleware and reads the response.
func (c *config) exchange(ctx context.Context, req *http.Request) (*response, error) {
	resp, err := c.roundTrip(ctx, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return read(resp)
}

// roundTrip sends a copy of req through the middleware.
func (c *config) roundTrip(ctx context.Context, req *http.Request) (*http.Response, error) {
	out := req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		out.Body = body
	}
	next := RoundTripFunc(c.http.Do)
	for _, wrap := range slices.Backward(c.middleware) {
		next = wrap(next)
	}
	resp, err := next(out)
	if err != nil {
		if failed, ok := err.(*url.Error); ok {
			err = failed.Err // the rest of it is the URL
		}
		if isPermanent(err) {
			return nil, err
		}
		return nil, because("no response", err)
	}
	if resp == nil || resp.Body == nil {
		return nil, saying("a middleware returned no response and no error")
	}
	return resp, nil
}

// read reads a response up to its limit. A broken connection is an error only of a success: the status of a failure says
// enough.
func read(in *http.Response) (*response, error) {
	resp := &response{status: in.StatusCode, header: in.Header}
	success, limit := resp.status/100 == 2, int64(maxError)
	if success {
		limit = maxResponse
	}
	if success && in.ContentLength > limit {
		resp.tooLarge = true
		return resp, nil
	}
	body, err := io.ReadAll(io.LimitReader(in.Body, limit+1))
	if err != nil && success {
		return nil, because("the response was cut off", &cutOff{err, body})
	}
	resp.tooLarge = int64(len(body)) > limit
	resp.body = body[:min(int64(len(body)), limit)]
	return resp, nil
}

// cutOff is a broken connection, and what had arrived of a success.
type cutOff struct {
	error
	arrived []byte
}

// Unwrap returns why the connection broke.
func (c *cutOff) Unwrap() error { return c.error }

// checkRedirect follows redirects of reads within one scheme, host and port, at most ten: the token belongs to one
// server, and a write must neither be sent twice nor turn into a read.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet && first.Method != http.MethodHead || len(via) > 10 ||
		req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// checkID rejects an id that would turn the path into that of another operation.
func checkID(param, id string) error {
	if id == "" || id == "." || id == ".." {
		return invalid(param, "%q is not an id", id)
	}
	return nil
}

// checkBody rejects a nil request.
func checkBody[T any](body *T) error {
	if body == nil {
		return saying("the request is nil")
	}
	return nil
}
