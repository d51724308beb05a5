package pipeline

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/server/faults"
)

// rehearse wraps the API in the injected faults of gateways and networks. A fault happens outside of the contract's
// validation, the request log and the requests' metrics, as theirs do.
func (p *Pipeline) rehearse(injector *faults.Injector, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation := p.OperationID(r)
		var f faults.Fault
		if operation != "" {
			f = injector.Next(operation)
		}
		if f.None() {
			next.ServeHTTP(w, r)
			return
		}
		id := p.requestID(r)
		r.Header.Set(echo.HeaderXRequestID, id)
		p.metrics.fault(operation, f.Kind())
		p.log.InfoContext(r.Context(), "fault injected",
			"request_id", id, "operation", operation, "fault", f.Kind(), "latency", f.Latency())
		f.Serve(w, r, id, p.opts.Sleep, next)
	})
}
