package pipeline

import (
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/tracing"
)

// trace starts the span of a request for an operation. It lasts until end is called, and as long as the response continues
// after that.
func (p *Pipeline) trace(c echo.Context, op *contract.Operation, info *request.Info) (end func()) {
	mount := strings.TrimSuffix(c.Path(), op.RouterPath())
	ctx, span := p.opts.Tracer.Request(info.Context, c.Request(), tracing.Request{
		Operation: op.ID, Route: mount + op.Path, Path: pathOf(c.Request()), ID: info.ID, Session: c.Param("session_id"),
	})
	info.Context = ctx
	return func() {
		status := statusOf(c, info)
		info.AtEnd(func() { span.EndRequest(status, info.Account) })
	}
}

// statusOf returns the status of a request's response, as the log and the metrics have it.
func statusOf(c echo.Context, info *request.Info) int {
	if info.HungUp {
		return statusHungUp
	}
	return c.Response().Status
}
