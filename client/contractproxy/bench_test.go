package contractproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractproxy"
	"github.com/cloud-sessions/sessions/client/recording"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// page is a list of sessions, of about 4 KB, as our server sends it.
func page(b *testing.B) []byte {
	b.Helper()
	s := servertest.New(b)
	c := s.Client()
	for i := range 4 {
		if _, err := c.Sessions.Create(b.Context(), &client.CreateSessionRequest{
			Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID, Title: new(fmt.Sprint("session ", i)),
		}); err != nil {
			b.Fatal(err)
		}
	}
	_, body := do(b, newRequest(b, "GET", s.BaseURL+"/sessions?limit=4", "", "Authorization: Bearer "+s.Token))
	return []byte(body)
}

// BenchmarkGet compares a GET of 4 KB through this proxy with one through a plain httputil.ReverseProxy, in turns, and reports the
// median of each.
func BenchmarkGet(b *testing.B) {
	body := page(b)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "req_1")
		_, _ = w.Write(body)
	}))
	defer upstream.Close()
	u, err := url.Parse(upstream.URL)
	if err != nil {
		b.Fatal(err)
	}
	plain := http.DefaultTransport.(*http.Transport).Clone()
	plain.MaxIdleConnsPerHost = 256
	defer plain.CloseIdleConnections()
	redact, err := recording.NewRedactor()
	if err != nil {
		b.Fatal(err)
	}
	recorder, err := recording.Create(filepath.Join(b.TempDir(), "recording.txt"), redact)
	if err != nil {
		b.Fatal(err)
	}
	defer recorder.Close()
	names := []string{"plain", "report", "enforce", "record"}
	handlers := []http.Handler{
		&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }, Transport: plain},
		start(b, upstream.URL), start(b, upstream.URL, enforce),
		start(b, upstream.URL, func(o *contractproxy.Options) { o.Recorder = recorder }),
	}
	times := make([][]time.Duration, len(names))
	var addresses []string
	for _, h := range handlers {
		web := httptest.NewServer(h)
		defer web.Close()
		addresses = append(addresses, web.URL+"/v1/sessions?limit=4")
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 10}
	defer transport.CloseIdleConnections()
	for b.Loop() {
		for i, address := range addresses {
			began := time.Now()
			resp, err := transport.RoundTrip(newRequest(b, "GET", address, "", "Authorization: Bearer pt-a"))
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if err != nil || n != int64(len(body)) {
				b.Fatal(n, err)
			}
			times[i] = append(times[i], time.Since(began))
		}
	}
	for i, name := range names {
		slices.Sort(times[i])
		b.ReportMetric(float64(times[i][len(times[i])/2].Nanoseconds())/1000, name+"-p50-µs")
	}
	b.ReportMetric(float64(len(body)), "bytes")
	for _, h := range handlers[1:] {
		if found := h.(*harness).found(); len(found) > 0 {
			b.Errorf("%q", found)
		}
	}
}
