package server

import (
	"errors"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
)

// operation returns what stands around one operation's handler. The reply is held back until it has
// been checked, so that a violation of the contract, or a commit that fails, can still become a 500.
func (s *Server) operation(op *contract.Operation) echo.MiddlewareFunc {
	log := s.operationLog(op.Method, op.ID)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			info := infoOf(c.Request().Context())
			info.operation, info.log = op.ID, log
			reply := s.replies.hold(c, op)
			err := recovered(func() error {
				if err := s.admit(c, op); err != nil {
					return err
				}
				return s.once(c, reply, op, func() error { return s.answer(c, reply, op, next) })
			})
			if err != nil && !reply.open {
				reply.reset(c)
				err = s.answer(c, reply, op, func(echo.Context) error { return err })
			}
			if err != nil && !reply.open { // the error envelope itself breaks the contract
				reply.reset(c)
				s.writeError(c, err)
			}
			return s.replies.release(c, reply)
		}
	}
}

// admit checks the token, then the request.
func (s *Server) admit(c echo.Context, op *contract.Operation) error {
	r := c.Request()
	if op.Secured {
		principal, err := s.auth.Authenticate(r.Context(), r.Header)
		if err != nil {
			return err
		}
		infoOf(r.Context()).account = principal.Account
	}
	return op.CheckRequest(r, c.Param)
}

// answer runs a handler, writes its error, if any, as the envelope, and checks the reply. It returns an
// error only for a reply that must not leave.
func (s *Server) answer(c echo.Context, reply *heldReply, op *contract.Operation, next echo.HandlerFunc) error {
	if err := recovered(func() error { return next(c) }); err != nil {
		if reply.open { // a stream that ends in the middle
			return err
		}
		reply.reset(c)
		s.writeError(c, err)
	}
	if reply.open {
		return nil
	}
	err := reply.check()
	var violation *contract.Violation
	if errors.As(err, &violation) {
		s.violated(violation)
		s.log.ErrorContext(c.Request().Context(), "response breaks the contract",
			"request_id", infoOf(c.Request().Context()).id, "operation", violation.Operation, "status", violation.Status,
			"pointer", violation.Pointer, "rule", violation.Rule, "reason", violation.Reason)
		if s.config.ResponseCheck == Report {
			return nil
		}
	}
	return err
}
