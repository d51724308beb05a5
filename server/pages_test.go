package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// Pages need no token, and keep themselves apart from others: what they load, who frames them, what a browser guesses.
func TestPagesAreSecure(t *testing.T) {
	h := start(t)
	for path, script := range map[string]string{"": "", "index.css": "", "icon.svg": "", "console/": "script-src 'self';", "console/app.js": "script-src 'self';", "docs/": "script-src 'self';", "docs/scalar.js": "script-src 'self';", "docs/none": "script-src 'self';"} {
		got := h.do(request{method: http.MethodGet, path: "//" + path, token: "-", header: map[string]string{"Accept": "text/html,*/*"}})
		if got.status != http.StatusOK && path != "docs/none" {
			t.Errorf("/%s: %d", path, got.status)
		}
		for _, part := range []string{"default-src 'none';", script, "base-uri 'none';", "form-action 'none';", "frame-ancestors 'none'"} {
			if !strings.Contains(got.header.Get("Content-Security-Policy"), part) {
				t.Errorf("/%s: the policy lacks %s: %q", path, part, got.header.Get("Content-Security-Policy"))
			}
		}
		for name, value := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got.header.Get(name) != value {
				t.Errorf("/%s: %s %q", path, name, got.header.Get(name))
			}
		}
	}
	console := h.do(request{method: http.MethodGet, path: "//console/", token: "-"})
	if policy := console.header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "connect-src 'self';") || !strings.Contains(policy, "require-trusted-types-for 'script'") {
		t.Errorf("the console's policy: %q", policy)
	}
	if strings.Contains(string(console.body), "<style") || strings.Contains(string(console.body), "style=") || strings.Count(string(console.body), "<script") != 1 {
		t.Errorf("something is inline: %s", console.body)
	}
}

// The root is a page for a browser; for a program it is what it was, an unknown path.
func TestTheRoot(t *testing.T) {
	h := start(t)
	for accept, want := range map[string]int{"text/html,application/xhtml+xml,*/*;q=0.8": http.StatusOK, "*/*": http.StatusNotFound, "application/json": http.StatusNotFound, "": http.StatusNotFound,
		"TEXT/HTML": http.StatusOK, "text/html;q=0": http.StatusNotFound, "*/*, text/html;q=0.0": http.StatusNotFound} {
		got := h.do(request{method: http.MethodGet, path: "//", token: "-", header: map[string]string{"Accept": accept}})
		if got.status != want || got.header.Get("Vary") != "Accept" {
			t.Errorf("%q: %d %v", accept, got.status, got.header)
		}
		if want == http.StatusNotFound && got.field("error", "type") != "not_found_error" {
			t.Errorf("%q: %s", accept, got.body)
		}
	}
	for _, path := range []string{"console", "docs"} {
		h.web.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if got := h.do(request{method: http.MethodGet, path: "//" + path, token: "-"}); got.status != http.StatusPermanentRedirect || got.header.Get("Location") != path+"/" {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
}
