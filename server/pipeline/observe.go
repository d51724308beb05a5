package pipeline

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/server/internal/panics"
	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/tracing"
)

// statusHungUp is the status that the log and the metrics have for a request whose caller closed the connection before
// there was a response: the failure of such a request is not the server's. Nginx made the number customary.
const statusHungUp = 499

// longestPath is how much of a request's path the log and the traces have, in bytes.
const longestPath = 256

// pathOf returns a request's path, as the log and the traces have it.
func pathOf(r *http.Request) string { return text.Cut(r.URL.Path, longestPath) }

// observe gives every request its id, turns panics and errors into responses, and writes one log line and one metric.
func (p *Pipeline) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		info := &request.Info{Context: c.Request().Context(), ID: p.requestID(c.Request()), Head: c.Request().Method == http.MethodHead}
		r := c.Request().WithContext(info)
		c.SetRequest(r)
		c.Response().Header()[echo.HeaderXRequestID] = []string{info.ID}
		if p.draining.Load() { // the next request is for another replica
			c.Response().Header().Set(echo.HeaderConnection, "close")
		}

		if err := recovered(func() error { return next(c) }); err != nil {
			p.writeError(c, err)
		}
		elapsed, status := time.Since(start), statusOf(c, info)
		p.metrics.request(info.Operation, status, elapsed)
		if info.Log == nil || info.Head {
			info.Log = p.operationLog(r.Method, info.Operation)
		}
		level := slog.LevelInfo
		if info.Operation == "" && status < http.StatusBadRequest { // a probe that found nothing wrong
			level = slog.LevelDebug
		}
		log := info.Log
		if trace := tracing.ID(info.Context); trace != "" {
			log = log.With("trace_id", trace)
		}
		log.LogAttrs(r.Context(), level, "request", slog.String("request_id", info.ID),
			slog.Int("status", status), slog.Duration("duration", elapsed), slog.String("account", info.Account),
			slog.String("path", pathOf(r)), slog.String("remote", c.RealIP()))
		return nil
	}
}

// operationLog returns the log for an operation's requests.
func (p *Pipeline) operationLog(method, operation string) *slog.Logger {
	return p.log.With("method", method, "operation", operation)
}

// requestID returns the caller's request id if the contract allows it, otherwise a new one.
func (p *Pipeline) requestID(r *http.Request) string {
	if sent := r.Header[echo.HeaderXRequestID]; len(sent) > 0 && p.contract.Accepts("RequestID", sent[0]) {
		return sent[0]
	}
	return uuid.Must(uuid.NewV7()).String()
}

// recovered runs fn and turns its panic into an error, except http.ErrAbortHandler, which ends the connection.
func recovered(fn func() error) error {
	err := panics.ToError(fn)
	var panicked *panics.Error
	if errors.As(err, &panicked) && panicked.Value == http.ErrAbortHandler {
		panic(http.ErrAbortHandler)
	}
	return err
}
