package client

import (
	"bytes"
	"cmp"
	"encoding/json"
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

// decode decodes a success. Fields and enum values that this version does not know are not errors, nor is what unmarshal
// accepts. A 202 without a body is null where T is a pointer.
func decode[T any](resp *response) (*T, error) {
	fail := func(own string, foreign ...any) (*T, error) {
		e := unexpected(resp.status, own, foreign...)
		e.RequestID, e.ResourceID, e.Raw = requestID(resp), firstID(resp.body), resp.body
		return nil, e
	}
	body := resp.body
	if len(bytes.TrimSpace(body)) == 0 && resp.status == http.StatusAccepted && reflect.TypeFor[T]().Kind() == reflect.Pointer {
		body = []byte("null")
	}
	if resp.tooLarge {
		return fail("the response is larger than 72 MiB")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return fail("the response is empty")
	}
	var out *T
	if raw, ok := any(new(T)).(*json.RawMessage); ok && json.Valid(body) { // which is not decoded
		*raw = bytes.Trim(body, " \t\r\n")
		return any(raw).(*T), nil
	}
	if err := unmarshal(body, &out); err != nil {
		if jsonMedia(mediaType(resp)) {
			return fail("the response is not the contract's JSON: %s", err.Error())
		}
		text := describe(resp)
		return fail(text.own+"; is the base URL right?", text.foreign...)
	}
	if out == nil && reflect.TypeFor[T]().Kind() != reflect.Pointer {
		return fail("the response is null")
	}
	if out == nil {
		out = new(T)
		return out, json.Unmarshal(body, out)
	}
	return out, nil
}

// responseError turns a response that is not a success into an error.
func responseError(resp *response, now time.Time) *Error {
	var wire types.Error
	e := &Error{Status: resp.status, RequestID: requestID(resp), Raw: resp.body}
	e.RetryAfter, _ = retryAfter(resp.header, now)
	switch {
	case resp.status < 400:
		e.Type = ErrUnexpectedResponse
		e.words = saying("the server redirects%s and the client does not follow; is the base URL right?", target(resp))
	case json.Unmarshal(resp.body, &wire) == nil && wire.Error.Type != "":
		e.Type, e.Message = wire.Error.Type, wire.Error.Message
		e.Param, e.Feature = value(wire.Error.Param), value(wire.Error.Feature)
		e.AvailableFrom = value(wire.Error.AvailableFrom)
		if wire.RequestID != "" {
			e.RequestID = wire.RequestID
		}
	default:
		e.Type, e.words, e.foreign = statusType(resp.status), describe(resp), true
	}
	if e.words != nil {
		e.Message = e.words.Error()
	}
	return e
}

// requestID returns the id of a request from the headers of its response. Some servers call it Request-Id.
func requestID(resp *response) string {
	return cmp.Or(resp.header.Get("X-Request-Id"), resp.header.Get("Request-Id"))
}

// statusType returns the type of an error whose response does not have the contract's body, such as one of a proxy or of
// another server.
func statusType(status int) ErrorType {
	switch status {
	case http.StatusGone:
		return ErrNotFound
	case http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusRequestedRangeNotSatisfiable, http.StatusUnprocessableEntity:
		return ErrInvalidRequest
	}
	kind := problem.TypeOf(status)
	if kind == "" && status >= 500 {
		return ErrAPI
	}
	return cmp.Or(kind, ErrUnexpectedResponse)
}

// describe describes a body that is not the contract's, with its beginning.
func describe(resp *response) *words {
	const enough = 4096 // for the beginning, whatever is redacted
	text := beginning(strings.Join(strings.Fields(string(resp.body[:min(len(resp.body), enough)])), " "))
	switch media := mediaType(resp); {
	case text == "":
		return saying("the response is empty")
	case media == "":
		return saying("the response has no content type and is not the contract's: %q", text)
	case !jsonMedia(media):
		return saying("the response is %s, not JSON: %q", media, text)
	}
	return saying("the response is not the contract's: %q", text)
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
