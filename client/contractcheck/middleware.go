package contractcheck

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
)

// maxResponse is the most bytes of a response, or of an event, that are validated: what the client reads.
const (
	maxResponse = 72 << 20
	tooLarge    = "it is larger than 72 MiB"
)

// judge is called with a violation. Its error, if any, fails the request, response or stream.
type judge func(*Violation) error

// middleware validates each attempt.
func middleware(judge judge) client.Middleware {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			compiled, err := contract.Load()
			if err != nil {
				return nil, client.Permanent(err)
			}
			e := &exchange{judge: judge, method: req.Method, path: req.URL.EscapedPath()}
			var pathParam func(string) string
			e.operation, pathParam = compiled.FindBelow(e.method, e.path)
			if err := e.request(req, pathParam); err != nil {
				return nil, err
			}
			resp, err := next(req)
			if err != nil || resp == nil || resp.Body == nil || e.operation == nil {
				return resp, err
			}
			if err := e.response(resp); err != nil {
				_ = resp.Body.Close()
				return nil, err
			}
			return resp, nil
		}
	}
}

// exchange is one attempt.
type exchange struct {
	judge        judge
	method, path string
	operation    *contract.Operation
	requestID    string
}

// violation returns a violation of this exchange, to be filled.
func (e *exchange) violation() *Violation {
	v := &Violation{Method: e.method, Path: e.path, RequestID: e.requestID}
	if e.operation != nil {
		v.Operation = e.operation.ID
	}
	return v
}

// found passes what validation found to the judge; nil for nothing.
func (e *exchange) found(err error) error {
	var violation *contract.Violation
	if !errors.As(err, &violation) {
		return nil
	}
	return e.judge(e.violation().fill(violation))
}

// foundAll passes violations to the judge until it fails one.
func (e *exchange) foundAll(all []*contract.Violation) error {
	for _, v := range all {
		if err := e.found(v); err != nil {
			return err
		}
	}
	return nil
}

// responseViolation passes a violation that the contract itself does not check to the judge.
func (e *exchange) responseViolation(status int, rule, reason string) error {
	return e.found(&contract.Violation{Status: status, Rule: rule, Reason: reason})
}

func (e *exchange) request(req *http.Request, pathParam func(string) string) error {
	if e.operation == nil {
		return e.responseViolation(0, "operation", "the contract has no such operation")
	}
	var body []byte
	if req.Body != nil && !e.operation.TakesForm() { // files are as large as callers want
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return err
		}
		_ = req.Body.Close()
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return e.found(e.operation.CheckSent(req, body, pathParam))
}

// response validates a response. It puts back what it reads of the body.
func (e *exchange) response(resp *http.Response) error {
	e.requestID = resp.Header.Get("X-Request-Id")
	if resp.Request != nil && resp.Request.Response != nil {
		if err := e.responseViolation(resp.StatusCode, "redirect", "it follows a redirect, which the contract does not have"); err != nil {
			return err
		}
	}
	if schema := e.operation.Stream(resp.StatusCode); schema != nil {
		// A stream may not end, so its body is not read here.
		if err := e.foundAll(e.operation.ResponseViolations(resp.StatusCode, resp.Header, nil)); err != nil {
			return err
		}
		if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media == "text/event-stream" {
			resp.Body = newStreamBody(resp.Body, &streamChecks{e, resp.StatusCode, schema})
		}
		return nil
	}
	if e.operation.Bytes(resp.StatusCode) {
		return e.foundAll(e.operation.ResponseViolations(resp.StatusCode, resp.Header, nil))
	}
	if resp.ContentLength > maxResponse {
		return e.responseViolation(resp.StatusCode, "size", tooLarge)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = failing{err} // the client gets the error as it reads
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), resp.Body}
	switch {
	case err != nil:
		return nil
	case len(body) > maxResponse:
		return e.responseViolation(resp.StatusCode, "size", tooLarge)
	}
	return e.foundAll(e.operation.ResponseViolations(resp.StatusCode, resp.Header, body))
}

// failing is the rest of a body that could not be read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
