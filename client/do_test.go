package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/cloud-sessions/sessions/client"
)

// Do sends what it is given as every method sends.
func TestDo(t *testing.T) {
	c, rec := scripted(t, []client.RoundTripFunc{answer(503, envelope("overloaded_error", "busy")), answer(200, `{"id":"new_1"}`)})
	var got struct{ ID string }
	if err := c.Do(t.Context(), http.MethodPost, "/news/a%2Fb?x=1", map[string]any{"text": "你好"}, &got); err != nil || got.ID != "new_1" {
		t.Fatalf("%+v, %v", got, err)
	}
	req := rec.last()
	if req.Method != http.MethodPost || req.URL.String() != "http://sessions.test/api/v1/cloud/news/a%2Fb?x=1" || rec.bodies[1] != `{"text":"你好"}` {
		t.Errorf("sent %s %s %s", req.Method, req.URL, rec.bodies[1])
	}
	for name, want := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json"} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if key := req.Header.Get("Idempotency-Key"); key == "" || key != rec.requests[0].Header.Get("Idempotency-Key") {
		t.Errorf("idempotency key %q", key)
	}
	var raw json.RawMessage
	if err := c.Do(t.Context(), http.MethodGet, "/news", nil, &raw); err != nil || string(raw) != `{"id":"new_1"}` {
		t.Errorf("%s, %v", raw, err)
	}
	if err := c.Do(t.Context(), http.MethodDelete, "/news/1", nil, nil); err != nil || rec.last().Body != nil {
		t.Error(err)
	}
}

func TestDoMistakes(t *testing.T) {
	c, rec := scripted(t, []client.RoundTripFunc{answer(200, `[]`)})
	var object struct{}
	for _, tc := range []struct {
		method, path string
		body, out    any
		want         string
	}{
		{"GET", "news", nil, nil, `Client.Do: the path "news" does not begin with a slash`},
		{"GET", "", nil, nil, `Client.Do: the path "" does not begin with a slash`},
		{"GET", "/%zz", nil, nil, `Client.Do: the method "GET" or the path "/%zz" is malformed`},
		{"G T", "/news", nil, nil, `Client.Do: the method "G T" or the path "/news" is malformed`},
		{"POST", "/news", func() {}, nil, `Client.Do: the body cannot be written as JSON: json: unsupported type: func()`},
		{"GET", "/news", nil, &object, `Client.Do: 200 unexpected_response: the response's JSON is not what was asked for: json: cannot unmarshal array into Go value of type struct {}`},
	} {
		wantText(t, c.Do(t.Context(), tc.method, tc.path, tc.body, tc.out), tc.want)
	}
	if len(rec.requests) != 1 {
		t.Errorf("%d requests sent", len(rec.requests))
	}
}

// A permanent error of a middleware, or of the body that it passes on, is not tried again.
func TestPermanent(t *testing.T) {
	if client.Permanent(nil) != nil {
		t.Error("an error of nothing")
	}
	cause := errors.New("no more of this")
	c, rec := scripted(t, []client.RoundTripFunc{refuse(client.Permanent(cause))})
	err := get(t.Context(), c)
	wantText(t, err, "Sessions.Get: no more of this")
	if !errors.Is(err, cause) || len(rec.requests) != 1 {
		t.Errorf("%v after %d attempts", err, len(rec.requests))
	}
	c, rec = scripted(t, []client.RoundTripFunc{streamBody("data: {}\n\n", client.Permanent(cause))})
	for _, err = range c.Sessions.Events.Stream(t.Context(), "sess_1", nil) {
	}
	wantText(t, err, "Sessions.Events.Stream: no more of this")
	if !errors.Is(err, cause) || len(rec.requests) != 1 {
		t.Errorf("%v after %d attempts", err, len(rec.requests))
	}
	c, rec = scripted(t, []client.RoundTripFunc{func(req *http.Request) (*http.Response, error) {
		resp, _ := answer(200, "")(req)
		resp.Body = io.NopCloser(failing{client.Permanent(cause)})
		return resp, nil
	}})
	if err = get(t.Context(), c); !errors.Is(err, cause) || len(rec.requests) != 1 {
		t.Errorf("%v after %d attempts", err, len(rec.requests))
	}
}
