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

// The most bytes read of an answer: of a success, and of anything else.
const (
	maxAnswer = 32 << 20
	maxError  = 1 << 20
)

// builder makes a request for a server, whose URL ends in a slash.
type builder func(server string) (*http.Request, error)

// reply is an answer that was read whole, or up to its limit.
type reply struct {
	status   int
	header   http.Header
	body     []byte
	tooLarge bool
}

// call runs the operation op: it applies opts, sends what build makes and reads the answer as a T. Its
// error is an *Error.
func call[T any](ctx context.Context, c *Client, op string, opts []Option, build builder) (*T, error) {
	out, _, err := callStatus[T](ctx, c, op, opts, build)
	return out, err
}

// callStatus is call that tells one success from another: it returns the answer's status too.
func callStatus[T any](ctx context.Context, c *Client, op string, opts []Option, build builder) (*T, int, error) {
	cfg, err := c.config.with(opts)
	if err != nil {
		return nil, 0, cfg.finish(op, err)
	}
	rep, err := cfg.send(ctx, build)
	if err != nil {
		return nil, 0, cfg.finish(op, err)
	}
	out, err := decode[T](rep)
	if err != nil {
		return nil, 0, cfg.finish(op, err)
	}
	return out, rep.status, nil
}

// send makes attempts until one succeeds or no further one is worth it.
func (c *config) send(ctx context.Context, build builder) (*reply, error) {
	req, err := c.request(ctx, build)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ended(ctx, &Error{})
	}
	for n := 1; ; n++ {
		rep, err := c.attempt(ctx, req)
		var failure *Error
		switch {
		case rep != nil && rep.status/100 == 2:
			return rep, nil
		case rep != nil:
			failure = answerError(rep, c.clock.now())
		case ctx.Err() != nil:
			return nil, ended(ctx, &Error{Attempts: n})
		default:
			failure = &Error{Message: err.Error(), cause: err}
		}
		failure.Attempts = n
		if n > c.retries || !retryable(req, rep, err) {
			return nil, failure
		}
		d, worth := c.clock.wait(ctx, n, rep)
		if !worth {
			return nil, failure
		}
		if c.clock.sleep(ctx, d) != nil {
			return nil, ended(ctx, failure)
		}
	}
}

// ended is the error of a call whose context ended, the last attempt's failure if it had one.
func ended(ctx context.Context, last *Error) *Error {
	cause := ctx.Err()
	if why := context.Cause(ctx); why != cause {
		cause = fmt.Errorf("%w: %w", cause, why)
	}
	if last.Message != "" {
		last.Message = "; the last attempt: " + last.Message
	}
	last.Message, last.cause = cause.Error()+last.Message, cause
	return last
}

// request builds the request that every attempt sends a copy of.
func (c *config) request(ctx context.Context, build builder) (*http.Request, error) {
	if ctx == nil {
		return nil, errors.New("the context is nil")
	}
	req, err := build(c.baseURL)
	if err != nil {
		return nil, err
	}
	if c.token == "" && c.header.Get("Authorization") == "" {
		return nil, &Error{Type: ErrAuthentication, Message: "no token: set QODER_PAT or use client.WithToken"}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Authorization", "Bearer "+c.token)
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

// attempt sends a copy of req once and reads the answer.
func (c *config) attempt(parent context.Context, req *http.Request) (*reply, error) {
	ctx, cancel := parent, context.CancelFunc(func() {})
	if c.timeout > 0 {
		ctx, cancel = context.WithTimeout(parent, c.timeout)
	}
	defer cancel()
	rep, err := c.exchange(ctx, req)
	if err != nil && ctx.Err() != nil && parent.Err() == nil {
		return nil, fmt.Errorf("no complete answer within %v: %w", c.timeout, context.DeadlineExceeded)
	}
	return rep, err
}

// exchange sends a copy of req through the middleware and reads the answer.
func (c *config) exchange(ctx context.Context, req *http.Request) (*reply, error) {
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
		return nil, fmt.Errorf("no answer: %w", err)
	}
	if resp == nil || resp.Body == nil {
		return nil, errors.New("a middleware returned no answer and no error")
	}
	return resp, nil
}

// read reads an answer up to its limit. A broken connection is an error for a success only: the status
// of a failure says enough.
func read(resp *http.Response) (*reply, error) {
	rep := &reply{status: resp.StatusCode, header: resp.Header}
	success, limit := rep.status/100 == 2, int64(maxError)
	if success {
		limit = maxAnswer
	}
	if success && resp.ContentLength > limit {
		rep.tooLarge = true
		return rep, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil && success {
		return nil, fmt.Errorf("the answer was cut off: %w", err)
	}
	rep.tooLarge = int64(len(body)) > limit
	rep.body = body[:min(int64(len(body)), limit)]
	return rep, nil
}

// checkRedirect follows redirects of reads within one scheme, host and port, ten at most: the token
// belongs to one server, and a write must not be sent twice or turn into a read.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet && first.Method != http.MethodHead || len(via) > 10 ||
		req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// checkID refuses an id that would make the request's path another operation's.
func checkID(param, id string) error {
	if id == "" || id == "." || id == ".." {
		return &Error{Type: ErrInvalidRequest, Message: fmt.Sprintf("%q is no id", id), Param: param}
	}
	return nil
}

// checkBody refuses a request that is nil.
func checkBody[T any](body *T) error {
	if body == nil {
		return errors.New("the request is nil")
	}
	return nil
}
