package server_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store"
)

// A list of events that is made of cached ones has the same bytes as the one that was read, whatever part of the log it is.
func TestACachedPageOfEventsIsTheOneThatWasRead(t *testing.T) {
	h := start(t)
	path := h.session()
	h.fillLog(path, 7, "<b>\u2028")
	ids := texts(h.get(path+"/events?order=asc"), "id")
	for _, cursor := range []string{"", "&after_id=" + ids[0], "&after_id=" + ids[4], "&after_id=" + ids[6], "&before_id=" + ids[0], "&before_id=" + ids[3], "&page=" + ids[5]} {
		for _, page := range []string{"limit=1", "limit=3", "limit=6", "limit=7", "limit=100", "limit=3&order=asc", "limit=7&order=asc"} {
			cached := h.get(path + "/events?" + page + cursor)
			read := h.get(path + "/events?types[]=user.message&" + page + cursor) // a filter is not served from the cache
			if read.status != http.StatusOK || !bytes.Equal(read.body, cached.body) {
				t.Errorf("%s%s: %d %s\nwant %s", page, cursor, cached.status, cached.body, read.body)
			}
		}
	}
	for cursor, param := range map[string]string{"after_id=evt_none": "after_id", "before_id=evt_none": "before_id"} {
		h.expectRefusal(t, request{method: "GET", path: path + "/events?" + cursor},
			refusal{400, "invalid_request_error", param, "Parameter '" + param + "' is not the cursor of a record in this list."})
	}
}

// A list of events has what was appended since, by this process or another, and nothing of a session that is another
// account's or was deleted.
func TestACachedPageOfEventsIsTheCurrentOne(t *testing.T) {
	h := start(t)
	path := h.session()
	h.fillLog(path, 2, "a")
	shows := func(want int) {
		t.Helper()
		for range 2 { // read, then cached
			if got := h.get(path + "/events"); got.status != http.StatusOK || len(texts(got, "id")) != want {
				t.Errorf("%d %s, want %d events", got.status, got.body, want)
			}
		}
	}
	shows(2)
	h.fillLog(path, 1, "b")
	shows(3)
	if got := h.post(path+"/events", `{"events":[{"type":"user.interrupt"}]}`); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	shows(4)
	if got := h.do(request{method: "GET", path: path + "/events", token: bobToken}); got.status != http.StatusNotFound {
		t.Errorf("another account gets %d %s", got.status, got.body)
	}
	if err := h.db.DeleteSession(t.Context(), "alice", strings.TrimPrefix(path, "/sessions/"), func(store.Session) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := h.get(path + "/events"); got.status != http.StatusNotFound {
		t.Errorf("a deleted session has %d %s", got.status, got.body)
	}
}

// An event that violates the contract is not cached: each list with it is refused.
func TestAPageWithAnEventThatViolatesTheContractIsValidatedEachTime(t *testing.T) {
	h := start(t, func(c *server.Config) { c.ResponseCheck = server.Enforce })
	path := h.session()
	_, _, err := h.db.AppendEvents(t.Context(), "alice", strings.TrimPrefix(path, "/sessions/"), func(*store.Session) ([]store.NewEvent, error) {
		return slices.Repeat([]store.NewEvent{{Type: "user.message", TurnID: "turn_1", Payload: []byte(`{"content":7}`)}}, 2), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := h.unchecked("/v1" + path + "/events"); got.Code != http.StatusInternalServerError {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	}
}
