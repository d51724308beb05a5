package contractproxy

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/client/recording"
	"github.com/cloud-sessions/sessions/gen/types"
)

// refusedError is a response that must not pass.
type refusedError struct{ message string }

func (e *refusedError) Error() string { return e.message }

// modifyResponse validates a response: its head at once, its body as it passes, or before that when the contract is
// enforced. An error, which is a *refusedError or that of the upstream, is passed to handleError.
func (p *Proxy) modifyResponse(resp *http.Response) error {
	e := exchangeOf(resp.Request)
	e.checkSent()
	e.responded, e.requestID = resp.StatusCode, resp.Header.Get("X-Request-Id")
	if resp.StatusCode == http.StatusSwitchingProtocols { // no operation does, and nothing could be validated behind it
		if e.operation == nil {
			return nil
		}
		v := &validation{exchange: e, status: resp.StatusCode}
		return v.judge(e.operation.CheckHead(resp.StatusCode, resp.Header))
	}
	e.tape.Response(resp.StatusCode, resp.Header)
	passing := &passing{ReadCloser: resp.Body, exchange: e}
	resp.Body = passing
	if e.operation != nil {
		if err := p.validate(e, resp, passing); err != nil {
			return err
		}
	}
	resp.Body = &punctual{ReadCloser: resp.Body, out: e.out}
	return nil
}

// validate validates the response of an operation.
func (p *Proxy) validate(e *exchange, resp *http.Response, passing *passing) error {
	v := &validation{exchange: e, status: resp.StatusCode, head: resp.Header.Clone()}
	if err := v.judge(e.operation.CheckHead(v.status, v.head)); err != nil || !slices.Contains(e.operation.Statuses, v.status) {
		return err // nothing is known about the body of another status
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	schema := e.operation.Stream(v.status)
	switch {
	case e.method == http.MethodHead:
	case resp.Header.Get("Content-Encoding") != "" && !e.operation.Bytes(v.status):
		return v.judge(&contract.Violation{Rule: "content", Reason: "the body is encoded, although the request did not accept that"})
	case schema != nil && media == "text/event-stream":
		events := newEvents(v, schema)
		if p.options.Enforce {
			resp.Body = &heldEvents{ReadCloser: passing, events: events}
		} else {
			passing.add = events.pass
		}
	case e.operation.Bytes(v.status):
		return v.judge(e.operation.CheckBody(v.status, resp.Header.Get("Content-Type"), nil))
	case p.options.Enforce:
		return v.hold(resp)
	default:
		passing.add, passing.end = v.keep, v.checkKept
	}
	return nil
}

// validation validates the body of a response.
type validation struct {
	*exchange
	status int
	head   http.Header // a copy: ReverseProxy changes the other
	body   []byte
	over   bool // there is more than is kept
}

// judge reports a violation. Where the contract is enforced it returns a *refusedError.
func (v *validation) judge(err error) error {
	violation, ok := errors.AsType[*contract.Violation](err)
	if !ok {
		return nil
	}
	message := violation.Finding()
	v.found(Violation, v.status, message)
	if !v.proxy.options.Enforce {
		return nil
	}
	return &refusedError{message}
}

// keep keeps a piece of the body, up to the bound.
func (v *validation) keep(p []byte) {
	switch {
	case v.over:
	case len(v.body)+len(p) > v.proxy.options.MaxBody:
		v.over, v.body = true, nil
		v.found(Unchecked, v.status, v.proxy.tooLarge("response"))
	default:
		v.body = append(v.body, p...)
	}
}

// checkKept validates the complete body.
func (v *validation) checkKept() {
	if !v.over {
		_ = v.judge(v.operation.CheckBody(v.status, v.head.Get("Content-Type"), v.body))
	}
	v.body = nil
}

// hold reads the body of a response up to the bound and validates it. What is larger passes.
func (v *validation) hold(resp *http.Response) error {
	most := v.proxy.options.MaxBody
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	rest := io.Reader(resp.Body)
	switch {
	case err != nil:
		rest = failing{err} // the caller gets what has come, then the error
	case len(body) > most:
		v.found(Unchecked, v.status, v.proxy.tooLarge("response"))
	default:
		if err := v.judge(v.operation.CheckBody(v.status, v.head.Get("Content-Type"), body)); err != nil {
			return err
		}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), resp.Body}
	return nil
}

// failing is the rest of a body that could not be read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// passing is the body of a response as it comes from the upstream. It records it.
type passing struct {
	io.ReadCloser
	exchange *exchange
	add      func(p []byte) // validates a piece; may be nil
	end      func()         // validates at the end of the body; may be nil
}

// Read implements io.Reader.
func (b *passing) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.exchange.tape.Body(p[:n])
	if b.add != nil {
		b.add(p[:n])
	}
	switch {
	case err == nil:
	case err == io.EOF:
		b.exchange.end = recording.Complete
		if b.end != nil {
			b.end()
			b.end = nil
		}
	case b.exchange.in.Context().Err() == nil && !b.exchange.broken:
		b.exchange.broken = true
		b.exchange.found(Failure, b.exchange.responded, "The upstream broke off the response.")
	}
	return n, err
}

// Close ends the exchange for the caller, unless the body was complete.
func (b *passing) Close() error {
	if !b.exchange.broken && b.exchange.end == recording.Cut {
		b.exchange.end = recording.Left
	}
	return b.ReadCloser.Close()
}

// punctual is the body of a response on its way to the caller. Before an error, which closes the caller's connection, it sends
// what has come, as it would have been sent without a proxy.
type punctual struct {
	io.ReadCloser
	out http.ResponseWriter
	err error // that came with the last bytes
}

// Read implements io.Reader.
func (b *punctual) Read(p []byte) (int, error) {
	n, err := 0, b.err
	if err == nil {
		n, err = b.ReadCloser.Read(p)
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	if b.err = err; n > 0 {
		return n, nil
	}
	_ = http.NewResponseController(b.out).Flush()
	return 0, err
}

// handleError responds in place of an upstream that cannot be reached, or whose response was refused, and for a transport
// whose error says itself what callers get. When the upstream
// was reached but did not respond, the caller's connection is closed, as it would have been without a proxy.
func (p *Proxy) handleError(_ http.ResponseWriter, r *http.Request, err error) {
	e := exchangeOf(r)
	if refused, ok := errors.AsType[*refusedError](err); ok {
		e.refuse(violationProblem(refused))
		return
	}
	if known, ok := errors.AsType[problem.Error](err); ok {
		e.found(Failure, 0, known.Error())
		e.refuse(known.Problem())
		return
	}
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the caller has left
	}
	if !e.connected.Load() && !errors.Is(err, io.ErrUnexpectedEOF) {
		e.found(Failure, 0, "The upstream cannot be reached: "+err.Error())
		e.refuse(problem.Problem{Type: types.ErrorTypeAPIError, Status: http.StatusBadGateway, Message: "The upstream of the contract proxy cannot be reached."})
		return
	}
	e.found(Failure, 0, "The upstream closed the connection without a response.")
	panic(http.ErrAbortHandler)
}

// violationProblem is what callers get of a violation.
func violationProblem(refused *refusedError) problem.Problem {
	const most = 900 // of the 1,024 characters that a message may have
	message := []rune("The response of the server violates the contract: " + refused.message)
	return problem.Problem{Type: types.ErrorTypeAPIError, Status: http.StatusBadGateway, Message: string(message[:min(len(message), most)])}
}
