package server

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/server/faults"
)

// rehearse stands before the API as gateways and networks do, and fails as they do when the injector says so:
// outside of the contract's checks, the access log and the requests' metrics.
func (s *Server) rehearse(injector *faults.Injector, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation := s.OperationID(r)
		var f faults.Fault
		if operation != "" {
			f = injector.Next(operation)
		}
		if f.None() {
			next.ServeHTTP(w, r)
			return
		}
		id := s.requestID(r)
		r.Header.Set(echo.HeaderXRequestID, id)
		s.metrics.fault(operation, f.Kind())
		s.log.InfoContext(r.Context(), "fault injected",
			"request_id", id, "operation", operation, "fault", f.Kind(), "latency", f.Latency())
		f.Serve(w, r, id, s.config.Clock.Sleep, next)
	})
}
