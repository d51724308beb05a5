package contractcheck_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractcheck"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// drift is one thing that a server gets wrong, and what there is to be found.
type drift struct {
	name      string
	operation string
	change    func(*http.Response)
	status    int
	pointer   string
	rule      string
}

// drifts break one thing each.
func drifts() []drift {
	return []drift{
		{"missing field", "getSession", field(func(v map[string]any) { delete(v, "usage") }), 200, "/usage", "required"},
		{"wrong type", "getAgent", field(func(v map[string]any) { v["version"] = "2" }), 200, "/version", "type"},
		{"wrong enum", "getSession", field(func(v map[string]any) { v["status"] = "asleep" }), 200, "/status", "enum"},
		{"wrong pattern", "createAgent", field(func(v map[string]any) { v["id"] = "agent-1" }), 201, "/id", "pattern"},
		{"wrong format", "updateEnvironment", field(func(v map[string]any) { v["created_at"] = "yesterday" }), 200, "/created_at", "format"},
		{"null", "updateSession", field(func(v map[string]any) { v["metadata"] = nil }), 200, "/metadata", "nullable"},
		{"extra field", "listModels", record(func(v map[string]any) { v["price"] = 1 }), 200, "/data/0/price", "additionalProperties"},
		{"wrong record", "listSessions", record(func(v map[string]any) { v["title"] = 7 }), 200, "/data/0/title", "type"},
		{"wrong event", "listEvents", record(func(v map[string]any) { v["type"] = "user.shout" }), 200, "/data/0", "discriminator"},
		{"wrong status", "createSession", func(r *http.Response) { r.StatusCode = 200 }, 200, "", "status"},
		{"missing header", "getEnvironment", noRequestID, 200, "", "header"},
		{"wrong content type", "listAgents", func(r *http.Response) { r.Header.Set("Content-Type", "text/plain") }, 200, "", "content"},
		{"HTML", "listAgentVersions", body("<html>", "text/html"), 200, "", "content"},
		{"broken JSON", "listEnvironments", text(func(b string) string { return strings.TrimRight(b, "}\n") }), 200, "", "json"},
		{"two values", "archiveAgent", text(func(b string) string { return b + b }), 200, "", "json"},
		{"a key twice", "cancelSession", text(func(b string) string { return `{"id":"sess_1",` + b[1:] }), 200, "/id", "json"},
		{"wrong error envelope", "getSession", failure(404, `{"error":"no such session"}`), 404, "/type", "required"},
		{"wrong error type", "getAgent", failure(404, `{"type":"error","error":{"type":"gone","message":"m"},"request_id":"req_1"}`), 404, "/error/type", "enum"},
		{"error that the contract does not have", "listModels", becomes(418, "{}"), 418, "", "status"},
		{"redirect", "getSession", redirect, 200, "", "redirect"},
		{"error instead of a success", "deleteSession", becomes(409, envelope("conflict_error")), 409, "", "outcome"},
		{"success where an error is due", "getEnvironment", exists, 200, "", "outcome"},
		{"unknown type on a stream", "streamEvents", lines(`"type":"session.status_running"`, `"type":"session.status_walking"`), 200, "", "discriminator"},
		{"broken JSON on a stream", "streamEvents", lines(`"type":"session.status_running"`, `"type":"session.status_running`), 200, "", "json"},
		{"missing field on a stream", "streamEvents", lines(`"content":`, `"contents":`), 200, "/content", "required"},
		{"wrong name on a stream", "streamEvents", lines("event: agent.message", "event: message"), 200, "", "event"},
		{"wrong id on a stream", "streamEvents", lines("id: evt_", "id: "), 200, "", "event"},
		{"stream as JSON", "streamEvents", func(r *http.Response) { r.Header.Set("Content-Type", "application/json") }, 200, "", "content"},
	}
}

// TestEveryDriftIsFound tests that a run of the operation finds what a server gets wrong, at its place.
func TestEveryDriftIsFound(t *testing.T) {
	t.Parallel()
	for _, d := range drifts() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			report, err := contractcheck.Run(t.Context(), behind(t, d), contractcheck.Options{Only: []string{d.operation, "responses", "examples", "unknown-ids"}})
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("%d %s %s", d.status, d.rule, d.pointer)
			found := false
			for _, v := range report.Violations() {
				found = found || want == fmt.Sprintf("%d %s %s", v.Status, v.Rule, v.Pointer)
				if v.Operation != d.operation || v.Reason == "" || v.Method == "" || v.Path == "" {
					t.Errorf("%+v", v)
				}
			}
			if !found || report.Conforms() {
				t.Errorf("want %s, got %v", want, report.Violations())
			}
		})
	}
}

// behind returns a client of a server behind a proxy that changes one thing in the responses of one operation.
func behind(t *testing.T, d drift) *client.Client {
	t.Helper()
	s := servertest.New(t, func(c *server.Config) { c.Features = []string{server.FeatureM3} })
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Accept-Encoding") // so that the body is JSON and can be changed
		},
		ModifyResponse: func(r *http.Response) error {
			op, _ := compiled.Find(r.Request.Method, strings.TrimPrefix(r.Request.URL.EscapedPath(), "/v1"))
			if op != nil && op.ID == d.operation {
				d.change(r)
			}
			return nil
		},
	}
	web := httptest.NewServer(proxy)
	t.Cleanup(web.Close)
	return s.Client(client.WithBaseURL(web.URL+"/v1"), client.WithMaxRetries(0), client.WithMaxReconnects(0))
}

// body puts a body in the place of a success's.
func body(content, media string) func(*http.Response) {
	return func(r *http.Response) {
		if r.StatusCode < 300 {
			set(r, content)
			r.Header.Set("Content-Type", media)
		}
	}
}

func set(r *http.Response, content string) {
	_ = r.Body.Close()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(content)), int64(len(content))
	r.Header.Set("Content-Length", fmt.Sprint(len(content)))
}

// text changes the text of successes.
func text(change func(string) string) func(*http.Response) {
	return func(r *http.Response) {
		content, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode >= 300 {
			r.Body = io.NopCloser(bytes.NewReader(content))
			return
		}
		set(r, change(string(content)))
	}
}

// field changes the objects that successes hold.
func field(change func(map[string]any)) func(*http.Response) {
	return text(func(content string) string {
		var v map[string]any
		if err := json.Unmarshal([]byte(content), &v); err != nil {
			return err.Error()
		}
		change(v)
		changed, _ := json.Marshal(v)
		return string(changed)
	})
}

// record changes the first records of lists.
func record(change func(map[string]any)) func(*http.Response) {
	return field(func(v map[string]any) {
		if data := v["data"].([]any); len(data) > 0 {
			change(data[0].(map[string]any))
		}
	})
}

// failure changes responses of a status.
func failure(status int, content string) func(*http.Response) {
	return func(r *http.Response) {
		if r.StatusCode == status {
			set(r, content)
		}
	}
}

// becomes replaces all responses by one.
func becomes(status int, content string) func(*http.Response) {
	return func(r *http.Response) {
		r.StatusCode = status
		set(r, content)
	}
}

func envelope(kind string) string {
	return fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":"m"},"request_id":"req_1"}`, kind)
}

// redirect moves successes to another address.
func redirect(r *http.Response) {
	if r.StatusCode == 200 && r.Request.URL.RawQuery == "" {
		r.StatusCode = 307
		r.Header.Set("Location", r.Request.URL.Path+"?again=1")
		set(r, "")
	}
}

// noRequestID takes the header off successes.
func noRequestID(r *http.Response) {
	if r.StatusCode == 200 {
		r.Header.Del("X-Request-Id")
	}
}

// exists turns a 404 into a success.
func exists(r *http.Response) {
	if r.StatusCode == 404 {
		r.StatusCode = 200
		set(r, `{"id":"env_0","type":"environment","name":"n","description":"","config":{"type":"cloud"},"metadata":{},"status":"ready","created_at":"2026-05-18T15:26:15Z","updated_at":"2026-05-18T15:26:15Z"}`)
	}
}

// lines changes the lines of a stream as they come.
func lines(old, new string) func(*http.Response) {
	return func(r *http.Response) {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
			return
		}
		in, out := r.Body, (*io.PipeWriter)(nil)
		r.Body, out = io.Pipe()
		go func() {
			defer in.Close()
			reader := bufio.NewReader(in)
			for {
				line, err := reader.ReadString('\n')
				if err == nil {
					_, err = io.WriteString(out, strings.Replace(line, old, new, 1))
				}
				if err != nil {
					_ = out.CloseWithError(err)
					return
				}
			}
		}()
	}
}
