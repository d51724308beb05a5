package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/gen/types"
)

// decode reads a success. Fields and enum values that this version does not know are no error.
func decode[T any](rep *reply) (*T, error) {
	fail := func(message string) (*T, error) {
		return nil, &Error{
			Status: rep.status, Type: ErrUnexpectedResponse, Message: message, RequestID: rep.header.Get("X-Request-Id"), Raw: rep.body,
		}
	}
	if rep.tooLarge {
		return fail("the answer is larger than 32 MiB")
	}
	if len(bytes.TrimSpace(rep.body)) == 0 {
		return fail("the answer is empty")
	}
	var out *T
	if err := json.Unmarshal(rep.body, &out); err != nil {
		if jsonMedia(mediaType(rep)) {
			return fail("the answer is not the contract's JSON: " + err.Error())
		}
		return fail(describe(rep) + "; is the base URL right?")
	}
	if out == nil {
		return fail("the answer is null")
	}
	return out, nil
}

// answerError turns an answer that is no success into an error.
func answerError(rep *reply, now time.Time) *Error {
	var wire types.Error
	e := &Error{Status: rep.status, RequestID: rep.header.Get("X-Request-Id"), Raw: rep.body}
	e.RetryAfter, _ = retryAfter(rep.header, now)
	switch {
	case rep.status < 400:
		e.Type, e.Message = ErrUnexpectedResponse, "the server redirects"+target(rep)+" and the client does not follow; is the base URL right?"
	case json.Unmarshal(rep.body, &wire) == nil && wire.Error.Type != "":
		e.Type, e.Message = wire.Error.Type, wire.Error.Message
		e.Param, e.Feature = value(wire.Error.Param), value(wire.Error.Feature)
		e.AvailableFrom = value(wire.Error.AvailableFrom)
		if wire.RequestID != "" {
			e.RequestID = wire.RequestID
		}
	default:
		e.Type, e.Message = statusType(rep.status), describe(rep)
	}
	return e
}

// statusType is the kind of an error status without the contract's body, sent by something in front of
// the server. A bare 404 is not ErrNotFound: it more likely means a wrong base URL than a missing
// resource.
func statusType(status int) ErrorType {
	switch {
	case status == http.StatusUnauthorized:
		return ErrAuthentication
	case status == http.StatusForbidden:
		return ErrPermission
	case status == http.StatusTooManyRequests:
		return ErrRateLimit
	case status == http.StatusServiceUnavailable:
		return ErrOverloaded
	case status >= 500:
		return ErrAPI
	}
	return ErrUnexpectedResponse
}

// describe says what a body is that is not the contract's, with its beginning.
func describe(rep *reply) string {
	const most = 200
	text := strings.Join(strings.Fields(string(rep.body[:min(len(rep.body), most)])), " ")
	switch media := mediaType(rep); {
	case text == "":
		return "the answer is empty"
	case media == "":
		return fmt.Sprintf("the answer has no content type and is not the contract's: %q", text)
	case !jsonMedia(media):
		return fmt.Sprintf("the answer is %s, not JSON: %q", media, text)
	}
	return fmt.Sprintf("the answer is not the contract's: %q", text)
}

// mediaType is the answer's media type without parameters, "" when it has none.
func mediaType(rep *reply) string {
	media, _, _ := mime.ParseMediaType(rep.header.Get("Content-Type"))
	return media
}

// jsonMedia reports whether a media type is JSON.
func jsonMedia(media string) bool {
	return slices.Contains([]string{"application/json", "text/json"}, media) || strings.HasSuffix(media, "+json")
}

// target names where a redirect goes, without what could be secret: user name, query and fragment.
func target(rep *reply) string {
	u, err := url.Parse(rep.header.Get("Location"))
	if err != nil || u.Host == "" && u.Path == "" {
		return ""
	}
	return " to " + (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
