package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
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
				if titles := h.titles("", aliceToken); titles[0] < least {
					t.Errorf("the list has %s, after %s was written", titles[0], least)
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

// A list that is made of cached sessions has the same bytes as the one that was read, whatever part of the list it is.
func TestACachedListIsTheOneThatWasRead(t *testing.T) {
	h := start(t)
	var ids []string
	for i := range 5 {
		ids = append(ids, h.mustCreate("/sessions", h.createBody(map[string]any{"title": fmt.Sprint("<", i, ">")})))
	}
	h.mustDo("POST", "/sessions/"+ids[1]+"/archive", "")
	h.mustDo("POST", "/sessions/"+ids[2]+"/cancel", "")
	for _, query := range []string{
		"", "limit=2", "limit=2&order=asc", "limit=2&after_id=" + ids[3], "limit=2&before_id=" + ids[0], "limit=1&page=" + ids[4],
		"include_archived=true", "limit=2&include_archived=true", "agent_id=" + h.agent, "agent_id=agent_none", "statuses[]=processing",
		"created_at[gte]=2100-01-01T00:00:00Z", "after_id=" + ids[0],
	} {
		read := h.do(request{method: "GET", path: "/sessions?" + query})
		cached := h.do(request{method: "GET", path: "/sessions?" + query})
		if read.status != http.StatusOK || !bytes.Equal(read.body, cached.body) {
			t.Errorf("%s: %d %s\nthen %d %s", query, read.status, read.body, cached.status, cached.body)
		}
	}
	unknown := request{method: "GET", path: "/sessions?after_id=sess_none"}
	h.expectRefusal(t, unknown, refusal{400, "invalid_request_error", "after_id", "Parameter 'after_id' is not the cursor of a record in this list."})
}

// A list shows no session as it was before another process changed it, and no other account's.
func TestACachedListIsTheCurrentOne(t *testing.T) {
	h := start(t)
	ids := []string{h.mustCreate("/sessions", h.createBody(nil)), h.mustCreate("/sessions", h.createBody(nil))}
	shows := func(query string, want ...string) {
		t.Helper()
		for range 2 { // read, then cached
			if got := h.titles(query, aliceToken); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		if got := h.titles(query, bobToken); len(got) > 0 {
			t.Errorf("another account sees %q", got)
		}
	}
	change := func(id string, change func(*store.Session)) {
		t.Helper()
		_, err := h.db.UpdateSession(t.Context(), "alice", id, func(s *store.Session) error {
			change(s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	shows("", "", "")
	change(ids[0], func(s *store.Session) { s.Title = "elsewhere" })
	shows("", "", "elsewhere")
	shows("statuses[]=idle", "", "elsewhere")
	change(ids[1], func(s *store.Session) { s.Status, s.Turn.ID = store.StatusProcessing, "turn_1" })
	shows("statuses[]=idle", "elsewhere")
	now := h.clock.Now()
	change(ids[0], func(s *store.Session) { s.ArchivedAt = &now })
	shows("", "")
	shows("include_archived=true", "", "elsewhere")
	if err := h.db.DeleteSession(t.Context(), "alice", ids[0], func(store.Session) error { return nil }); err != nil {
		t.Fatal(err)
	}
	shows("include_archived=true", "")
}

// titles returns the titles of a page of sessions.
func (h *harness) titles(query, token string) (titles []string) {
	h.t.Helper()
	got := h.do(request{method: "GET", path: "/sessions?" + query, token: token})
	if got.status != http.StatusOK {
		h.t.Fatalf("%d %s", got.status, got.body)
	}
	for _, item := range got.field("data").([]any) {
		titles = append(titles, item.(map[string]any)["title"].(string))
	}
	return titles
}

// A list with a session that violates the contract is refused, or reported, each time.
func TestAListWithAViolationIsValidatedEachTime(t *testing.T) {
	for mode, status := range map[server.ResponseCheck]int{server.Enforce: 500, server.Report: 200} {
		t.Run(string(mode), func(t *testing.T) {
			h := start(t, func(c *server.Config) { c.ResponseCheck = mode })
			nameless(t, h)
			h.session()
			if _, err := h.db.CreateSession(t.Context(), "alice", store.SessionSpec{AgentID: "agent_nameless", EnvironmentID: h.environment}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if got := h.unchecked("/v1/sessions"); got.Code != status {
					t.Errorf("%d %s", got.Code, got.Body)
				}
			}
			metrics := h.do(request{method: "GET", path: "//metrics"})
			want := `sessions_contract_violations_total{operation="listSessions",rule="minLength"} 3`
			if !strings.Contains(string(metrics.body), want) {
				t.Errorf("no %q in the metrics:\n%s", want, metrics.body)
			}
		})
	}
}
