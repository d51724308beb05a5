package servertest

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractproxy"
	"github.com/cloud-sessions/sessions/client/recording"
	"github.com/cloud-sessions/sessions/client/replay"
)

// Recorded is a running server that responds from a recording. Its methods are safe for concurrent use.
type Recorded struct {
	// URL is where the server listens, http://127.0.0.1:PORT. BaseURL is the URL of the API, for client.WithBaseURL and
	// QODER_BASE_URL.
	URL, BaseURL string

	t         testing.TB
	transport *replay.Transport
	web       *httptest.Server
}

// Replay starts a server that responds from the recording at path, which 'sessions contract proxy --record' has written,
// and stops at the end of the test. It accepts any token. A request gets the exchange that was recorded for the same one,
// at once; each change is applied to these options before it starts. What violates the contract is in the test's log. A malformed
// recording ends the test.
func Replay(t testing.TB, path string, change ...func(*replay.Options)) *Recorded {
	t.Helper()
	rec, err := recording.Load(path)
	if err != nil {
		t.Fatalf("servertest: %v", err)
	}
	redact, err := recording.NewRedactor()
	if err != nil {
		t.Fatalf("servertest: %v", err)
	}
	o := replay.Options{Redactor: redact, Errors: true}
	for _, c := range change {
		c(&o)
	}
	transport, err := replay.New(rec, o)
	if err != nil {
		t.Fatalf("servertest: %v", err)
	}
	proxy, err := contractproxy.New(contractproxy.Options{
		Upstream: &url.URL{Scheme: "http", Host: "recording"}, Transport: transport,
		Report: func(f contractproxy.Finding) { t.Logf("servertest: %s", f) },
	})
	if err != nil {
		t.Fatalf("servertest: %v", err)
	}
	web := httptest.NewServer(proxy)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	return &Recorded{URL: web.URL, BaseURL: web.URL + "/v1", t: t, transport: transport, web: web}
}

// Client returns a client of the server; opts are added to its options.
func (r *Recorded) Client(opts ...client.Option) *client.Client {
	r.t.Helper()
	c, err := client.New(append([]client.Option{
		client.WithBaseURL(r.BaseURL), client.WithToken("pt-recorded"), client.WithHTTPClient(r.web.Client()),
	}, opts...)...)
	if err != nil {
		r.t.Fatalf("servertest: %v", err)
	}
	return c
}

// Left returns the exchanges that no request has got.
func (r *Recorded) Left() []*recording.Exchange { return r.transport.Left() }
