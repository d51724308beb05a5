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

// observe gives every request its id, turns panics and errors into responses, and writes one log line and one metric when
// the response has ended.
func (p *Pipeline) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		info := &request.Info{
			Context: c.Request().Context(), ID: p.requestID(c.Request()), Head: c.Request().Method == http.MethodHead,
			OwnConnection: ownsConnection(c.Request()),
		}
		r := c.Request().WithContext(info)
		c.SetRequest(r)
		c.Response().Header()[echo.HeaderXRequestID] = []string{info.ID}
		if p.draining.Load() { // the next request is for another replica
			c.Response().Header().Set(echo.HeaderConnection, "close")
		}

		if err := recovered(func() error { return next(c) }); err != nil {
			p.writeError(c, err)
		}
		seen := observed{start: start, method: r.Method, path: pathOf(r), remote: c.RealIP(), status: statusOf(c, info)}
		if info.Continue == nil {
			p.ended(info, seen)
			return nil
		}
		info.Continue(func() { p.ended(info, seen) })
		return nil
	}
}

// ownsConnection reports whether the response to a request may take over the connection.
func ownsConnection(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ProtoMinor >= 1 && r.TLS == nil && r.ContentLength == 0
}

// observed is what the log has of a request, beside its Info.
type observed struct {
	start                time.Time
	method, path, remote string
	status               int
}

// ended writes the log line and the metric of a request whose response has ended.
func (p *Pipeline) ended(info *request.Info, seen observed) {
	elapsed := time.Since(seen.start)
	p.metrics.request(info.Operation, seen.status, elapsed)
	if info.Log == nil || info.Head {
		info.Log = p.operationLog(seen.method, info.Operation)
	}
	level := slog.LevelInfo
	if info.Operation == "" && seen.status < http.StatusBadRequest { // a probe that found nothing wrong
		level = slog.LevelDebug
	}
	log := info.Log
	if trace := tracing.ID(info.Context); trace != "" {
		log = log.With("trace_id", trace)
	}
	log.LogAttrs(info, level, "request", slog.String("request_id", info.ID),
		slog.Int("status", seen.status), slog.Duration("duration", elapsed), slog.String("account", info.Account),
		slog.String("path", seen.path), slog.String("remote", seen.remote))
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
