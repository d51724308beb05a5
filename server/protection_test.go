package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/turn"
)

// The tests of this file cover lines that only protect: without one of them, everything seems to work.

// Caches must not keep a stream, and proxies such as nginx must not buffer it.
func TestStreamsAreNeitherCachedNorBuffered(t *testing.T) {
	h := start(t)
	s := h.stream(h.session(), "", nil)
	for name, want := range map[string]string{"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"} {
		if got := s.res.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A response of 5xx says that nothing has happened, so repeating the request must run it again.
func TestServerErrorsAreNotRecorded(t *testing.T) {
	t.Run("an operation that is switched off", func(t *testing.T) {
		h := start(t)
		vault := h.mustCreate("/vaults", `{"display_name":"v"}`)
		create := request{method: "POST", path: "/sessions", header: keyed("k"), body: h.createBody(map[string]any{"vault_ids": []string{vault}})}
		for range 2 {
			if got := h.do(create); got.status != http.StatusNotImplemented || got.header.Get("Idempotent-Replayed") != "" {
				t.Errorf("%d %v %s", got.status, got.header, got.body)
			}
		}
		h.stop()
		upgraded := startOn(t, h.dsn, openGate)
		if got := upgraded.do(create); got.status != http.StatusCreated || got.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("once it is switched on: %d %v %s", got.status, got.header, got.body)
		}
	})
	t.Run("a response that violates the contract", func(t *testing.T) {
		h := start(t)
		nameless(t, h)
		create := request{method: "POST", path: "/sessions", header: keyed("k"), body: h.createBody(map[string]any{"agent": "agent_nameless"})}
		for range 2 {
			if got := h.do(create); got.status != http.StatusInternalServerError || got.header.Get("Idempotent-Replayed") != "" {
				t.Errorf("%d %v %s", got.status, got.header, got.body)
			}
		}
		if n := h.sessions(); n != 0 {
			t.Errorf("%d sessions were stored", n)
		}
	})
}

// servers is a log handler that sends the http.Server of each request that is logged.
type servers chan *http.Server

func (servers) Enabled(context.Context, slog.Level) bool { return true }
func (s servers) WithAttrs([]slog.Attr) slog.Handler     { return s }
func (s servers) WithGroup(string) slog.Handler          { return s }
func (s servers) Handle(ctx context.Context, _ slog.Record) error {
	if web, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok {
		s <- web
	}
	return nil
}

// A connection on which nothing arrives must not be kept open forever.
func TestConnectionsTimeOut(t *testing.T) {
	t.Parallel()
	requests := make(servers, 10)
	baseURL, stop, done := running(t, server.Config{Logger: slog.New(requests)})
	res, err := http.Get(baseURL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	web := <-requests
	for name, timeout := range map[string]struct{ got, most time.Duration }{
		"ReadHeaderTimeout": {web.ReadHeaderTimeout, 10 * time.Second},
		"ReadTimeout":       {web.ReadTimeout, 2 * time.Minute},
		"IdleTimeout":       {web.IdleTimeout, 2 * time.Minute},
	} {
		if timeout.got <= 0 || timeout.got > timeout.most {
			t.Errorf("%s is %s, want at most %s", name, timeout.got, timeout.most)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A server that stops says so before it refuses connections, so that balancers send their requests elsewhere, and it
// asks callers to open their next connection elsewhere.
func TestAStoppingServerSendsCallersElsewhere(t *testing.T) {
	t.Parallel()
	baseURL, stop, done := running(t, server.Config{DrainDelay: 5 * time.Second, ShutdownTimeout: time.Second})
	ready := func() (status int, closes bool) {
		res, err := http.Get(baseURL + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode, res.Close
	}
	if status, closes := ready(); status != http.StatusOK || closes {
		t.Errorf("while it serves: %d, closes %v", status, closes)
	}
	stop()
	eventually(t, "/readyz is red", func() bool {
		status, closes := ready()
		if closes != (status == http.StatusServiceUnavailable) {
			t.Fatalf("%d, closes %v", status, closes)
		}
		return closes
	})
	select {
	case err := <-done:
		t.Fatalf("it stops before the delay is over: %v", err)
	default:
	}
	if err := <-done; err != nil { // so that nothing of it outlives the test
		t.Error(err)
	}
}

// Injected faults are for rehearsals, never for the data of anybody else.
func TestInjectedFaultsNeedADemo(t *testing.T) {
	s, err := server.New(t.Context(), server.Config{Faults: &faults.Injector{}})
	if err == nil {
		_ = s.Close()
		t.Error("faults were accepted without a demo")
	}
}

// A turn whose event would violate the contract fails. Stored, the event would make every list of it a 500.
func TestEventsThatViolateTheContractAreNotStored(t *testing.T) {
	h := start(t, withRunner(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
		return turn.EndTurn, out.ToolResult(ctx, "not an event's id", "sunny", false)
	})))
	path := h.session()
	h.say(path, "Hi")
	h.settled(path)
	frames := events(h.events(path)) // fails the test unless the list is a 200
	if !strings.Contains(fmt.Sprint(frames), "session.error") || strings.Contains(fmt.Sprint(frames), "agent.tool_result") {
		t.Errorf("%q", frames)
	}
}

// A replica that stops releases the streams it reported, so that its callers can open them elsewhere at once. The
// clock stands still here: nothing expires by itself.
func TestAStoppingReplicaReleasesItsStreams(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC) }
	config := server.Config{DB: pgtest.Database(t), Demo: true, DemoToken: "pt-demo", Now: now}
	baseURL, stop, done := running(t, config)
	other, err := sqlstore.Open(t.Context(), config.DB, sqlstore.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	reported := func() map[string]int {
		open, err := other.ShareStreams(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return open
	}
	res, err := demoRequest(t, http.MethodGet, baseURL+"/v1/sessions/"+demoSession(t, baseURL)+"/events/stream", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	eventually(t, "the open stream is reported", func() bool {
		return maps.Equal(reported(), map[string]int{server.DemoAccount: 1})
	})
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if open := reported(); len(open) != 0 {
		t.Errorf("after the stop, %v are still reported", open)
	}
}
