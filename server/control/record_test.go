package control

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recording returns a stage, and a function that sends it a request.
func recording(t *testing.T, maxBytes int) (*Stage, func(path, body string)) {
	t.Helper()
	stage := NewStage(Base{}, maxBytes)
	handler := Record(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }),
		func(r *http.Request) string { return strings.Trim(r.URL.Path, "/") }, func(*http.Request) *Stage { return stage })
	return stage, func(path, body string) {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
	}
}

// TestRecordsAreBounded tests that the oldest requests make room: there is a bound on their number, on their bytes, and on
// the bytes of a body.
func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	stage, send := recording(t, 1<<30)
	for i := range maxRequests + 3 {
		send(fmt.Sprintf("/%d", i), "")
	}
	if got := stage.Requests(); len(got) != maxRequests || got[0].Operation != "3" || got[0].Status != http.StatusTeapot {
		t.Errorf("%d requests, the first is %+v", len(got), got[0])
	}

	stage, send = recording(t, 1000)
	for i := range 5 {
		send(fmt.Sprintf("/%d", i), strings.Repeat("a", 300))
	}
	if got := stage.Requests(); len(got) != 3 || got[0].Operation != "2" {
		t.Errorf("%d requests of 300 bytes within 1,000, the first is %+v", len(got), got[0])
	}
	send("/large?"+strings.Repeat("a", 1001), "")
	if got := stage.Requests(); len(got) != 0 {
		t.Errorf("%d requests after one that is larger than all may be", len(got))
	}

	stage, send = recording(t, 1<<30)
	send("/body", strings.Repeat("a", maxBody))
	send("/body", strings.Repeat("a", maxBody+1))
	got := stage.Requests("body")
	if len(got[0].Body) != maxBody || got[0].Cut || len(got[1].Body) != maxBody || !got[1].Cut {
		t.Errorf("%d bytes, cut %v; %d bytes, cut %v", len(got[0].Body), got[0].Cut, len(got[1].Body), got[1].Cut)
	}
}

// TestSecretsAreNotShown tests that the secrets of a body are hidden at every depth, and with them all of a body in which they
// cannot be found.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	secrets := []string{"token", "key"}
	for body, want := range map[string]string{
		`{"token":"a","b":[{"key":{"c":1},"d":12345678901234567890}]}`: `{"b":[{"d":12345678901234567890,"key":"[redacted]"}],"token":"[redacted]"}`,
		`{"note":"token"}`:      `{"note":"token"}`,
		`{"token":"a","b":"cut`: ``,
		`token=a`:               ``,
	} {
		seen := shown(Request{Operation: "createVault", Body: []byte(body)}, secrets)
		got := ""
		if seen.Body != nil {
			got = *seen.Body
		}
		if diff := cmp.Diff(want, got); diff != "" || seen.BodyBase64 != nil {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	if seen := shown(Request{Body: []byte(`{"token":"a"}`)}, nil); *seen.Body != `{"token":"a"}` {
		t.Errorf("of an operation without secrets: %s", *seen.Body)
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8:80": true, "[::1]": true, "[::1]:8080": true, "localhost": true, "localhost:8080": true,
		"": false, "localhost.example": false, "127.0.0.1.example": false, "0.0.0.0": false, "example:80": false, "::1:80": false,
	} {
		if got := Loopback(hostOf(host)); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
