package pipeline

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/internal/panics"
	"github.com/cloud-sessions/sessions/server/request"
)

// problemOf returns what the caller sees of an error. An error that does not say what it is, is a failure: the caller
// gets a 500 that does not reveal the cause.
func problemOf(err error) problem.Problem {
	var invalid *contract.RequestError
	if errors.As(err, &invalid) {
		return problem.Problem{
			Type: types.ErrorTypeInvalidRequestError, Status: invalid.Status, Message: invalid.Message, Param: invalid.Param,
		}
	}
	if p, ok := problem.Of(err); ok {
		return p
	}
	var routing *echo.HTTPError
	if errors.As(err, &routing) {
		switch routing.Code {
		case http.StatusNotFound:
			return problem.Problem{Type: types.ErrorTypeNotFoundError, Message: unknownPath}
		case http.StatusMethodNotAllowed:
			return problem.Problem{
				Type: types.ErrorTypeInvalidRequestError, Status: http.StatusMethodNotAllowed,
				Message: "Method not allowed; the header Allow lists the methods of the path.",
			}
		}
	}
	return problem.Problem{Type: types.ErrorTypeAPIError, Message: "The server failed to answer. Try again with the same idempotency key."}
}

// The messages of paths that the API does not have.
const (
	unknownPath = "Unknown path; see /openapi.yaml for the paths of the API."
	trailedPath = "Unknown path; the paths of the API do not end in a slash."
)

// writeError is the only writer of error envelopes. It logs what the caller does not see, and does nothing once the
// response has been sent.
func (p *Pipeline) writeError(c echo.Context, err error) {
	if c.Response().Committed {
		return
	}
	ctx := c.Request().Context()
	info := request.From(ctx)
	pr := problemOf(err)
	if path := c.Request().URL.Path; pr.Message == unknownPath && len(path) > 1 && strings.HasSuffix(path, "/") {
		pr.Message = trailedPath
	}
	info.HungUp = errors.Is(err, context.Canceled) && ctx.Err() != nil
	p.logError(ctx, info, pr, err)
	header := c.Response().Header()
	switch pr.Type {
	case types.ErrorTypeAuthenticationError:
		header.Set(echo.HeaderWWWAuthenticate, "Bearer")
	case types.ErrorTypeFeatureNotAvailable:
		header.Set("X-Should-Retry", "false")
	}
	if pr.HTTPStatus() == http.StatusUnsupportedMediaType {
		header.Set(echo.HeaderAcceptEncoding, "identity")
	}
	var outside *rangeError
	if errors.As(err, &outside) {
		header.Set("Content-Range", outside.contentRange())
	}
	if pr.RetryAfter > 0 {
		header.Set(echo.HeaderRetryAfter, strconv.Itoa(int(pr.RetryAfter.Seconds())))
	}
	data := pr.Envelope(info.ID)
	header.Set(echo.HeaderContentLength, strconv.Itoa(len(data))) // the response is complete before linger ends
	if err := c.JSONBlob(pr.HTTPStatus(), data); err != nil {
		p.log.WarnContext(ctx, "error not sent", "request_id", info.ID, "error", err)
	}
}

// logError logs an error that is not the caller's: a failure, or a database that is not available.
func (p *Pipeline) logError(ctx context.Context, info *request.Info, pr problem.Problem, err error) {
	attrs := []any{"request_id", info.ID, "operation", info.Operation}
	switch {
	case info.HungUp:
		p.log.InfoContext(ctx, "caller went away", attrs...)
	case pr.Type == types.ErrorTypeAPIError:
		attrs = append(attrs, "error", err)
		var panicked *panics.Error
		if errors.As(err, &panicked) {
			attrs = append(attrs, "stack", string(panicked.Stack))
		}
		p.log.ErrorContext(ctx, "request failed", attrs...)
	case pr.Type == types.ErrorTypeOverloadedError:
		p.log.WarnContext(ctx, "request refused", append(attrs, "error", err)...)
	}
}
