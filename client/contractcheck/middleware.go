package contractcheck

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
)

// maxAnswer is the most bytes of an answer, or of an event, that are held against the contract: what the client reads.
const (
	maxAnswer = 32 << 20
	tooLarge  = "it is larger than 32 MiB"
)

// judge hears of a violation. Its error, if any, ends what broke the contract.
type judge func(*Violation) error

// middleware holds each attempt against the contract.
func middleware(judge judge) client.Middleware {
	return func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			compiled, err := contract.Load()
			if err != nil {
				return nil, client.Permanent(err)
			}
			e := &exchange{judge: judge, method: req.Method, path: req.URL.EscapedPath()}
			var pathParam func(string) string
			e.operation, pathParam = find(compiled, e.method, e.path)
			if err := e.request(req, pathParam); err != nil {
				return nil, err
			}
			resp, err := next(req)
			if err != nil || resp == nil || resp.Body == nil || e.operation == nil {
				return resp, err
			}
			if err := e.answer(resp); err != nil {
				_ = resp.Body.Close()
				return nil, err
			}
			return resp, nil
		}
	}
}

// find returns the operation that a path ends in: its beginning is the base URL's. An id is no name of a collection, so
// that the shortest end is the right one.
func find(c *contract.Contract, method, path string) (*contract.Operation, func(string) string) {
	for slash := strings.LastIndexByte(path, '/'); slash >= 0; slash = strings.LastIndexByte(path[:slash], '/') {
		if op, pathParam := c.Find(method, path[slash:]); op != nil {
			return op, pathParam
		}
	}
	return nil, nil
}

// exchange is one attempt.
type exchange struct {
	judge        judge
	method, path string
	operation    *contract.Operation
	requestID    string
}

// violation is a violation of this exchange; fill says which.
func (e *exchange) violation() *Violation {
	b := &Violation{Method: e.method, Path: e.path, RequestID: e.requestID}
	if e.operation != nil {
		b.Operation = e.operation.ID
	}
	return b
}

// told hears of what the contract's checks found, nil for nothing.
func (e *exchange) told(err error) error {
	var found *contract.Violation
	if !errors.As(err, &found) {
		return nil
	}
	return e.judge(e.violation().fill(found))
}

// responseViolation is a violation that the contract's checks do not know of.
func (e *exchange) responseViolation(status int, rule, reason string) error {
	return e.told(&contract.Violation{Status: status, Rule: rule, Reason: reason})
}

func (e *exchange) request(req *http.Request, pathParam func(string) string) error {
	if e.operation == nil {
		return e.responseViolation(0, "operation", "the contract has no such operation")
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return err
		}
		_ = req.Body.Close()
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return e.told(e.operation.CheckSent(req, body, pathParam))
}

// answer holds an answer against the contract. What it reads of the body it puts back.
func (e *exchange) answer(resp *http.Response) error {
	e.requestID = resp.Header.Get("X-Request-Id")
	if resp.Request != nil && resp.Request.Response != nil {
		if err := e.responseViolation(resp.StatusCode, "redirect", "it was found after a redirect, which the contract does not have"); err != nil {
			return err
		}
	}
	if schema := e.operation.Stream(resp.StatusCode); schema != nil {
		// What should be a stream may not end: what its body holds is not waited for.
		if err := e.told(e.operation.CheckResponse(resp.StatusCode, resp.Header, nil)); err != nil {
			return err
		}
		if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media == "text/event-stream" {
			resp.Body = newStreamBody(resp.Body, &streamChecks{e, resp.StatusCode, schema})
		}
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = failing{err} // the network's violation, which the client hears of as it reads
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), resp.Body}
	switch {
	case err != nil:
		return nil
	case len(body) > maxAnswer:
		return e.responseViolation(resp.StatusCode, "size", tooLarge)
	}
	return e.told(e.operation.CheckResponse(resp.StatusCode, resp.Header, body))
}

// failing is the rest of a body that could not be read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
