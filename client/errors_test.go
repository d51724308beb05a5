package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/openapi"
	"github.com/cloud-sessions/sessions/client"
)

// Every error.type of the spec has a sentinel, and errors.Is tells them apart.
func TestSentinels(t *testing.T) {
	sentinels := map[string]client.ErrorType{
		"invalid_request_error": client.ErrInvalidRequest, "authentication_error": client.ErrAuthentication,
		"permission_error": client.ErrPermission, "not_found_error": client.ErrNotFound,
		"conflict_error": client.ErrConflict, "precondition_failed_error": client.ErrPreconditionFailed, "rate_limit_error": client.ErrRateLimit, "api_error": client.ErrAPI,
		"feature_not_available": client.ErrFeatureNotAvailable, "overloaded_error": client.ErrOverloaded,
	}
	doc, err := openapi.Parse(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	kinds := doc.Components.Schemas["ErrorType"].Value.Enum
	if len(kinds) != len(sentinels) {
		t.Errorf("%d kinds in the spec, %d sentinels", len(kinds), len(sentinels))
	}
	for _, kind := range kinds {
		c, _ := scripted(t, []client.RoundTripFunc{answer(400, envelope(kind.(string), "m"))})
		err := get(t.Context(), c)
		for name, sentinel := range sentinels {
			if errors.Is(err, sentinel) != (name == kind) {
				t.Errorf("%v is %v: %v", kind, sentinel, name != kind)
			}
		}
	}
	c, _ := scripted(t, []client.RoundTripFunc{answer(418, envelope("teapot_error", "short and stout"))})
	if err := get(t.Context(), c); !errors.Is(err, client.ErrorType("teapot_error")) {
		t.Errorf("%v is not its own type", err)
	}
}

func TestErrorFields(t *testing.T) {
	body := `{"type":"error","request_id":"req_body","error":{"type":"feature_not_available",
		"message":"Field 'vault_ids' needs the feature 'm3'.","param":"vault_ids","feature":"m3","available_from":"m3-2026"}}`
	c, _ := scripted(t, []client.RoundTripFunc{answer(501, body, "Retry-After: 120")})
	err := create(t.Context(), c)
	var got *client.Error
	if !errors.As(err, &got) {
		t.Fatalf("%T", err)
	}
	want := &client.Error{
		Op: "Sessions.Create", Status: 501, Type: client.ErrFeatureNotAvailable,
		Raw: []byte(body), Message: "Field 'vault_ids' needs the feature 'm3'.", Param: "vault_ids", Feature: "m3",
		AvailableFrom: "m3-2026", RequestID: "req_body", RetryAfter: 120e9, Attempts: 1,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(client.Error{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantText(t, err, "Sessions.Create: 501 feature_not_available: Field 'vault_ids' needs the feature 'm3'. (param vault_ids, feature m3, request id req_body)")
}

// Responses of what stands in front of a server.
func TestForeignErrors(t *testing.T) {
	cases := []struct {
		name   string
		step   client.RoundTripFunc
		is     error
		err    string
		length int
	}{
		{name: "HTML", step: answer(502, "<html>\n<title>Bad   Gateway</title>", "Content-Type: text/html; charset=utf-8"), is: client.ErrAPI,
			err: `Sessions.Get: 502 api_error: the response is text/html, not JSON: "<html> <title>Bad Gateway</title>" (request id req_1)`},
		{name: "empty 503", step: answer(503, ""), is: client.ErrOverloaded,
			err: `Sessions.Get: 503 overloaded_error: the response is empty (request id req_1)`},
		{name: "empty 429", step: answer(429, ""), is: client.ErrRateLimit,
			err: `Sessions.Get: 429 rate_limit_error: the response is empty (request id req_1)`},
		{name: "empty 401", step: answer(401, ""), is: client.ErrAuthentication,
			err: `Sessions.Get: 401 authentication_error: the response is empty (request id req_1)`},
		{name: "other JSON", step: answer(403, `{"error":"no"}`), is: client.ErrPermission,
			err: `Sessions.Get: 403 permission_error: the response is not the contract's: "{\"error\":\"no\"}" (request id req_1)`},
		{name: "404 of a wrong base URL", step: answer(404, "404 page not found", "Content-Type: text/plain"), is: client.ErrNotFound,
			err: `Sessions.Get: 404 not_found_error: the response is text/plain, not JSON: "404 page not found" (request id req_1)`},
		{name: "terminal escapes", step: answer(400, `{"error":{"type":"invalid_request_error","message":"a\u001b[2J\nb"}}`), is: client.ErrInvalidRequest,
			err: `Sessions.Get: 400 invalid_request_error: a [2J b (request id req_1)`},
		{name: "endless", step: answer(400, envelope("invalid_request_error", strings.Repeat("é", 2<<20))), is: client.ErrUnexpectedResponse, length: 500},
		{name: "long-winded", step: answer(400, envelope("invalid_request_error", strings.Repeat("é", 5000))), is: client.ErrInvalidRequest, length: 1200},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := scripted(t, []client.RoundTripFunc{tc.step}, client.WithMaxRetries(0))
			err := get(t.Context(), c)
			if !errors.Is(err, tc.is) {
				t.Errorf("%v: want %v", err, tc.is)
			}
			if raw := asError(t, err).Raw; len(raw) > 64<<10 {
				t.Errorf("%d bytes of Raw", len(raw))
			}
			if tc.length > 0 && len(err.Error()) > tc.length {
				t.Errorf("%d bytes of text", len(err.Error()))
			} else if tc.err != "" {
				wantText(t, err, tc.err)
			}
		})
	}
}

// No text contains the token, wherever it comes from.
func TestNoTextHoldsTheToken(t *testing.T) {
	leak := errors.New("dial: Authorization: Bearer " + token)
	both := func(err error) client.RoundTripFunc { return refuse(fmt.Errorf("proxy: %w", err)) }
	cases := []struct {
		name string
		step client.RoundTripFunc
		opts []client.Option
		is   error
	}{
		{"transport", refuse(leak), nil, leak},
		{"wrapped", both(leak), nil, leak},
		{"hidden", refuse(quiet{leak}), nil, leak},
		{"message", answer(400, envelope("invalid_request_error", "bad token "+token)), nil, client.ErrInvalidRequest},
		{"type", answer(400, envelope(token, "m")), nil, nil},
		{"HTML", answer(502, "<pre>Authorization: Bearer "+token, "Content-Type: text/html"), nil, nil},
		{"success", answer(200, "Authorization: Bearer "+token, "Content-Type: text/plain"), nil, nil},
		{"request id", answer(500, "", "X-Request-Id: "+token), nil, nil},
		{"redirect", answer(302, "", "Location: https://user:"+token+"@other.test/"+token+"?t="+token), nil, nil},
		{"own header", refuse(errors.New("sent Basic c2VjcmV0")), []client.Option{client.WithHeader("Authorization", "Basic c2VjcmV0")}, nil},
		{"own cookie", refuse(errors.New("sent id=c2VjcmV0")), []client.Option{client.WithHeader("Cookie", "id=c2VjcmV0")}, nil},
		{"own key", refuse(errors.New("sent c2VjcmV0")), []client.Option{client.WithHeader("X-Api-Key", "c2VjcmV0")}, nil},
		{"a proxy's header", refuse(errors.New("sent Basic c2VjcmV0")), []client.Option{client.WithHeader("Proxy-Authorization", "Basic c2VjcmV0")}, nil},
		{"bad base URL", nil, []client.Option{client.WithBaseURL("https://user:" + token + "@host:x")}, nil},
		{"base URL with a user", nil, []client.Option{client.WithBaseURL("https://" + token + "@sessions.test")}, nil},
		{"base URL with a query", nil, []client.Option{client.WithBaseURL("https://sessions.test?token=" + token)}, nil},
		{"bad token", nil, []client.Option{client.WithToken(token + "\nx")}, nil},
		{"bad header", nil, []client.Option{client.WithHeader("X-Key", token+"\n")}, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := scripted(t, []client.RoundTripFunc{tc.step}, client.WithMaxRetries(0))
			err := get(t.Context(), c, tc.opts...)
			if err == nil || tc.is != nil && !errors.Is(err, tc.is) {
				t.Fatalf("error %v, want %v", err, tc.is)
			}
			texts := []string{fmt.Sprintf("%v %+v %#v", err, err, err), fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%+v", *c.Sessions)}
			for link := err; link != nil; link = errors.Unwrap(link) {
				texts = append(texts, fmt.Sprintf("%v %+v %#v", link, link, link))
				if e, ok := link.(*client.Error); ok {
					texts = append(texts, string(e.Raw))
				}
			}
			for _, text := range texts {
				if strings.Contains(text, token) || strings.Contains(text, "c2VjcmV0") {
					t.Errorf("leaks: %s", text)
				}
			}
		})
	}
}

// quiet is an error that does not print what it wraps.
type quiet struct{ err error }

func (quiet) Error() string   { return "quiet" }
func (q quiet) Unwrap() error { return q.err }

// The cause of a context's end is part of the error.
func TestContextCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	shutdown := errors.New("shutting down")
	cancel(shutdown)
	c, _ := scripted(t, []client.RoundTripFunc{answer(200, sessionJSON)})
	err := get(ctx, c)
	wantText(t, err, "Sessions.Get: context canceled: shutting down")
	if !errors.Is(err, context.Canceled) || !errors.Is(err, shutdown) {
		t.Error("a cause is lost")
	}
}

// A middleware that returns neither a response nor an error is an error, not a panic.
func TestMiddlewareWithoutResponse(t *testing.T) {
	c, _ := scripted(t, []client.RoundTripFunc{answer(200, sessionJSON)}, client.WithMaxRetries(0),
		client.WithMiddleware(func(client.RoundTripFunc) client.RoundTripFunc {
			return func(*http.Request) (*http.Response, error) { return nil, nil }
		}))
	wantText(t, get(t.Context(), c), "Sessions.Get: a middleware returned no response and no error")
}
