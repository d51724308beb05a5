package contractproxy_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractproxy"
	"github.com/cloud-sessions/sessions/client/recording"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// journey makes a journey at a server through a proxy and returns what the agent said.
func journey(t *testing.T, s *servertest.Server, h *harness) string {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	c := s.Client(client.WithBaseURL(h.url+"/v1"), client.WithHTTPClient(&http.Client{Transport: transport}), client.WithMaxRetries(20))
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID})
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for event, err := range c.Sessions.Run(t.Context(), session.ID, "hi", &client.RunParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := event.Value.(client.AgentMessageEvent); ok {
			said += event.Text()
		}
	}
	if page, err := c.Sessions.Events.List(t.Context(), session.ID, nil); err != nil || len(page.Data) < 5 {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := c.Sessions.Delete(t.Context(), session.ID); err != nil {
		t.Error(err)
	}
	return said
}

// TestOurServer tests that nothing is found between our client and our server, and that all of it is recorded.
func TestOurServer(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		s := servertest.New(t)
		path := filepath.Join(t.TempDir(), "recording.txt")
		redact, err := recording.NewRedactor()
		if err != nil {
			t.Fatal(err)
		}
		recorder, err := recording.Create(path, redact)
		if err != nil {
			t.Fatal(err)
		}
		h := start(t, s.URL, mode, func(o *contractproxy.Options) { o.Recorder = recorder })
		if said := journey(t, s, h); said != "You said: hi" || len(h.found()) > 0 {
			t.Errorf("%s: said %q, found %q", name, said, h.found())
		}
		if err := recorder.Close(); err != nil {
			t.Fatal(err)
		}
		rec, err := recording.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		var operations []string
		for _, e := range rec.Exchanges {
			operations = append(operations, e.Operation)
			if e.Operation == "streamEvents" && (len(e.Frames) < 5 || e.End != recording.Left) {
				t.Errorf("%+v", e)
			}
		}
		if want := []string{"createSession", "sendEvents", "streamEvents", "listEvents", "deleteSession"}; !slices.Equal(operations, want) {
			t.Errorf("%s: recorded %q, want %q", name, operations, want)
		}
	}
}

// TestFaults tests that faults of a server pass to a client, which gets over them as it does without a proxy.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			s.Faults(`
rules:
  - {operations: createSession, nth: 1, drop: after}
  - {operations: createSession, nth: 2, cut: {bytes: 20}}
  - {operations: streamEvents, nth: 1, cut: {events: 2}}
  - {operations: listEvents, nth: 1, answer: {status: 502, body: html}}
`)
			h := start(t, s.URL, mode)
			if said := journey(t, s, h); said != "You said: hi" {
				t.Errorf("said %q", said)
			}
			var kinds []string
			for _, f := range h.found() {
				_, what, _ := strings.Cut(f, ": ")
				kinds = append(kinds, what)
			}
			want := []string{
				"The upstream closed the connection without a response.", "The upstream broke off the response.", "The upstream broke off the response.",
				"status: the status is not declared",
			}
			if !slices.Equal(kinds, want) {
				t.Errorf("found %q, want %q", kinds, want)
			}
		})
	}
}

// TestTenMegabytes tests that bytes of files pass without being held: what is allocated does not grow with them.
func TestTenMegabytes(t *testing.T) {
	const size = 10 << 20
	content := pattern(size)
	h := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodPost {
			if n != size || err != nil {
				t.Errorf("%d bytes arrived, %v", n, err)
			}
			respond(201, "{}")(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("X-Request-Id", "req_1")
		_, _ = w.Write(content)
	}))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	pass := func() {
		upload := newRequest(t, "POST", h.url+"/v1/files", "", "Content-Type: multipart/form-data; boundary=x")
		upload.Body, upload.ContentLength = io.NopCloser(bytes.NewReader(content)), size
		for _, req := range []*http.Request{upload, newRequest(t, "GET", h.url+"/v1/files/file_1/content", "")} {
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil || req.Method == http.MethodGet && n != size {
				t.Errorf("%d bytes, %v", n, err)
			}
			_ = resp.Body.Close()
		}
	}
	pass() // which fills pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	pass()
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > size/4 {
		t.Errorf("%d bytes were allocated for 2 bodies of %d", allocated, size)
	}
}

// TestManyStreams tests that many streams pass at a time, and that all of them end with their callers.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	const streams = 300
	var open atomic.Int64
	h := start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Add(-1)
		stream(running("1"), running("2"))(w, r)
		<-r.Context().Done()
	}))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	text := running("1") + running("2")
	var reading, left sync.WaitGroup
	for range streams {
		reading.Add(1)
		left.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+streamPath, nil)
			if err != nil {
				t.Error(err)
				reading.Done()
				return
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Error(err)
				reading.Done()
				return
			}
			defer resp.Body.Close()
			got := make([]byte, len(text))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != text {
				t.Errorf("%q %v", got, err)
			}
			reading.Done()
			_, _ = io.Copy(io.Discard, resp.Body) // until it leaves
		})
	}
	reading.Wait()
	if n := open.Load(); n != streams {
		t.Errorf("%d streams are open", n)
	}
	leave()
	left.Wait()
	for open.Load() > 0 {
		runtime.Gosched()
	}
	if s := h.Summary(); s.Exchanges != streams || s.Total() > 0 {
		t.Errorf("%+v", s)
	}
}
