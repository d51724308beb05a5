package redact_test

import (
	"testing"

	"github.com/cloud-sessions/sessions/api/redact"
)

// TestText tests that no secret in a URL or in a form is left, however it is written, and that nothing else changes.
func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                               "",
		"a=b, token and password: plain":                 "a=b, token and password: plain",
		"/v1/x?limit=5&page=a":                           "/v1/x?limit=5&page=a",
		"/v1/x?token=5ecre7&page=a":                      "/v1/x?token=redacted&page=a",
		"/v1/x?%74oken=5ecre7":                           "/v1/x?%74oken=redacted",
		"/v1/x?%zz=5ecre7":                               "/v1/x?%zz=redacted",
		"/v1/x?a[token]=5ecre7":                          "/v1/x?a[token]=redacted",
		"/v1/x?token=&token_id=tok_1":                    "/v1/x?token=&token_id=tok_1",
		"client_secret=5ecre7&b=c":                       "client_secret=redacted&b=c",
		`"token=5ecre7"`:                                 `"token=redacted"`,
		`"https://h/?a=b\u0026sig=5ecre7"`:               `"https://h/?a=b\u0026sig=redacted"`,
		`"https://h/?a\u003db\u0026sig\u003d5ecre7"`:     `"https://h/?a\u003db\u0026sig\u003dredacted"`,
		`"https://h/?a\u003Db\u0026X-Amz-Signature=1#f"`: `"https://h/?a\u003Db\u0026X-Amz-Signature=redacted#f"`,
		"see https://me:5ecre7@h/x, https://h/a:b@c and https://me@h/": "see https://me:redacted@h/x, https://h/a:b@c and https://me@h/",
		"postgres://:5ecre7@h/x": "postgres://:redacted@h/x",
	} {
		if got := redact.Text(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Authorization": true, "X-Api-Key": true, "X-Amz-Security-Token": true, "Cookie": true, "sig": true, "client_secret": true,
		"Idempotency-Key": false, "token_id": false, "design": false, "page": false, "Content-Type": false,
	} {
		if redact.IsName(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
