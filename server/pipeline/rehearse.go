package pipeline

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/request"
)

// rehearsal is an injected fault of the server itself, on its way to the place where the server would fail.
type rehearsal struct {
	answer *faults.Answer
	fault  faults.Fault
}

// denies reports whether the server would fail before it looks at the idempotency key.
func (r rehearsal) denies() bool {
	return r.answer.Status == http.StatusUnauthorized || r.answer.Status == http.StatusForbidden
}

type rehearsalKey struct{}

// rehearse wraps the API in injected faults. The faults of gateways and networks happen here, outside of the contract's
// validation, the request log and the requests' metrics, as theirs do. Those of the server itself happen in operation:
// like its own errors they are logged and counted, come after authentication and validation, and are not recorded for
// an idempotency key.
func (p *Pipeline) rehearse(faultOf func(*http.Request, string) faults.Fault, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation := p.OperationID(r)
		var f faults.Fault
		if operation != "" {
			f = faultOf(r, operation)
		}
		if f.None() {
			next.ServeHTTP(w, r)
			return
		}
		id := p.requestID(r)
		r.Header.Set(echo.HeaderXRequestID, id)
		own, around := f.Own()
		if own != nil {
			r = r.WithContext(context.WithValue(r.Context(), rehearsalKey{}, rehearsal{own, f}))
		} else {
			p.injected(r.Context(), id, operation, f)
		}
		around.Serve(w, r, id, p.opts.Sleep, next)
	})
}

// rehearsed returns the injected fault of the server itself that a request is to meet.
func rehearsed(ctx context.Context) (rehearsal, bool) {
	r, ok := ctx.Value(rehearsalKey{}).(rehearsal)
	return r, ok
}

// fail writes an injected error in the place of a handler's reply. It need not be an error that the contract declares for
// the operation.
func (p *Pipeline) fail(c echo.Context, r rehearsal) error {
	info := request.From(c.Request().Context())
	p.injected(info, info.ID, info.Operation, r.fault)
	r.answer.Write(c.Response(), info.ID)
	return nil
}

// injected counts and logs a fault.
func (p *Pipeline) injected(ctx context.Context, id, operation string, f faults.Fault) {
	p.metrics.fault(operation, f.Kind())
	p.log.InfoContext(ctx, "fault injected",
		"request_id", id, "operation", operation, "fault", f.Kind(), "latency", f.Latency())
}
