package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/cloud-sessions/sessions/gen/types"
)

// ErrorType is the type of an [Error] or of a [SessionErrorDetail], the error.type of the contract. Each is a sentinel for
// errors.Is, even one that this package does not list: errors.Is(err, client.ErrorType("new_error")).
type ErrorType = types.ErrorType

// The types of errors, one for each error.type of the contract, and [ErrUnexpectedResponse].
const (
	// ErrInvalidRequest is a malformed request, or a field that is missing or invalid (400); [Error.Param] names it. With
	// status 0 the client found it and sent nothing.
	ErrInvalidRequest = types.ErrorTypeInvalidRequestError
	// ErrAuthentication is a missing, unknown, expired or revoked token (401). With status 0 the client has no token.
	ErrAuthentication = types.ErrorTypeAuthenticationError
	// ErrPermission is a valid token without the permission (403).
	ErrPermission = types.ErrorTypePermissionError
	// ErrNotFound is a resource that does not exist in the token's account (404).
	ErrNotFound = types.ErrorTypeNotFoundError
	// ErrConflict is a request that conflicts with the state of a resource or the use of an idempotency key (409).
	ErrConflict = types.ErrorTypeConflictError
	// ErrPreconditionFailed is a heartbeat of a worker that does not have the work item (412).
	ErrPreconditionFailed = types.ErrorTypePreconditionFailedError
	// ErrRateLimit is a request above a limit (429); see [Error.RetryAfter].
	ErrRateLimit = types.ErrorTypeRateLimitError
	// ErrAPI is a failure of the server (500).
	ErrAPI = types.ErrorTypeAPIError
	// ErrFeatureNotAvailable is a feature that is not switched on (501); [Error.Feature] names it.
	ErrFeatureNotAvailable = types.ErrorTypeFeatureNotAvailable
	// ErrOverloaded is a server that is temporarily unavailable (503); see [Error.RetryAfter].
	ErrOverloaded = types.ErrorTypeOverloadedError
	// ErrUnexpectedResponse is a response that the contract does not have: without JSON, truncated, empty, larger than
	// 72 MiB, or a redirect. Only the client uses it, never the server. An error whose status is known but whose body is not
	// the contract's, such as a gateway's 404, has the type of its status and matches this one as well.
	ErrUnexpectedResponse ErrorType = "unexpected_response"
)

// Error is the error of every failed call. Match its type with errors.Is and an [ErrorType], a cancelled or expired
// context with errors.Is and the errors of package context, and read its fields with errors.As. No field and no text
// contains the token or another credential of the request.
type Error struct {
	// Op is the method that failed, such as "Sessions.Create".
	Op string
	// Status is the HTTP status of the response, 0 without one.
	Status int
	// Type is the type of error, "" when the request was sent, or would have been, and there was no response.
	Type ErrorType
	// Message describes the error; it is the server's when the response is the contract's error.
	Message string
	// Param is the invalid field, parameter or header, such as "metadata.purpose"; may be "".
	Param string
	// Feature is the feature that is not switched on; only with status 501.
	Feature string
	// AvailableFrom is the beta identifier that makes the feature available; may be "".
	AvailableFrom string
	// RequestID identifies the request in the server's log; may be "".
	RequestID string
	// ResourceID is the id in the body of a success that could not be read, "" when there is none: what a create has created
	// has this id.
	ResourceID string
	// RetryAfter is the wait before the next attempt that the server asked for, 0 for none.
	RetryAfter time.Duration
	// Attempts is how often the request was sent; may be 0.
	Attempts int
	// Raw is the body of the response as the server sent it, as far as it arrived and except for credentials, up to 64 KiB; nil
	// without a response.
	Raw []byte

	words   *words // Message before it is complete; nil for one that is from elsewhere
	foreign bool   // the body is not the contract's, whatever the status
	cause   error
}

// Error returns one line: the method, the status and type if any, the message, and what else helps to find the cause,
// such as the request id.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d ", e.Status)
		if e.Type != "" {
			b.WriteString(string(e.Type))
		} else {
			b.WriteString(http.StatusText(e.Status))
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	var notes []string
	for _, note := range [][2]string{{"param", e.Param}, {"feature", e.Feature}, {"id", e.ResourceID}, {"request id", e.RequestID}} {
		if note[1] != "" {
			notes = append(notes, note[0]+" "+note[1])
		}
	}
	if e.Attempts > 1 {
		notes = append(notes, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, ", ") + ")")
	}
	return b.String()
}

// GoString returns the same as Error: %#v must not print the cause's fields.
func (e *Error) GoString() string { return e.Error() }

// Is reports whether target is the error's type, or [ErrUnexpectedResponse] and the body is not the contract's.
func (e *Error) Is(target error) bool {
	t, ok := target.(ErrorType)
	return ok && t != "" && (t == e.Type || t == ErrUnexpectedResponse && e.foreign)
}

// Unwrap returns the cause of an error without a response, such as a *net.OpError or the error of the context; otherwise
// nil.
func (e *Error) Unwrap() error { return e.cause }

// masked stands for a cause whose text contains a secret: errors.Is finds it, printing does not show it.
type masked struct {
	text  string
	cause error
}

func (m *masked) Error() string        { return m.text }
func (m *masked) GoString() string     { return m.text }
func (m *masked) Is(target error) bool { return errors.Is(m.cause, target) }

// finish returns err as the error of op, without secrets in any text. An err that is not an *Error comes from an invalid
// option or request. The client's own words have no secrets, even where a short token is a part of one of them.
func (c *config) finish(op string, err error) error {
	e, ok := err.(*Error)
	if !ok {
		e = failed(err)
		e.Type, e.cause = ErrInvalidRequest, nil
	}
	var pairs []string
	for _, secret := range c.secrets() {
		pairs = append(pairs, secret, "[redacted]")
	}
	scrub := strings.NewReplacer(pairs...).Replace
	if e.words != nil {
		e.Message, e.words = clip(e.words.with(scrub)), nil
	} else {
		e.Message = clip(scrub(e.Message))
	}
	if e.Status != 0 { // otherwise the parameter is the client's
		e.Param = clip(scrub(e.Param))
	}
	if e.Type != ErrUnexpectedResponse && !e.Type.Valid() {
		e.Type = ErrorType(clip(scrub(string(e.Type))))
	}
	for _, s := range []*string{&e.Feature, &e.AvailableFrom, &e.RequestID, &e.ResourceID} {
		*s = clip(scrub(*s))
	}
	if e.Raw != nil {
		raw := scrub(string(e.Raw[:min(len(e.Raw), 2*maxRaw)])) // so that no half of a secret is left at the end
		e.Raw = []byte(raw[:min(len(raw), maxRaw)])
	}
	e.Op = op
	for link := e.cause; link != nil; link = errors.Unwrap(link) {
		if text := link.Error(); scrub(text) != text {
			e.cause = &masked{scrub(e.cause.Error()), e.cause}
			break
		}
	}
	return e
}

// maxRaw is the most bytes of [Error.Raw].
const maxRaw = 64 << 10

// clip prepares a text from outside for a log or a terminal: one line without control characters, no longer than the
// contract's longest message.
func clip(s string) string {
	tail := ""
	if len(s) > maxErrorMessage {
		s, tail = s[:maxErrorMessage], "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "")) + tail
}

// value returns *p, or the zero value when p is nil.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
