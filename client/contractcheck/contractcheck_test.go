package contractcheck_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractcheck"
)

const token = "pt-5ecre7"

// network gives every request the same response and counts them.
type network struct {
	status int
	media  string
	body   func() io.Reader
	sent   int
	length int64 // of the body, as it is announced; -1 if it is not
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	n.sent++
	header := http.Header{"Content-Type": {n.media}, "X-Request-Id": {"req_1"}}
	return &http.Response{StatusCode: n.status, Header: header, Body: io.NopCloser(n.body()), ContentLength: n.length, Request: req}, nil
}

func says(status int, media, body string) *network {
	return &network{status, media, func() io.Reader { return strings.NewReader(body) }, 0, -1}
}

func newClient(t *testing.T, n *network, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(append([]client.Option{
		client.WithBaseURL("http://sessions.test/v1"), client.WithToken(token), client.WithHTTPClient(&http.Client{Transport: n}), client.WithMaxReconnects(0),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// violations returns an option and the violations that it has heard of.
func violations() (client.Option, *[]string) {
	var heard []string
	return contractcheck.Report(func(b *contractcheck.Violation) { heard = append(heard, b.Error()) }), &heard
}

const models = `{"data":[],"has_more":false}`

// TestRequests tests what is found in a request before it leaves, and that a strict client does not send it.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, path string
		body         any
		opt          client.Option
		want         string
	}{
		{http.MethodGet, "/models", nil, nil, ""},
		{http.MethodGet, "/modules", nil, nil, "GET /v1/modules: the request violates the contract: operation: the contract has no such operation"},
		{http.MethodPatch, "/sessions/sess_1", nil, nil, "PATCH /v1/sessions/sess_1: the request violates the contract: operation: the contract has no such operation"},
		{http.MethodGet, "/sessions?limit=101", nil, nil, "listSessions: the request violates the contract: maximum: Parameter 'limit' must be an integer between 1 and 100"},
		{http.MethodGet, "/sessions?limit=1&limit=2", nil, nil, "listSessions: the request violates the contract: twice: Parameter 'limit' must occur only once"},
		{http.MethodGet, "/sessions/7", nil, nil, "getSession: the request violates the contract: pattern: Parameter 'session_id' must be 'sess_' followed by 1 to 64 lower-case letters or digits"},
		{http.MethodPost, "/sessions/sess_1/cancel", map[string]any{}, nil, "cancelSession: the request violates the contract: content: the operation has no request body"},
		{http.MethodPost, "/sessions", map[string]any{"agent": 1}, nil, "createSession: the request violates the contract: oneOf at '/agent': must be a string or an object"},
		{http.MethodPost, "/sessions", map[string]any{"agent": "agent_1"}, nil, "createSession: the request violates the contract: required at '/environment_id': is missing"},
		{http.MethodPost, "/sessions", map[string]any{"agent": "agent_1", "environment_id": "env_1", "title": strings.Repeat("x", 257)}, nil, "createSession: the request violates the contract: maxLength at '/title': must be a string of at most 256 characters"},
		{http.MethodPost, "/sessions", map[string]any{"agent": "agent_1", "environment_id": "env_1", "tone": "s3cret"}, nil, "createSession: the request violates the contract: additionalProperties at '/tone': unknown property"},
		{http.MethodPost, "/sessions", map[string]any{}, client.WithHeader("Content-Type", "text/plain"), "createSession: the request violates the contract: content: Header 'Content-Type' must be application/json"},
	} {
		report, heard := violations()
		n := says(http.StatusOK, "application/json", models)
		err := newClient(t, n, report).Do(t.Context(), tc.method, tc.path, tc.body, nil, tc.opt)
		heardOf := slices.DeleteFunc(*heard, func(text string) bool { return strings.Contains(text, "the response (") })
		if got := strings.Join(heardOf, "\n"); got != tc.want || err != nil || n.sent != 1 {
			t.Errorf("%s %s\n got %q\nwant %q; error %v, %d sent", tc.method, tc.path, got, tc.want, err, n.sent)
		}
		n = says(http.StatusOK, "application/json", models)
		err = newClient(t, n, contractcheck.Strict()).Do(t.Context(), tc.method, tc.path, tc.body, nil, tc.opt)
		violation, ok := errors.AsType[*contractcheck.Violation](err)
		if tc.want == "" {
			if err != nil || n.sent != 1 {
				t.Errorf("strict: %v, %d sent", err, n.sent)
			}
			continue
		}
		if !ok || violation.Error() != tc.want || err.Error() != "Client.Do: "+tc.want || n.sent != 0 {
			t.Errorf("strict: %v, %d sent", err, n.sent)
		}
	}
}

// TestResponses tests what is found in a response, that a client that reports does as one without, and that a strict one
// fails at once.
func TestResponses(t *testing.T) {
	t.Parallel()
	zeros := func() io.Reader { return io.LimitReader(zero{}, 10<<30) }
	broken := func() io.Reader {
		return io.MultiReader(strings.NewReader(`{"data"`), iotest.ErrReader(io.ErrUnexpectedEOF))
	}
	for name, tc := range map[string]struct {
		n    *network
		want string
	}{
		"in order":     {says(200, "application/json", models), ""},
		"extra field":  {says(200, "application/json", models[:1]+`"more":true,`+models[1:]), "additionalProperties at '/more': unknown property"},
		"empty":        {says(200, "application/json", ""), "json: invalid JSON near byte 0"},
		"HTML":         {says(200, "text/html", "<html>"), "content: the content type is not declared"},
		"gateway":      {says(502, "text/html", "<html>"), "status: the status is not declared"},
		"no such type": {says(400, "application/json", envelope("sorry")), "enum at '/error/type': must be one of 'invalid_request_error', 'authentication_error', 'permission_error', 'not_found_error', 'conflict_error', 'precondition_failed_error', 'rate_limit_error', 'api_error', 'feature_not_available', 'overloaded_error'"},
		"endless":      {&network{200, "application/json", zeros, 0, -1}, "size: it is larger than 72 MiB"},
		"cut off":      {&network{200, "application/json", broken, 0, -1}, ""}, // the network's fault
	} {
		t.Run(name, func(t *testing.T) {
			want := ""
			if tc.want != "" {
				want = fmt.Sprintf("listModels: the response (%d) violates the contract: %s (request id req_1)", tc.n.status, tc.want)
			}
			without := *tc.n
			if name == "endless" {
				without.length = 10 << 30 // which says the same without reading it
			}
			plain, plainErr := newClient(t, &without, client.WithMaxRetries(0)).Models.List(t.Context())
			report, heard := violations()
			got, err := newClient(t, tc.n, client.WithMaxRetries(0), report).Models.List(t.Context())
			if diff := cmp.Diff(plain, got); diff != "" || (err == nil) != (plainErr == nil) || err != nil && err.Error() != plainErr.Error() {
				t.Errorf("with reports: %s %v, want %v", diff, err, plainErr)
			}
			if all := strings.Join(*heard, "\n"); all != want {
				t.Errorf("heard\n%s, want\n%s", all, want)
			}
			if want == "" {
				return
			}
			tc.n.sent, tc.n.length = 0, without.length
			_, err = newClient(t, tc.n, contractcheck.Strict()).Models.List(t.Context())
			if violation, ok := errors.AsType[*contractcheck.Violation](err); !ok || violation.Error() != want || tc.n.sent != 1 {
				t.Errorf("strict: %v, %d sent", err, tc.n.sent)
			}
		})
	}
}

// zero reads as NUL bytes without an end, which no parser looks through.
type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestEveryOperationIsFound tests that no base URL hides an operation or makes it another one.
func TestEveryOperationIsFound(t *testing.T) {
	t.Parallel()
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{"", "/v1", "/api/v1/cloud", "/sessions", "/agents/v1/sessions", "/a%2Fb"} {
		for op := range compiled.Operations() {
			var found []string
			report := contractcheck.Report(func(b *contractcheck.Violation) {
				if b.Status != 0 {
					found = append(found, b.Operation)
				}
			})
			c := newClient(t, says(418, "text/plain", ""), report, client.WithBaseURL("http://sessions.test"+base))
			path := regexp.MustCompile(`\{[a-z_]+\}`).ReplaceAllString(op.Path, "sess_1")
			_ = c.Do(t.Context(), op.Method, path, nil, nil) // a 418 is an error
			if diff := cmp.Diff([]string{op.ID}, found); diff != "" {
				t.Errorf("%s%s: %s", base, path, diff)
			}
		}
	}
}
