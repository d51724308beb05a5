package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store"
)

// A cached response is not sent once the session has changed, in this process or in another.
func TestACachedSessionIsTheCurrentOne(t *testing.T) {
	h := start(t)
	id := h.mustCreate("/sessions", h.createBody(nil))
	get := func(token string) answer {
		return h.do(request{method: "GET", path: "/sessions/" + id, token: token})
	}
	title := func(want string) {
		t.Helper()
		for range 2 { // read, then cached
			if got := get(aliceToken); got.status != http.StatusOK || got.field("title") != want {
				t.Errorf("%d %s, want the title %q", got.status, got.body, want)
			}
		}
	}
	title("")
	if got := get(bobToken); got.status != http.StatusNotFound {
		t.Errorf("another account gets %d %s", got.status, got.body)
	}
	if got := h.do(request{method: "POST", path: "/sessions/" + id, body: `{"title":"here"}`}); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	title("here")
	_, err := h.db.UpdateSession(t.Context(), "alice", id, func(s *store.Session) error { // as another process does
		s.Title = "elsewhere"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	title("elsewhere")
	if err := h.db.DeleteSession(t.Context(), "alice", id, func(store.Session) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := get(aliceToken); got.status != http.StatusNotFound {
		t.Errorf("a deleted session is %d %s", got.status, got.body)
	}
}

// Readers next to a writer never see a title older than the latest that the writer had a response for when they asked.
func TestReadersSeeWhatAConcurrentWriterWrote(t *testing.T) {
	h := start(t)
	id := h.mustCreate("/sessions", h.createBody(map[string]any{"title": "00"}))
	var mu sync.Mutex
	written := "00"
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				mu.Lock()
				least := written
				mu.Unlock()
				got := h.do(request{method: "GET", path: "/sessions/" + id})
				if title, _ := got.field("title").(string); got.status != http.StatusOK || title < least {
					t.Errorf("%d %s, after %s was written", got.status, got.body, least)
					return
				}
			}
		})
	}
	for n := 1; n < 50; n++ {
		title := fmt.Sprintf("%02d", n)
		if got := h.do(request{method: "POST", path: "/sessions/" + id, body: `{"title":"` + title + `"}`}); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
		mu.Lock()
		written = title
		mu.Unlock()
	}
	close(done)
	readers.Wait()
}

// A session that violates the contract is not cached: each request for it is refused, or reported.
func TestASessionThatViolatesTheContractIsValidatedEachTime(t *testing.T) {
	for mode, status := range map[server.ResponseCheck]int{server.Enforce: 500, server.Report: 200} {
		t.Run(string(mode), func(t *testing.T) {
			h := start(t, func(c *server.Config) { c.ResponseCheck = mode })
			nameless(t, h)
			v, err := h.db.CreateSession(t.Context(), "alice", store.SessionSpec{AgentID: "agent_nameless", EnvironmentID: h.environment})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if got := h.unchecked("/v1/sessions/" + v.ID); got.Code != status {
					t.Errorf("%d %s", got.Code, got.Body)
				}
			}
			metrics := h.do(request{method: "GET", path: "//metrics"})
			want := `sessions_contract_violations_total{operation="getSession",rule="minLength"} 3`
			if !strings.Contains(string(metrics.body), want) {
				t.Errorf("no %q in the metrics:\n%s", want, metrics.body)
			}
		})
	}
}
