package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/faults"
)

// rehearsing starts a server whose faults a test chooses.
func rehearsing(t *testing.T) (*harness, func(rules ...faults.Rule)) {
	t.Helper()
	injector := &faults.Injector{}
	h := start(t, func(c *server.Config) { c.Faults = injector })
	return h, func(rules ...faults.Rule) {
		t.Helper()
		plan, err := faults.NewPlan(0, rules...)
		if err != nil {
			t.Fatal(err)
		}
		injector.Use(plan)
	}
}

func overloaded(body faults.Body) faults.Rule {
	return faults.Rule{Answer: &faults.Answer{Status: 503, Body: body, RetryAfter: time.Second}}
}

// plain sends a request whose response need not be the server's, and returns the status.
func (h *harness) plain(r request) int {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), r.method, h.web.URL+"/v1"+r.path, strings.NewReader(r.body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+orAlice(r.token))
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	res, err := h.web.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// An injected error of the server itself comes where the server's errors do: after authentication, validation and the
// idempotency key. A gateway's comes before all of them.
func TestInjectedErrorsComeInTheirPlace(t *testing.T) {
	h, inject := rehearsing(t)
	create := request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("k")}
	first := h.do(create)
	if first.status != 201 {
		t.Fatalf("%d %s", first.status, first.body)
	}
	unknown, invalid, fresh, denied := create, create, create, create
	unknown.token, invalid.body, fresh.header = "pt-unknown", "{}", keyed("fresh")
	for name, test := range map[string]struct {
		request         request
		server, gateway int
		replayed        bool
	}{
		"unknown token":   {unknown, 401, 503, false},
		"invalid body":    {invalid, 400, 503, false},
		"recorded key":    {create, 201, 503, true},
		"key not used":    {fresh, 503, 503, false},
		"read":            {request{method: "GET", path: "/sessions"}, 503, 503, false},
		"unknown session": {request{method: "GET", path: "/sessions/sess_x"}, 503, 503, false},
	} {
		inject(overloaded(faults.ErrorBody))
		got := h.do(test.request)
		if got.status != test.server || (got.header.Get("Idempotent-Replayed") == "true") != test.replayed {
			t.Errorf("%s: the server's: %d %s, want %d", name, got.status, got.body, test.server)
		}
		inject(overloaded(faults.HTMLBody))
		if got := h.plain(test.request); got != test.gateway {
			t.Errorf("%s: a gateway's: %d, want %d", name, got, test.gateway)
		}
	}
	inject(faults.Rule{Answer: &faults.Answer{Status: 401}})
	if got := h.do(denied); got.status != 401 || got.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("a denied repeat: %d %v", got.status, got.header)
	}
	inject()
	if got := h.do(fresh); got.status != 201 || got.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("after the faults: %d %s", got.status, got.body)
	}
	log, metrics := h.log.String(), string(h.do(request{method: "GET", path: "//metrics"}).body)
	for _, want := range []string{
		`sessions_request_duration_seconds_count{operation="createSession",status="503"} 1`,
		`sessions_faults_injected_total{fault="answer_503",operation="createSession"} 5`,
		`sessions_faults_injected_total{fault="answer_401",operation="createSession"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics:\n%s", want, metrics)
		}
	}
	if n := strings.Count(log, "fault injected"); n != 10 {
		t.Errorf("%d faults are logged", n)
	}
}
