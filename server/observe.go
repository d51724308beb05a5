package server

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// requestInfo is the context of a request under way, and what is known of the request.
type requestInfo struct {
	context.Context
	id        string
	log       *slog.Logger // names the method and the operation
	operation string       // operationId; "" outside the API
	account   string       // whom the request acts for; "", who owns nothing, until the token is checked
}

type infoKey struct{}

// Value implements context.Context.
func (i *requestInfo) Value(key any) any {
	if key == (infoKey{}) {
		return i
	}
	return i.Context.Value(key)
}

// infoOf returns what is known of the context's request.
func infoOf(ctx context.Context) *requestInfo {
	info, ok := ctx.Value(infoKey{}).(*requestInfo)
	if !ok {
		return &requestInfo{}
	}
	return info
}

// observe gives every request its id, answers panics and errors, and writes one log line and one metric.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		info := &requestInfo{Context: c.Request().Context(), id: s.requestID(c.Request())}
		r := c.Request().WithContext(info)
		c.SetRequest(r)
		c.Response().Header()[echo.HeaderXRequestID] = []string{info.id}
		if s.draining.Load() { // the next request is for somebody else
			c.Response().Header().Set(echo.HeaderConnection, "close")
		}

		if err := recovered(func() error { return next(c) }); err != nil {
			s.writeError(c, err)
		}
		elapsed, status := time.Since(start), c.Response().Status
		s.metrics.request(info.operation, status, elapsed)
		if info.log == nil {
			info.log = s.operationLog(r.Method, info.operation)
		}
		level := slog.LevelInfo
		if info.operation == "" && status < http.StatusBadRequest { // a probe that has nothing to say
			level = slog.LevelDebug
		}
		info.log.LogAttrs(r.Context(), level, "request", slog.String("request_id", info.id),
			slog.Int("status", status), slog.Duration("duration", elapsed), slog.String("account", info.account))
		return nil
	}
}

// operationLog returns the log for an operation's requests.
func (s *Server) operationLog(method, operation string) *slog.Logger {
	return s.log.With("method", method, "operation", operation)
}

// requestID keeps the caller's id when the contract allows it and makes one otherwise.
func (s *Server) requestID(r *http.Request) string {
	if sent := r.Header[echo.HeaderXRequestID]; len(sent) > 0 && s.contract.Accepts("RequestID", sent[0]) {
		return sent[0]
	}
	return uuid.Must(uuid.NewV7()).String()
}

// panicError is a panic of a handler, with its stack for the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return "panic while handling a request" }

// recovered runs fn and makes an error of its panic.
func recovered(fn func() error) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return fn()
}
