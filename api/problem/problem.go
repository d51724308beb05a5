// Package problem is the one vocabulary of errors between the server and its callers: an error that callers may see
// says itself what it is, and one table relates the types of errors to HTTP statuses. It imports the contract's
// generated types and the standard library only.
package problem

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/gen/types"
)

// Problem is an error as the caller sees it.
type Problem struct {
	// Type is the contract's type of error.
	Type types.ErrorType
	// Status overrides the HTTP status of Type; 0 keeps it.
	Status int
	// Message is one plain sentence for callers.
	Message string
	// Param names the field, parameter or header of the request that is invalid; "" for none.
	Param string
	// Feature names the feature that would have to be switched on; "" for none.
	Feature string
	// Lease is what the server knows of the lease of a work item, for a 412; nil otherwise.
	Lease *types.LeaseState
	// RetryAfter is how long to wait before the next attempt; 0 to give no advice.
	RetryAfter time.Duration
}

// HTTPStatus returns the status of the response that reports the problem.
func (p Problem) HTTPStatus() int {
	if p.Status != 0 {
		return p.Status
	}
	return StatusOf(p.Type)
}

// Envelope returns the body of the response that reports the problem, with a line feed at its end.
func (p Problem) Envelope(requestID string) []byte {
	detail := types.ErrorDetail{Type: p.Type, Message: p.Message, Param: optional(p.Param), Feature: optional(p.Feature)}
	if p.Lease != nil {
		detail.Details = &types.LeaseDetails{CurrentState: *p.Lease}
	}
	body, _ := json.Marshal(types.Error{Type: types.ErrorEnvelopeTypeError, Error: detail, RequestID: requestID}) // text always marshals
	return append(body, '\n')
}

// optional returns nil for "".
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Error is an error that callers may see. Error returns the text for logs, Problem what a caller gets.
type Error interface {
	error
	Problem() Problem
}

// Of returns the problem of the first Error in err's tree; ok is false when there is none.
func Of(err error) (p Problem, ok bool) {
	var known Error
	if !errors.As(err, &known) {
		return Problem{}, false
	}
	return known.Problem(), true
}

// statuses has each type of error with its HTTP status. The exceptions set Problem.Status: an invalid_request_error is a 409
// for a message to a busy session and for a file that a session has already, a 405 for a method that a path does not have,
// a 415 for an encoded body and a 416 for a range outside of a content; a not_found_error is a 410 for a deleted content.
var statuses = map[types.ErrorType]int{
	types.ErrorTypeInvalidRequestError:     http.StatusBadRequest,
	types.ErrorTypeAuthenticationError:     http.StatusUnauthorized,
	types.ErrorTypePermissionError:         http.StatusForbidden,
	types.ErrorTypeNotFoundError:           http.StatusNotFound,
	types.ErrorTypeConflictError:           http.StatusConflict,
	types.ErrorTypePreconditionFailedError: http.StatusPreconditionFailed,
	types.ErrorTypeRateLimitError:          http.StatusTooManyRequests,
	types.ErrorTypeAPIError:                http.StatusInternalServerError,
	types.ErrorTypeFeatureNotAvailable:     http.StatusNotImplemented,
	types.ErrorTypeOverloadedError:         http.StatusServiceUnavailable,
}

// StatusOf returns the HTTP status of a type of error; 500 for a type that the contract does not have.
func StatusOf(kind types.ErrorType) int {
	if status, ok := statuses[kind]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// TypeOf returns the type of error of an HTTP status; "" for a status that has none.
func TypeOf(status int) types.ErrorType {
	for kind, s := range statuses {
		if s == status {
			return kind
		}
	}
	return ""
}

// Statuses returns the statuses that have a type of error, ascending.
func Statuses() []int { return slices.Sorted(maps.Values(statuses)) }
