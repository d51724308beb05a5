package contractproxy_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/client/contractproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is a proxy in front of an upstream.
type harness struct {
	*contractproxy.Proxy
	t   testing.TB
	url string

	mu       sync.Mutex
	findings []string
}

// start starts a proxy in front of a server at an address.
func start(t testing.TB, upstream string, change ...func(*contractproxy.Options)) *harness {
	t.Helper()
	u, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	o := contractproxy.Options{Upstream: u, Transport: transport, Report: func(f contractproxy.Finding) {
		f.RequestID = "" // differs
		h.mu.Lock()
		defer h.mu.Unlock()
		h.findings = append(h.findings, f.String())
	}}
	for _, c := range change {
		c(&o)
	}
	if h.Proxy, err = contractproxy.New(o); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(h)
	h.url = web.URL
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		transport.CloseIdleConnections()
	})
	return h
}

func enforce(o *contractproxy.Options) { o.Enforce = true }

// found returns the findings so far.
func (h *harness) found() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.findings)
}

// serve is the address of a server on loopback.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	web := httptest.NewServer(handler)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	return web.URL
}

// raw sends bytes over a connection of its own and returns all that comes until the connection ends.
func raw(t testing.TB, address, text string) string {
	t.Helper()
	conn := dial(t, address)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatal(err)
	}
	return string(got)
}

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// do sends a request on a connection of its own and reads the response as far as it goes.
func do(t testing.TB, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		body = append(body, " CUT"...)
	}
	return resp, string(body)
}

func newRequest(t testing.TB, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, from)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	return req
}

// running is an event of a stream.
func running(id string) string {
	return "id: evt_" + id + "\nevent: session.status_running\ndata: {\"id\":\"evt_" + id + `","type":"session.status_running",` +
		`"session_id":"sess_1","turn_id":"turn_1","schema_version":"1.0","created_at":"2026-05-18T15:26:15Z","processed_at":"2026-05-18T15:26:15Z"}` + "\n\n"
}

const streamPath = "/v1/sessions/sess_1/events/stream"

// stream responds with a stream of these texts, each in a write of its own.
func stream(texts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.Header().Set("X-Request-Id", "req_1")
		out := http.NewResponseController(w)
		for _, text := range texts {
			_, _ = io.WriteString(w, text)
			_ = out.Flush()
		}
	}
}

// respond responds with JSON.
func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "req_1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// lines yields the lines of a stream as they come.
func lines(t testing.TB, ctx context.Context, url string) (next func() string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	scan := bufio.NewScanner(resp.Body)
	return func() string {
		if !scan.Scan() {
			return fmt.Sprintf("END %v", scan.Err())
		}
		return scan.Text()
	}
}

// pattern yields n bytes.
func pattern(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n] }
