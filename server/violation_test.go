package server_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
)

// nameless creates an agent that no request could have created: the contract requires a name.
func nameless(t *testing.T, h *harness) {
	t.Helper()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err := h.db.SeedAgent(t.Context(), "alice", store.Agent{ID: "agent_nameless", Version: 1, CreatedAt: now, UpdatedAt: now,
		AgentSpec: store.AgentSpec{Model: "m", Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")}})
	if err != nil {
		t.Fatal(err)
	}
}

// unchecked gets a path as alice without the harness, which would validate the response itself.
func (h *harness) unchecked(path string) *httptest.ResponseRecorder {
	h.t.Helper()
	return h.uncheckedInto(new(bytes.Buffer), path)
}

// uncheckedInto does the same with a buffer that is used again: for a large response it would grow, and be copied, many times.
func (h *harness) uncheckedInto(body *bytes.Buffer, path string) *httptest.ResponseRecorder {
	h.t.Helper()
	body.Reset()
	recorder := httptest.NewRecorder()
	recorder.Body = body
	r := httptest.NewRequestWithContext(h.t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+aliceToken)
	h.server.ServeHTTP(recorder, r)
	return recorder
}

func TestAResponseThatViolatesTheContractIsNotSent(t *testing.T) {
	h := start(t)
	nameless(t, h)
	got := h.do(request{method: "GET", path: "/agents/agent_nameless"})
	if got := refusalOf(got); got.Status != 500 || got.Type != "api_error" {
		t.Errorf("%+v", got)
	}
	h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"agent": "agent_nameless"}), header: keyed("k")},
		refusal{500, "api_error", "", "The server failed to answer. Try again with the same idempotency key."})
	for _, want := range []string{"response violates the contract", "operation=getAgent", "pointer=/name", "rule=minLength"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, h.log)
		}
	}
	metrics := h.do(request{method: "GET", path: "//metrics"})
	if want := `sessions_contract_violations_total{operation="getAgent",rule="minLength"} 1`; !strings.Contains(string(metrics.body), want) {
		t.Errorf("no %q in the metrics:\n%s", want, metrics.body)
	}
}

func TestReportModeSendsTheViolation(t *testing.T) {
	h := start(t, func(c *server.Config) { c.ResponseCheck = server.Report })
	nameless(t, h)
	recorder := h.unchecked("/v1/agents/agent_nameless")
	if recorder.Code != 200 || !strings.Contains(recorder.Body.String(), `"name":""`) {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
	if !strings.Contains(h.log.String(), "response violates the contract") {
		t.Errorf("log:\n%s", h.log)
	}
}

func TestTheLogHasOneLinePerRequestAndNoSecrets(t *testing.T) {
	h := start(t)
	before := strings.Count(h.log.String(), "msg=request ")
	h.do(request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"title": "hush-hush"}), header: map[string]string{"X-Request-Id": "mine-1"}})
	log := h.log.String()
	if n := strings.Count(log, "msg=request "); n != before+1 {
		t.Errorf("%d lines for one request", n-before)
	}
	for _, want := range []string{"request_id=mine-1", "operation=createSession", "status=201", "duration=", "account=alice"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log:\n%s", want, log)
		}
	}
	for _, secret := range []string{aliceToken, bobToken, "pt-demo", "hush-hush"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	h := start(t)
	for sent, kept := range map[string]bool{"mine": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "mít": false, "": false} {
		got := h.do(request{method: "GET", path: "/agents", header: map[string]string{"X-Request-Id": sent}}).header.Get("X-Request-Id")
		if (got == sent) != kept || got == "" {
			t.Errorf("sent %q, got %q", sent, got)
		}
	}
}

func TestProbesAndDocuments(t *testing.T) {
	h := start(t)
	for path, want := range map[string]string{
		"//healthz": `{"status":"ok"}`, "//readyz": `{"status":"ok"}`,
		"//openapi.yaml": "openapi: 3.0.3", "//openapi.json": `"openapi":"3.0.3"`,
		"//openapi-3.2.json": `"itemSchema":`,
	} {
		if got := h.do(request{method: "GET", path: path, token: "-"}); got.status != 200 || !strings.Contains(string(got.body), want) {
			t.Errorf("GET %s: %d %.200s", path, got.status, got.body)
		}
	}
	if err := h.server.Close(); err != nil {
		t.Fatal(err)
	}
	if got := h.do(request{method: "GET", path: "//readyz", token: "-"}); got.status != 503 {
		t.Errorf("readyz without a database: %d", got.status)
	}
	if got := h.do(request{method: "GET", path: "//healthz", token: "-"}); got.status != 200 {
		t.Errorf("healthz without a database: %d", got.status)
	}
}

func TestAPanicIsA500AndTheServerLives(t *testing.T) {
	var broken atomic.Bool
	h := start(t, func(c *server.Config) {
		now := c.Now
		c.Now = func() time.Time {
			if broken.Load() {
				panic("the clock is broken")
			}
			return now()
		}
	})
	soon := h.clock.Now().Add(time.Hour)
	if _, err := h.db.CreateToken(t.Context(), store.NewToken{Account: "alice", Hash: auth.Hash("pt-dated"), ExpiresAt: &soon}); err != nil {
		t.Fatal(err)
	}
	want := refusal{500, "api_error", "", "The server failed to answer. Try again with the same idempotency key."}
	broken.Store(true)
	for _, r := range []request{
		{method: "GET", path: "/agents", token: "pt-dated"},
		{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("k")},
		{method: "POST", path: "/sessions/sess_1/archive"},
	} {
		if got := refusalOf(h.do(r)); got != want && got.Status != 404 {
			t.Errorf("%s %s: %+v", r.method, r.path, got)
		}
	}
	broken.Store(false)
	for _, secret := range []string{"the clock is broken", "panic.go"} {
		if !strings.Contains(h.log.String(), secret) {
			t.Errorf("no %q in the log", secret)
		}
	}
	if got := h.do(request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("k")}); got.status != 201 || got.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}
