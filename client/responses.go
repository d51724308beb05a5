package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
)

// decode decodes a success. Fields and enum values that this version does not know are not errors.
func decode[T any](resp *response) (*T, error) {
	fail := func(message string) (*T, error) {
		return nil, &Error{
			Status: resp.status, Type: ErrUnexpectedResponse, Message: message, RequestID: resp.header.Get("X-Request-Id"), Raw: resp.body,
		}
	}
	if resp.tooLarge {
		return fail("the response is larger than 72 MiB")
	}
	if len(bytes.TrimSpace(resp.body)) == 0 {
		return fail("the response is empty")
	}
	var out *T
	if err := json.Unmarshal(resp.body, &out); err != nil {
		if jsonMedia(mediaType(resp)) {
			return fail("the response is not the contract's JSON: " + err.Error())
		}
		return fail(describe(resp) + "; is the base URL right?")
	}
	if out == nil && !acceptsNull[T]() {
		return fail("the response is null")
	}
	if out == nil {
		out = new(T)
		return out, json.Unmarshal(resp.body, out)
	}
	return out, nil
}

// acceptsNull reports whether null is a value of the type: of a pointer, and of JSON that is not decoded.
func acceptsNull[T any]() bool {
	t := reflect.TypeFor[T]()
	return t.Kind() == reflect.Pointer || t == reflect.TypeFor[json.RawMessage]()
}

// responseError turns a response that is not a success into an error.
func responseError(resp *response, now time.Time) *Error {
	var wire types.Error
	e := &Error{Status: resp.status, RequestID: resp.header.Get("X-Request-Id"), Raw: resp.body}
	e.RetryAfter, _ = retryAfter(resp.header, now)
	switch {
	case resp.status < 400:
		e.Type, e.Message = ErrUnexpectedResponse, "the server redirects"+target(resp)+" and the client does not follow; is the base URL right?"
	case json.Unmarshal(resp.body, &wire) == nil && wire.Error.Type != "":
		e.Type, e.Message = wire.Error.Type, wire.Error.Message
		e.Param, e.Feature = value(wire.Error.Param), value(wire.Error.Feature)
		e.AvailableFrom = value(wire.Error.AvailableFrom)
		if wire.RequestID != "" {
			e.RequestID = wire.RequestID
		}
	default:
		e.Type, e.Message = statusType(resp.status), describe(resp)
	}
	return e
}

// statusType returns the type of an error whose response does not have the contract's body, such as one of a proxy. A bare
// 404 is not ErrNotFound: a wrong base URL is more likely than a missing resource.
func statusType(status int) ErrorType {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return problem.TypeOf(status)
	}
	if status >= 500 {
		return ErrAPI
	}
	return ErrUnexpectedResponse
}

// describe describes a body that is not the contract's, with its beginning.
func describe(resp *response) string {
	const most = 200
	text := strings.Join(strings.Fields(string(resp.body[:min(len(resp.body), most)])), " ")
	switch media := mediaType(resp); {
	case text == "":
		return "the response is empty"
	case media == "":
		return fmt.Sprintf("the response has no content type and is not the contract's: %q", text)
	case !jsonMedia(media):
		return fmt.Sprintf("the response is %s, not JSON: %q", media, text)
	}
	return fmt.Sprintf("the response is not the contract's: %q", text)
}

// mediaType returns the media type of a response without parameters; "" when it has none.
func mediaType(resp *response) string {
	media, _, _ := mime.ParseMediaType(resp.header.Get("Content-Type"))
	return media
}

// jsonMedia reports whether a media type is JSON.
func jsonMedia(media string) bool {
	return slices.Contains([]string{"application/json", "text/json"}, media) || strings.HasSuffix(media, "+json")
}

// target returns where a redirect goes, without what could be secret: user name, query and fragment.
func target(resp *response) string {
	u, err := url.Parse(resp.header.Get("Location"))
	if err != nil || u.Host == "" && u.Path == "" {
		return ""
	}
	return " to " + (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
