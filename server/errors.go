package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/store"
)

// featureError is the use of a feature that is not switched on.
type featureError struct{ param, feature string }

func (e *featureError) Error() string {
	return fmt.Sprintf("Field '%s' needs the feature '%s', which is not switched on; leave the list empty.", e.param, e.feature)
}

// problem is an error as the caller sees it.
type problem struct {
	status int
	detail types.ErrorDetail
	// retryAfter is how long to wait before the next attempt; 0 to say nothing of it.
	retryAfter time.Duration
}

// problemOf turns any error into what the caller sees of it. Errors it does not know are failures: the
// caller gets a 500 that says nothing of the cause.
func problemOf(err error) problem {
	var (
		fault    *contract.RequestError
		denied   *auth.Error
		missing  *store.MissingError
		archived *store.ArchivedError
		state    *store.StateError
		version  *store.VersionError
		feature  *featureError
		busy     *lifecycle.BusyError
		streams  *broker.TooManyError
		turns    *tooManyTurns
		routing  *echo.HTTPError
	)
	switch {
	case errors.As(err, &fault):
		return invalid(http.StatusBadRequest, fault.Message, fault.Param)
	case errors.As(err, &denied):
		return newProblem(http.StatusUnauthorized, types.ErrorTypeAuthenticationError, denied.Message)
	case errors.As(err, &missing):
		return newProblem(http.StatusNotFound, types.ErrorTypeNotFoundError, missing.Error())
	case errors.As(err, &busy):
		return newProblem(http.StatusConflict, types.ErrorTypeInvalidRequestError, busy.Error())
	case errors.As(err, &streams):
		return tooMany(streams.Error())
	case errors.As(err, &turns):
		return tooMany(turns.Error())
	case errors.Is(err, store.ErrUnavailable):
		p := newProblem(http.StatusServiceUnavailable, types.ErrorTypeOverloadedError, "The server cannot answer for the moment. Try again with the same idempotency key.")
		p.retryAfter = time.Second
		return p
	case errors.As(err, &archived):
		return invalid(http.StatusBadRequest, archived.Error(), referenceTo[archived.Noun])
	case errors.As(err, &state):
		return newProblem(http.StatusConflict, types.ErrorTypeConflictError, state.Error())
	case errors.As(err, &version):
		return conflict(version.Error(), "version")
	case errors.Is(err, store.ErrKeyReused):
		return conflict("Idempotency key reused with a different request body.", "Idempotency-Key")
	case errors.As(err, &feature):
		p := newProblem(http.StatusNotImplemented, types.ErrorTypeFeatureNotAvailable, feature.Error())
		p.detail.Param, p.detail.Feature = &feature.param, &feature.feature
		return p
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		return newProblem(http.StatusNotFound, types.ErrorTypeNotFoundError, "There is no such path; see /openapi.yaml for those there are.")
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		return newProblem(http.StatusMethodNotAllowed, types.ErrorTypeInvalidRequestError, "The path does not take this method; header Allow has those it takes.")
	}
	return newProblem(http.StatusInternalServerError, types.ErrorTypeAPIError, "The server failed to answer. Try again with the same idempotency key.")
}

// referenceTo names the field of a request that refers to a kind of resource.
var referenceTo = map[store.Noun]string{store.NounAgent: "agent", store.NounEnvironment: "environment_id"}

func newProblem(status int, kind types.ErrorType, message string) problem {
	return problem{status: status, detail: types.ErrorDetail{Type: kind, Message: message}}
}

func invalid(status int, message, param string) problem {
	p := newProblem(status, types.ErrorTypeInvalidRequestError, message)
	if param != "" {
		p.detail.Param = &param
	}
	return p
}

func tooMany(message string) problem {
	p := newProblem(http.StatusTooManyRequests, types.ErrorTypeRateLimitError, message)
	p.retryAfter = time.Second
	return p
}

func conflict(message, param string) problem {
	p := newProblem(http.StatusConflict, types.ErrorTypeConflictError, message)
	p.detail.Param = &param
	return p
}

// writeError is the only writer of error envelopes. It logs what the caller is not told, and does
// nothing once a response is on its way.
func (s *Server) writeError(c echo.Context, err error) {
	if c.Response().Committed {
		return
	}
	info := infoOf(c.Request().Context())
	p := problemOf(err)
	if errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil {
		s.log.InfoContext(c.Request().Context(), "caller went away", "request_id", info.id, "operation", info.operation)
	} else if p.status >= http.StatusInternalServerError && p.detail.Type == types.ErrorTypeAPIError {
		attrs := []any{"request_id", info.id, "operation", info.operation, "error", err}
		var panicked *panicError
		if errors.As(err, &panicked) {
			attrs = append(attrs, "panic", panicked.value, "stack", string(panicked.stack))
		}
		s.log.ErrorContext(c.Request().Context(), "request failed", attrs...)
	} else if p.status == http.StatusServiceUnavailable {
		s.log.WarnContext(c.Request().Context(), "request refused", "request_id", info.id, "operation", info.operation, "error", err)
	}
	if p.status == http.StatusUnauthorized {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, "Bearer")
	}
	if p.status == http.StatusNotImplemented {
		c.Response().Header().Set("X-Should-Retry", "false")
	}
	if p.retryAfter > 0 {
		c.Response().Header().Set("Retry-After", strconv.Itoa(int(p.retryAfter.Seconds())))
	}
	body := types.Error{Type: types.ErrorEnvelopeTypeError, Error: p.detail, RequestID: info.id}
	if err := c.JSON(p.status, body); err != nil {
		s.log.WarnContext(c.Request().Context(), "error not sent", "request_id", info.id, "error", err)
	}
}
