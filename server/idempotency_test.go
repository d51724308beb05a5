package server_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
)

func keyed(key string) map[string]string { return map[string]string{"Idempotency-Key": key} }

func TestAnIdempotencyKeyRunsOnce(t *testing.T) {
	h := start(t)
	body := h.createBody(map[string]any{"title": "once"})
	first := h.do(request{method: "POST", path: "/sessions", body: body, header: keyed("k")})
	if first.status != 201 || first.header.Get("Idempotent-Replayed") != "" {
		t.Fatalf("%d %v", first.status, first.header)
	}
	h.clock.advance(24*time.Hour - time.Microsecond)
	for name, again := range map[string]request{
		"the same":         {method: "POST", path: "/sessions", body: body, header: keyed("k")},
		"the other name":   {method: "POST", path: "/sessions", body: body, header: map[string]string{"X-Idempotency-Key": "k"}},
		"in another order": {method: "POST", path: "/sessions", header: keyed("k"), body: fmt.Sprintf(" {\n\"title\" : \"\\u006fnce\",\"delta_flush_interval_ms\":1e2,\"environment_id\":%q,\"agent\":%q}", h.environment, h.agent)},
		"the other mount":  {method: "POST", path: "//v1/sessions", body: body, header: keyed("k")},
	} {
		got := h.do(again)
		if got.status != 201 || !bytes.Equal(got.body, first.body) || got.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: %d %s %v", name, got.status, got.body, got.header)
		}
	}
	if n := h.sessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
	reused := refusal{409, "conflict_error", "Idempotency-Key", "Idempotency key reused with a different request body."}
	for _, other := range []request{
		{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("k")},
		{method: "POST", path: "/agents", body: `{"name":"a","model":"m"}`, header: keyed("k")},
		{method: "POST", path: "/environments", body: `{"name":"a","config":{"type":"cloud"}}`, header: keyed("k")},
	} {
		h.expectRefusal(t, other, reused)
	}
	bobs := h.do(request{method: "POST", path: "/agents", body: `{"name":"a","model":"m"}`, header: keyed("k"), token: bobToken})
	if bobs.status != 201 {
		t.Errorf("another account's key: %d %s", bobs.status, bobs.body)
	}
	h.clock.advance(time.Microsecond)
	if got := h.do(request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("k")}); got.status != 201 {
		t.Errorf("after 24 h: %d %s", got.status, got.body)
	}
}

func TestARefusalIsReplayedToo(t *testing.T) {
	h := start(t)
	body := h.createBody(map[string]any{"agent": "agent_later"})
	first := h.do(request{method: "POST", path: "/sessions", body: body, header: keyed("k")})
	again := h.do(request{method: "POST", path: "/sessions", body: body, header: keyed("k")})
	if first.status != 404 || again.status != 404 || again.header.Get("Idempotent-Replayed") != "true" {
		t.Fatalf("%d, then %d %v", first.status, again.status, again.header)
	}
	if diff := cmp.Diff(string(first.body), string(again.body)); diff != "" {
		t.Error(diff)
	}
	if again.header.Get("X-Request-Id") == first.header.Get("X-Request-Id") {
		t.Error("the replay has the first request's id in its header")
	}
}

func TestABadRequestDoesNotUseUpItsKey(t *testing.T) {
	h := start(t)
	if got := h.do(request{method: "POST", path: "/sessions", body: "{}", header: keyed("k")}); got.status != 400 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := h.do(request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("k")}); got.status != 201 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestConcurrentTwinsRunOnce(t *testing.T) {
	h := start(t)
	body := h.createBody(map[string]any{"title": "twins"})
	answers := make([]answer, 16)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = h.do(request{method: "POST", path: "/sessions", body: body, header: keyed("twins")})
		})
	}
	wg.Wait()
	replayed := 0
	for _, got := range answers {
		if got.status != 201 || !bytes.Equal(got.body, answers[0].body) {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got.header.Get("Idempotent-Replayed") == "true" {
			replayed++
		}
	}
	if replayed != len(answers)-1 || h.sessions() != 1 {
		t.Errorf("%d of %d replayed, %d sessions", replayed, len(answers), h.sessions())
	}
}

func TestExpiredKeysAreSweptWhileTheServerRuns(t *testing.T) {
	h := start(t)
	for i := range 450 {
		if got := h.do(request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"agent": "agent_0"}), header: keyed(fmt.Sprint("k", i))}); got.status != 404 {
			t.Fatal(got.status)
		}
	}
	h.clock.advance(24 * time.Hour)
	h.do(request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("young")})
	young := request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("young")}
	h.web.Close()
	_ = h.server.Close()
	baseURL, stop, done := running(t, server.Config{DB: h.dsn, Now: h.clock.Now})
	target, err := url.Parse(baseURL)
	if err != nil {
		t.Fatal(err)
	}
	h = h.in(t)
	h.web = httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(h.web.Close)
	own := 0 // of the keys, this test sweeps the last few: only so does it see when none is left
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := h.do(young)
		if got.status != 201 || got.header.Get("Idempotent-Replayed") != "true" {
			t.Fatalf("while sweeping: %d %v", got.status, got.header)
		}
		n, err := h.db.SweepKeys(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		if own++; own > 200 || time.Now().After(deadline) {
			t.Fatal("expired keys are still there")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
