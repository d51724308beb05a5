package contractproxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/client/recording"
	"github.com/cloud-sessions/sessions/gen/types"
)

// exchange is a request with its response.
type exchange struct {
	proxy        *Proxy
	out          http.ResponseWriter
	in           *http.Request
	method, path string
	operation    *contract.Operation // nil outside of the contract
	pathParam    func(name string) string
	tape         *recording.Tape
	sent         sent
	connected    atomic.Bool // to the upstream
	responded    int         // the status of the response; 0 before there is one
	requestID    string      // of the response
	broken       bool        // the upstream broke off the response
	end          recording.End
}

// exchange returns an exchange that begins.
func (p *Proxy) exchange(w http.ResponseWriter, r *http.Request) *exchange {
	e := &exchange{proxy: p, out: w, in: r, method: r.Method, path: r.URL.EscapedPath(), end: recording.Cut}
	find := r.Method
	if find == http.MethodHead {
		find = http.MethodGet
	}
	if e.operation, e.pathParam = p.contract.FindBelow(find, e.path); e.operation != nil && e.operation.NoHead && r.Method == http.MethodHead {
		e.operation = nil
	}
	return e
}

// id is the operationId.
func (e *exchange) id() string {
	if e.operation == nil {
		return ""
	}
	return e.operation.ID
}

// found reports a finding.
func (e *exchange) found(kind Kind, status int, message string) {
	e.proxy.report(Finding{Kind: kind, Method: e.method, Path: e.path, Operation: e.id(), Status: status, Message: message, RequestID: e.requestID})
}

// admit validates a request as far as that is possible before its body has passed. It reports whether the request goes to the
// upstream; otherwise it has been responded to. Preflight requests of browsers are not in the contract, and pass.
func (e *exchange) admit(r *http.Request) bool {
	p := e.proxy
	if e.operation == nil && r.Method != http.MethodOptions {
		e.found(Violation, 0, "The contract has no such operation.")
		if p.options.Enforce {
			e.refuse(problem.Problem{Type: types.ErrorTypeNotFoundError, Message: "The contract has no operation at this method and path."})
			return false
		}
	}
	e.sent.most = -1
	switch {
	case e.operation == nil:
	case !e.operation.TakesBody(), r.ContentLength == 0:
		e.check(nil)
	case p.options.Enforce:
		body, err := io.ReadAll(io.LimitReader(r.Body, int64(e.operation.MaxBody())+1))
		if err != nil {
			e.refuse(problem.Problem{Type: types.ErrorTypeInvalidRequestError, Param: "body", Message: "The request body could not be read to its end; send it again."})
			return false
		}
		e.check(body)
		r.Header.Del("Expect") // the caller was told to send the body
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	default:
		e.sent.most = p.options.MaxBody
	}
	if e.sent.invalid != nil && p.options.Enforce {
		e.refuse(problem.Problem{
			Type: types.ErrorTypeInvalidRequestError, Status: e.sent.invalid.Status, Message: e.sent.invalid.Message, Param: e.sent.invalid.Param,
		})
		return false
	}
	e.tape = p.options.Recorder.Begin(e.id(), r)
	return true
}

// check validates the request, with the body that it has if the operation takes one, and reports its violation. The request
// stays as it is: validation adds defaults.
func (e *exchange) check(body []byte) {
	r := e.in.Clone(e.in.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if invalid, ok := errors.AsType[*contract.RequestError](e.operation.CheckRequest(r, e.pathParam)); ok {
		e.sent.invalid = invalid
		message := invalid.Message
		if invalid.Param != "" && invalid.Param != "body" {
			message += " (" + invalid.Param + ")"
		}
		e.found(Violation, 0, message)
	}
}

// refuse responds with an envelope in place of the upstream.
func (e *exchange) refuse(p problem.Problem) {
	id := e.requestID
	if id == "" {
		id = e.in.Header.Get("X-Request-Id")
	}
	if !e.proxy.contract.Accepts("RequestID", id) {
		id = newID()
	}
	body := p.Envelope(id)
	h := e.out.Header()
	clear(h)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Request-Id", id)
	if p.Type == types.ErrorTypeFeatureNotAvailable {
		h.Set("X-Should-Retry", "false")
	}
	e.out.WriteHeader(p.HTTPStatus())
	_, _ = e.out.Write(body)
}

// send records the body of the request as the upstream reads it, and keeps it for validation. Trailers pass.
func (e *exchange) send(r *httputil.ProxyRequest) {
	if r.Out.Body == nil {
		return
	}
	r.Out.Body = &sentBody{ReadCloser: r.Out.Body, exchange: e, in: r.In, out: r.Out}
}

// finish ends the exchange. A body that the upstream did not read to its end is not validated.
func (e *exchange) finish() {
	e.checkSent()
	if e.in.Context().Err() != nil && e.end == recording.Cut {
		e.end = recording.Left
	}
	e.tape.End(e.end)
}

// checkSent validates the request once its body has passed, unless that was done before.
func (e *exchange) checkSent() {
	if body, complete := e.sent.take(); complete {
		e.check(body)
	}
	if e.sent.overflowed() {
		e.found(Unchecked, 0, e.proxy.tooLarge("request"))
	}
}

// tooLarge is the sentence about what is not validated.
func (p *Proxy) tooLarge(what string) string {
	return fmt.Sprintf("The %s is larger than %d KiB and was not validated.", what, p.options.MaxBody>>10)
}

// sent is the body of a request, kept as it passes.
type sent struct {
	invalid *contract.RequestError // is only used by the goroutine that serves the request

	mu       sync.Mutex
	most     int // bytes to be kept; negative for no validation
	body     []byte
	complete bool
}

// add keeps a piece.
func (s *sent) add(p []byte, end bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most < 0 {
		return
	}
	if len(s.body) <= s.most {
		s.body = append(s.body, p[:min(len(p), s.most+1-len(s.body))]...)
	}
	s.complete = s.complete || end
}

// take returns the body once, when it is complete and not too large.
func (s *sent) take() (body []byte, complete bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most < 0 || !s.complete || len(s.body) > s.most {
		return nil, false
	}
	body, s.body, s.most = s.body, nil, -1
	return body, true
}

// overflowed reports once that the body was too large.
func (s *sent) overflowed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most < 0 || len(s.body) <= s.most {
		return false
	}
	s.body, s.most = nil, -1
	return true
}

// sentBody is the body of a request on its way to the upstream.
type sentBody struct {
	io.ReadCloser
	exchange *exchange
	in, out  *http.Request
}

// Read implements io.Reader.
func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.exchange.tape.RequestBody(p[:n])
	b.exchange.sent.add(p[:n], err == io.EOF)
	if err == io.EOF {
		for name, values := range b.in.Trailer { // known once the body has been read
			if b.out.Trailer == nil {
				break // they were not announced
			}
			b.out.Trailer[name] = values
		}
	}
	return n, err
}
