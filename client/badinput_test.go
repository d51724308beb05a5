package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloud-sessions/sessions/client"
)

func TestNewRefuses(t *testing.T) {
	const want = ` is malformed: want http or https, a host and a path, such as https://openapi.qoder.sh/api/v1/cloud`
	cases := []struct {
		name string
		opt  client.Option
		err  string
	}{
		{"base URL without scheme", client.WithBaseURL("127.0.0.1:8080"), `client.New: base URL "127.0.0.1:8080"` + want},
		{"base URL of a host", client.WithBaseURL("localhost/api"), `client.New: base URL "localhost/api"` + want},
		{"base URL of another scheme", client.WithBaseURL("ftp://host"), `client.New: base URL "ftp://host"` + want},
		{"base URL without host", client.WithBaseURL("http:///api"), `client.New: base URL "http:///api"` + want},
		{"base URL of nonsense", client.WithBaseURL("http://%zz"), `client.New: base URL "http://%zz"` + want},
		{"empty base URL", client.WithBaseURL(""), `client.New: base URL is empty`},
		{"base URL with a user", client.WithBaseURL("http://u:p@host"), `client.New: base URL must not contain a user name or password: use WithToken`},
		{"base URL with a query", client.WithBaseURL("http://host/?a=b"), `client.New: base URL must not contain a query or a fragment`},
		{"token in two lines", client.WithToken("a\nb"), `client.New: token must be printable ASCII without spaces`},
		{"no HTTP client", client.WithHTTPClient(nil), `client.New: WithHTTPClient: the client is nil`},
		{"header name", client.WithHeader("no name", "v"), `client.New: WithHeader: "no name" is not a header name`},
		{"header value", client.WithHeader("X-A", "a\r\nb"), `client.New: WithHeader: the value of X-A contains a control character`},
		{"retries", client.WithMaxRetries(-1), `client.New: WithMaxRetries: -1 is negative`},
		{"timeout", client.WithTimeout(-1), `client.New: WithTimeout: -1ns is negative`},
		{"middleware", client.WithMiddleware(nil), `client.New: WithMiddleware: a middleware is nil`},
		{"user agent", client.WithUserAgent(""), `client.New: WithUserAgent: want printable ASCII`},
		{"empty key", client.WithIdempotencyKey(""), `client.New: idempotency key must be 1 to 255 printable ASCII characters`},
		{"key for all calls", client.WithIdempotencyKey("k"), `client.New: WithIdempotencyKey is for one call: a key shared by all calls would refuse the second`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, err := client.New(tc.opt)
			wantText(t, err, tc.err)
			if c != nil || !errors.Is(err, client.ErrInvalidRequest) {
				t.Errorf("client %v, kind %v", c, err)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	var seen http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		io.WriteString(w, sessionJSON)
	}))
	defer srv.Close()
	t.Setenv("QODER_PAT", " "+token+"\n")
	t.Setenv("QODER_BASE_URL", srv.URL)
	c, err := client.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := seen.Get("Authorization"); got != "Bearer "+token {
		t.Errorf("Authorization %q", got)
	}
	t.Setenv("QODER_BASE_URL", "nowhere")
	_, err = client.New()
	wantText(t, err, `client.New: QODER_BASE_URL: base URL "nowhere" is malformed: want http or https, a host and a path, such as https://openapi.qoder.sh/api/v1/cloud`)
	t.Setenv("QODER_PAT", "a b")
	_, err = client.New(client.WithBaseURL(srv.URL))
	wantText(t, err, "client.New: QODER_PAT: token must be printable ASCII without spaces")
}

func TestBadCalls(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	var none context.Context
	noJSON := &client.CreateAgentRequest{Tools: []client.AgentTool{
		client.NewAgentTool(client.CustomTool{InputSchema: client.JSONSchema("{oops")}),
	}}
	_, wrong := json.Marshal(noJSON) // its words depend on the version of Go
	cases := []struct {
		name string
		call func(*client.Client) error
		err  string
	}{
		{"no token", func(c *client.Client) error { return get(t.Context(), c, client.WithToken("")) },
			"Sessions.Get: no token: set QODER_PAT or use client.WithToken"},
		{"nil request", func(c *client.Client) error { _, err := c.Sessions.Create(t.Context(), nil); return err },
			"Sessions.Create: the request is nil"},
		{"canceled context", func(c *client.Client) error { return get(canceled, c) }, "Sessions.Get: context canceled"},
		{"nil context", func(c *client.Client) error { return get(none, c) }, "Sessions.Get: the context is nil"},
		{"empty id", func(c *client.Client) error { _, err := c.Agents.Get(t.Context(), "", nil); return err },
			`Agents.Get: "" is not an id (param agent_id)`},
		{"id that climbs", func(c *client.Client) error { _, err := c.Environments.Get(t.Context(), ".."); return err },
			`Environments.Get: ".." is not an id (param environment_id)`},
		{"empty id of a session", func(c *client.Client) error { _, err := c.Sessions.Delete(t.Context(), ""); return err },
			`Sessions.Delete: "" is not an id (param session_id)`},
		{"empty id of a file", func(c *client.Client) error {
			_, err := c.Sessions.Resources.Delete(t.Context(), "sess_1", "")
			return err
		}, `Sessions.Resources.Delete: "" is not an id (param resource_id)`},
		{"id of a file that climbs", func(c *client.Client) error {
			_, err := c.Sessions.Resources.Get(t.Context(), "sess_1", "..")
			return err
		}, `Sessions.Resources.Get: ".." is not an id (param resource_id)`},
		{"id and request both wrong", func(c *client.Client) error { _, err := c.Agents.Update(t.Context(), ".", nil); return err },
			`Agents.Update: "." is not an id (param agent_id)`},
		{"nil update", func(c *client.Client) error { _, err := c.Environments.Update(t.Context(), "env_1", nil); return err },
			"Environments.Update: the request is nil"},
		{"nil file", func(c *client.Client) error {
			_, err := c.Sessions.Resources.Add(t.Context(), "sess_1", nil)
			return err
		}, "Sessions.Resources.Add: the request is nil"},
		{"no files", func(c *client.Client) error {
			_, err := c.Sessions.Resources.AddAll(t.Context(), "sess_1", nil)
			return err
		}, "Sessions.Resources.AddAll: files is empty (param resources)"},
		{"empty id in a list", func(c *client.Client) error { _, err := c.Agents.ListVersions(t.Context(), "", nil); return err },
			`Agents.ListVersions: "" is not an id (param agent_id)`},
		{"schema that is no JSON", func(c *client.Client) error {
			_, err := c.Agents.Create(t.Context(), noJSON)
			return err
		}, "Agents.Create: " + wrong.Error()},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, rec := scripted(t, []client.RoundTripFunc{answer(200, sessionJSON)})
			wantText(t, tc.call(c), tc.err)
			if len(rec.requests) > 0 {
				t.Error("a request was sent")
			}
		})
	}
}

func TestIDsAreEscaped(t *testing.T) {
	c, rec := scripted(t, []client.RoundTripFunc{answer(200, sessionJSON)})
	if _, err := c.Sessions.Get(t.Context(), "a/../b?c#d"); err != nil {
		t.Fatal(err)
	}
	if got := rec.last().URL.String(); got != "http://sessions.test/api/v1/cloud/sessions/a%2F..%2Fb%3Fc%23d" {
		t.Errorf("URL %s", got)
	}
}

func TestBadAnswers(t *testing.T) {
	cases := []struct {
		name string
		h    http.HandlerFunc
		err  string
	}{
		{"HTML", write(200, "text/html", "<html>hello"), `Sessions.Get: 200 unexpected_response: the response is text/html, not JSON: "<html>hello"; is the base URL right?`},
		{"truncated JSON", write(200, "application/json", `{"id":"sess_`), `Sessions.Get: 200 unexpected_response: the response is not the contract's JSON: unexpected end of JSON input`},
		{"other JSON", write(200, "application/json", `["a"]`), `Sessions.Get: 200 unexpected_response: the response is not the contract's JSON: json: cannot unmarshal array into Go value of type types.Session`},
		{"null", write(200, "application/json", `null`), `Sessions.Get: 200 unexpected_response: the response is null`},
		{"200 without a body", write(200, "application/json", ``), `Sessions.Get: 200 unexpected_response: the response is empty`},
		{"201 without a body", write(201, "application/json", " \n"), `Sessions.Get: 201 unexpected_response: the response is empty`},
		{"204", write(204, "", ""), `Sessions.Get: 204 unexpected_response: the response is empty`},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"id"`)
		}, `Sessions.Get: the response was cut off: unexpected EOF (3 attempts)`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := serve(t, tc.h)
			wantText(t, get(t.Context(), c), tc.err)
		})
	}
}

// write responds with a body.
func write(status int, media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// zeros is a body without end that counts what is read of it.
type zeros struct{ read atomic.Int64 }

func (z *zeros) Read(p []byte) (int, error) {
	z.read.Add(int64(len(p)))
	return len(p), nil
}

func TestHugeAnswers(t *testing.T) {
	cases := []struct {
		name         string
		status       int
		length, most int64
		err          string
	}{
		{"announced", 200, 10 << 30, 0, "Sessions.Get: 200 unexpected_response: the response is larger than 72 MiB (request id req_1)"},
		{"endless", 200, -1, 72<<20 + 1, "Sessions.Get: 200 unexpected_response: the response is larger than 72 MiB (request id req_1)"},
		{"endless error", 400, 10 << 30, 1<<20 + 1, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var body zeros
			c, _ := scripted(t, []client.RoundTripFunc{func(req *http.Request) (*http.Response, error) {
				resp, err := answer(tc.status, "")(req)
				resp.Body, resp.ContentLength = io.NopCloser(&body), tc.length
				return resp, err
			}})
			err := get(t.Context(), c)
			if tc.err != "" {
				wantText(t, err, tc.err)
			}
			if got := body.read.Load(); err == nil || got > tc.most {
				t.Errorf("read %d bytes, want at most %d; error %v", got, tc.most, err)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	var strayed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer other.Close()
	var reached atomic.Int32
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/sess_away"):
			http.Redirect(w, r, other.URL+"/login?next=x", http.StatusFound)
		case strings.HasSuffix(r.URL.Path, "/sess_loop"):
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		case r.URL.Path == "/here" && r.Header.Get("Authorization") == "Bearer "+token:
			reached.Add(1)
			io.WriteString(w, sessionJSON)
		default:
			http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
		}
	}
	c, srv := serve(t, handler, client.WithHTTPClient(&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}))
	const tail = " and the client does not follow; is the base URL right?"
	_, err := c.Sessions.Get(t.Context(), "sess_away")
	wantText(t, err, "Sessions.Get: 302 unexpected_response: the server redirects to "+other.URL+"/login"+tail)
	_, err = c.Sessions.Get(t.Context(), "sess_loop")
	wantText(t, err, "Sessions.Get: 302 unexpected_response: the server redirects to /api/v1/cloud/sessions/sess_loop"+tail)
	wantText(t, create(t.Context(), c), "Sessions.Create: 307 unexpected_response: the server redirects to /here"+tail)
	if strayed.Load() != 0 || reached.Load() != 0 {
		t.Errorf("%d requests reached the other host, %d writes were redirected", strayed.Load(), reached.Load())
	}
	if err := get(t.Context(), c); err != nil || reached.Load() != 1 {
		t.Errorf("a read within %s was not redirected: %v", srv.URL, err)
	}
}

func TestUnknownValuesAreKept(t *testing.T) {
	c, _ := scripted(t, []client.RoundTripFunc{answer(200, `{"id":"sess_1","status":"hibernating","new_field":{"a":1},
		"agent":{"id":"agent_1","tools":[{"type":"telepathy","range":7}]}}`)})
	s, err := c.Sessions.Get(t.Context(), "sess_1")
	if err != nil {
		t.Fatal(err)
	}
	if s.Status != "hibernating" || s.Status.Valid() {
		t.Errorf("status %q", s.Status)
	}
	if got := toJSON(t, s.Agent.Tools); got != `[{"type":"telepathy","range":7}]` {
		t.Errorf("tools %s", got)
	}
}
