package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
)

// page is the origin of a page that may use the API in the tests of browsers.
const page = "https://app.example.com"

func allowPage(c *server.Config) { c.CORSOrigins = []string{page, "https://*.apps.example"} }

// preflight returns the response to what a browser asks before it sends a request with a token.
func preflight(h *harness, origin, method, headers string) answer {
	h.t.Helper()
	res := h.browse(http.MethodOptions, "/v1/sessions", http.Header{
		"Origin": {origin}, "Access-Control-Request-Method": {method}, "Access-Control-Request-Headers": {headers},
	})
	return answer{status: res.StatusCode, header: res.Header}
}

// browse sends a request without a token and without checks, and returns the response with its body closed.
func (h *harness) browse(method, path string, header http.Header) *http.Response {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.web.URL+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header = header
	res, err := h.web.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

// A browser learns without a token that a page of an allowed origin may send a request.
func TestPreflights(t *testing.T) {
	h := start(t, allowPage)
	for _, c := range []struct {
		origin, method, headers string
		allowed                 bool
	}{
		{page, "POST", "authorization,content-type,idempotency-key", true},
		{page, "GET", "authorization,last-event-id", true},
		{page, "DELETE", "authorization,x-request-id", true},
		{"https://one.apps.example", "PUT", "authorization", true},
		{page, "TRACE", "authorization", false},
		{page, "POST", "authorization,cookie", false},
		{"https://evil.example", "POST", "authorization", false},
		{"https://app.example.com.evil.example", "POST", "authorization", false},
		{"http://app.example.com", "POST", "authorization", false},
		{"https://apps.example", "POST", "authorization", false},
		{"https://evil.example/.apps.example", "POST", "authorization", false},
		{"https://evil.example?.apps.example", "POST", "authorization", false},
		{"https://user@one.apps.example", "POST", "authorization", false},
		{"https://.apps.example", "POST", "authorization", false},
		{"https://one.apps.example:8443", "POST", "authorization", false},
		{"https://one.two.apps.example", "PUT", "authorization", true},
		{"null", "POST", "authorization", false},
	} {
		got := preflight(h, c.origin, c.method, c.headers)
		allowed := got.header.Get("Access-Control-Allow-Origin") == c.origin && got.header.Get("Access-Control-Allow-Methods") == c.method &&
			got.header.Get("Access-Control-Allow-Headers") == c.headers && got.header.Get("Access-Control-Max-Age") == "7200"
		if got.status != http.StatusNoContent || allowed != c.allowed || !c.allowed && got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%+v: %d %v", c, got.status, got.header)
		}
		if !strings.Contains(got.header.Get("Vary"), "Origin") || got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%+v: %v", c, got.header)
		}
	}
}

// A page of an allowed origin may read every response, errors and streams among them, with the headers of the contract.
func TestPagesOfAllowedOriginsReadEveryResponse(t *testing.T) {
	h := start(t, allowPage)
	session := h.session()
	stream := h.browse(http.MethodGet, "/v1"+session+"/events/stream", http.Header{"Origin": {page}, "Authorization": {"Bearer " + aliceToken}})
	answers := map[string]answer{"a stream": {status: stream.StatusCode, header: stream.Header}}
	for name, r := range map[string]request{
		"a success":      {method: http.MethodGet, path: "/sessions"},
		"no token":       {method: http.MethodGet, path: "/sessions", token: "-"},
		"not found":      {method: http.MethodGet, path: "/sessions/sess_1"},
		"a mistake":      {method: http.MethodPost, path: "/sessions", body: "{}"},
		"unknown path":   {method: http.MethodGet, path: "//nowhere"},
		"the contract":   {method: http.MethodGet, path: "//openapi.json"},
		"not allowed":    {method: http.MethodDelete, path: "/sessions"},
		"a written body": {method: http.MethodPost, path: "/sessions", body: h.createBody(nil)},
	} {
		r.header = map[string]string{"Origin": page}
		answers[name] = h.do(r)
	}
	for name, got := range answers {
		exposed := got.header.Get("Access-Control-Expose-Headers")
		for _, header := range []string{"X-Request-Id", "Retry-After", "Idempotent-Replayed"} {
			if !strings.Contains(exposed, header) {
				t.Errorf("%s: %s is not exposed by %q", name, header, exposed)
			}
		}
		if got.header.Get("Access-Control-Allow-Origin") != page || got.header.Get("Vary") != "Origin" || got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", name, got.status, got.header)
		}
	}
	other := h.do(request{method: http.MethodGet, path: "/sessions", header: map[string]string{"Origin": "https://evil.example"}})
	if other.status != http.StatusOK || other.header.Get("Access-Control-Allow-Origin") != "" || other.header.Get("Vary") != "Origin" {
		t.Errorf("another origin: %d %v", other.status, other.header)
	}
}

// Without allowed origins no page of another origin reads anything.
func TestNoOriginIsAllowedByDefault(t *testing.T) {
	h := start(t)
	got := h.do(request{method: http.MethodGet, path: "/sessions", header: map[string]string{"Origin": page}})
	for _, header := range []http.Header{got.header, preflight(h, page, "GET", "authorization").header} {
		for name := range header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %q", name, header[name])
			}
		}
	}
}
