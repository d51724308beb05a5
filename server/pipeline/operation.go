package pipeline

import (
	"errors"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/form"
	"github.com/cloud-sessions/sessions/server/request"
)

// operation returns the middleware around one operation's handler. The reply is held back until it has been
// validated, so that a violation of the contract, or a commit that fails, can still become a 500.
func (p *Pipeline) operation(op *contract.Operation) echo.MiddlewareFunc {
	log := p.operationLog(op.Method, op.ID)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			info := request.From(c.Request().Context())
			info.Operation, info.Log = op.ID, log
			if p.opts.Tracer != nil {
				defer p.trace(c, op, info)()
			}
			grant := p.opts.Budget.Open("")
			defer grant.Close()
			info.Grant = grant
			defer func() { p.opts.Forms.Discard(c.Request().Context(), form.From(c.Request().Context())) }()
			reply := p.replies.hold(c, op, grant)
			err := recovered(func() error {
				if err := p.admit(c, op, grant); err != nil {
					return err
				}
				r, ok := rehearsed(c.Request().Context())
				switch {
				case !ok:
					return p.once(c, reply, op, func() error { return p.handle(c, reply, next) })
				case r.denies():
					return p.fail(c, r)
				}
				return p.once(c, reply, op, func() error { return p.fail(c, r) })
			})
			if err != nil && !reply.open {
				reply.reset(c)
				err = p.handle(c, reply, func(echo.Context) error { return err })
			}
			if err != nil && !reply.open { // the error envelope itself violates the contract
				reply.reset(c)
				p.writeError(c, err)
			}
			p.compressor.compress(c.Request(), reply)
			grant.Rest() // the caller may take any time to read
			return p.replies.release(c, reply)
		}
	}
}

// admit authenticates the caller, then checks that its token opens the operation, then validates the request. What the
// request takes is reserved first: its head for all callers that are not known yet, then its body for the account. A body
// may take as long as its caller wants, so the token is checked again once it has been read.
func (p *Pipeline) admit(c echo.Context, op *contract.Operation, grant *budget.Grant) error {
	r := c.Request()
	info := request.From(r.Context())
	if err := grant.Grow(headBytes(r)); err != nil {
		return err
	}
	if op.Secured {
		principal, err := p.opts.Auth.Authenticate(r.Context(), r.Header)
		if err != nil {
			return err
		}
		info.Account, info.Token, info.TokenID = principal.Account, principal.Token, principal.TokenID
		info.Scope = principal.Scope
		if err := p.opts.Auth.Authorize(r.Context(), principal, op.ID, c.Param); err != nil {
			return err
		}
		if err := grant.Move(principal.Account); err != nil {
			return err
		}
	}
	var err error
	switch {
	case op.TakesForm():
		err = p.receive(c, op, grant)
	case op.TakesBody():
		err = checkBody(c, op, grant)
	default:
		return op.CheckRequest(r, c.Param)
	}
	if err != nil || !op.Secured {
		return err
	}
	return p.opts.Auth.Check(r.Context(), info.Token)
}

// checkBody reads a body of JSON and validates the request.
func checkBody(c echo.Context, op *contract.Operation, grant *budget.Grant) error {
	body, err := reserveBody(c.Request(), grant, op.MaxBody())
	if err != nil {
		return err
	}
	err = op.CheckRequest(c.Request(), c.Param)
	grant.Rest()
	if body.refused != nil {
		return body.refused
	}
	return err
}

// handle runs a handler, writes its error, if any, as the envelope, and validates the reply. It returns an error only
// for a reply that must not be sent.
func (p *Pipeline) handle(c echo.Context, reply *heldReply, next echo.HandlerFunc) error {
	if err := recovered(func() error { return next(c) }); err != nil {
		if reply.open { // a stream that ends in the middle
			return err
		}
		reply.reset(c)
		p.writeError(c, err)
	}
	if reply.open {
		return nil
	}
	err := reply.check()
	var violation *contract.Violation
	if errors.As(err, &violation) {
		p.violated(violation)
		p.log.ErrorContext(c.Request().Context(), "response violates the contract",
			"request_id", request.From(c.Request().Context()).ID, "operation", violation.Operation, "status", violation.Status,
			"pointer", violation.Pointer, "rule", violation.Rule, "reason", violation.Reason)
		if p.opts.ReportOnly {
			return nil
		}
	}
	return err
}
