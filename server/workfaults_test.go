package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
)

// builtinTools makes the harness's agent one with the built-in tools.
func (h *harness) builtinTools() {
	h.t.Helper()
	h.agent = h.mustCreate("/agents", `{"name":"a","model":"ultimate","tools":[{"type":"agent_toolset_20260401"}]}`)
}

// asked makes a worker have the item of a new session whose turn waits for the result of a tool.
func (q queue) asked() (session, use, token string) {
	q.t.Helper()
	id, _, token, _ := q.served()
	session = "/sessions/" + id
	return session, q.asks(session), token
}

// asks begins a turn that waits for the result of a tool, and returns the id of its use.
func (q queue) asks(session string) (use string) {
	q.t.Helper()
	q.say(session, "list")
	q.settled(session)
	return useIn(q.t.(*testing.T), q.events(session), "agent.tool_use")
}

// results are the texts of the results in a session's log.
func (h *harness) results(session string) (texts []string) {
	h.t.Helper()
	for _, f := range h.events(session) {
		if f.Event == "user.tool_result" {
			texts = append(texts, f.Data["content"].([]any)[0].(map[string]any)["text"].(string))
		}
	}
	return texts
}

// A poll has an effect: HEAD does not deliver.
func TestPollHasNoHead(t *testing.T) {
	h := start(t)
	q := h.workQueue(t)
	q.workSession()
	got := h.do(request{method: "HEAD", path: q.path + "/poll", token: q.key})
	if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET" {
		t.Errorf("%d, Allow: %s", got.status, got.header.Get("Allow"))
	}
	if stats := h.do(request{method: "GET", path: q.path + "/stats"}); stats.field("depth") != 1.0 || stats.field("pending") != 0.0 {
		t.Errorf("%s", stats.body)
	}
}

// TestKeysThatOpenNothing polls with keys that are not, or no longer, the environment's.
func TestKeysThatOpenNothing(t *testing.T) {
	h := start(t)
	q, foreign := h.workQueue(t), h.workQueue(t)
	soon := h.clock.Now().Add(time.Minute)
	for _, key := range []string{"pt-env-expired", "pt-env-revoked"} {
		token := store.NewToken{Account: "alice", Hash: auth.Hash(key), EnvironmentID: q.environment}
		if key == "pt-env-expired" {
			token.ExpiresAt = &soon
		}
		made, err := h.db.CreateToken(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.do(request{method: "GET", path: q.path + "/poll", token: key}); got.status != http.StatusOK {
			t.Fatalf("%s, before: %d %s", key, got.status, got.body)
		}
		if key == "pt-env-revoked" {
			if _, err := h.db.RevokeToken(t.Context(), made.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.clock.advance(2 * time.Minute)
	for name, test := range map[string]struct {
		key  string
		want int
	}{
		"unknown": {"pt-env-unknown", 401}, "expired": {"pt-env-expired", 401}, "revoked": {"pt-env-revoked", 401},
		"foreign": {foreign.key, 404}, "of another account": {bobToken, 404}, "own": {q.key, 200},
	} {
		if got := h.do(request{method: "GET", path: q.path + "/poll", token: test.key}); got.status != test.want {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, test.want)
		}
	}
}

// TestResultsThatAreRefused sends results that count for nothing. The use stays open for the worker that has the session.
func TestResultsThatAreRefused(t *testing.T) {
	h := start(t, scripted(t, workerScript))
	q := h.workQueue(t)
	h.builtinTools()
	session, use, token := q.asked()
	_, otherUse, otherToken := q.asked()
	text := func(s string) string { return toolResult(use, `[{"type":"text","text":"`+s+`"}]`) }
	for name, test := range map[string]struct {
		body, token string
		want        refusal
	}{
		"for a use that nobody asked":          {toolResult("evt_1", `"x"`), token, refusal{Status: 400, Param: "events[0].tool_use_id"}},
		"for a use of another session":         {toolResult(otherUse, `"x"`), token, refusal{Status: 400, Param: "events[0].tool_use_id"}},
		"for a use of another kind":            {fmt.Sprintf(`{"events":[{"type":"user.custom_tool_result","custom_tool_use_id":%q}]}`, use), token, refusal{Status: 400, Param: "events[0].custom_tool_use_id"}},
		"of a worker with another session":     {text("x"), otherToken, refusal{Status: 404}},
		"of a worker without the secret":       {text("x"), q.key, refusal{Status: 403}},
		"that is not UTF-8":                    {text("\xff\xfe"), token, refusal{Status: 400, Param: "events[0].content[0].text"}},
		"that is too large":                    {text(strings.Repeat("x", 1<<20)), token, refusal{Status: 400, Param: "events[0].content[0].text"}},
		"that is too large as a whole":         {toolResult(use, "["+strings.Repeat(`{"type":"text","text":"`+strings.Repeat("x", 1<<19)+`"},`, 4)+`{"type":"text","text":""}]`), token, refusal{Status: 400, Param: "events[0]"}},
		"that is larger than any request":      {text(strings.Repeat("x", 32<<20)), token, refusal{Status: 400, Param: "body"}},
		"with one that is not for this worker": {`{"events":[` + result(use) + `,{"type":"user.message","content":"hi"}]}`, token, refusal{Status: 403}},
	} {
		got := refusalOf(h.do(request{method: "POST", path: session + "/events", body: test.body, token: test.token}))
		if got.Status != test.want.Status || got.Param != test.want.Param {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	if got := h.results(session); got != nil {
		t.Errorf("results that were refused are stored: %q", got)
	}
	if got := h.do(request{method: "POST", path: session + "/events", body: text("done"), token: token}); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	h.settled(session)
	if diff := cmp.Diff([]string{"done"}, h.results(session)); diff != "" {
		t.Error(diff)
	}
}

// TestALargeResultIsCut sends the largest results. A worker's result that is refused would keep the worker and the turn
// waiting, so what does not fit into an event is cut.
func TestALargeResultIsCut(t *testing.T) {
	h := start(t, scripted(t, workerScript))
	q := h.workQueue(t)
	h.builtinTools()
	session, use, token := q.asked()
	separators := strings.Repeat("\u2028", 190_000) // three bytes as sent, six as stored
	body := toolResult(use, fmt.Sprintf(`[{"type":"text","text":"%[1]s"},{"type":"text","text":"%[1]s"}]`, separators))
	// kin-openapi, which validates the small results, would take longer than the server.
	if got := h.plainly("POST", "/v1"+session+"/events", body, "identity", "Authorization", "Bearer "+token); got.status != http.StatusOK {
		t.Fatalf("%d %.300s", got.status, got.body)
	}
	h.settled(session)
	got := h.unchecked("/v1" + session + "/events?limit=100&types[]=user.tool_result&types[]=agent.tool_result")
	var page struct {
		Data []struct {
			Type    string
			Content []struct{ Text string }
		}
	}
	if err := json.Unmarshal(got.Body.Bytes(), &page); err != nil || len(page.Data) == 0 {
		t.Fatalf("%d %v %.300s", got.Code, err, got.Body)
	}
	for _, e := range page.Data {
		var kept []int
		for _, block := range e.Content {
			kept = append(kept, len(block.Text))
		}
		if len(kept) != 2 || kept[0] != len(separators) || kept[1] < 100_000 || kept[1] >= len(separators) {
			t.Errorf("%s keeps %d bytes", e.Type, kept)
		}
	}
}

// result is an event with a result.
func result(use string) string {
	return fmt.Sprintf(`{"type":"user.tool_result","tool_use_id":%q}`, use)
}

// TestAWorkerDiesAfterItsCall lets the lease of a worker end between a call and its result: the next worker finds the call
// open and answers it, and what the first one still sends changes nothing.
func TestAWorkerDiesAfterItsCall(t *testing.T) {
	h := start(t, scripted(t, workerScript))
	q := h.workQueue(t)
	h.builtinTools()
	session, use, dead := q.asked()
	h.clock.advance(40 * time.Second)
	id, token := q.poll("")
	if id == "" {
		t.Fatal("the item was not delivered again")
	}
	late := func() {
		t.Helper()
		got := refusalOf(h.do(request{method: "POST", path: session + "/events", body: toolResult(use, `"late"`), token: dead}))
		if got.Status != http.StatusUnauthorized {
			t.Errorf("a result of the worker that lost the item: %+v", got)
		}
	}
	late()
	q.post("/"+id+"/ack", q.key)
	q.beats(id, "NO_HEARTBEAT", token, http.StatusOK)
	if got := h.do(request{method: "GET", path: session + "/events?limit=1000&order=asc&types[]=user.tool_result", token: token}); got.field("first_id") != nil {
		t.Errorf("the call has a result: %s", got.body)
	}
	if got := h.do(request{method: "POST", path: session + "/events", body: toolResult(use, `"again"`), token: token}); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	late()
	h.settled(session)
	if diff := cmp.Diff([]string{"again"}, h.results(session)); diff != "" {
		t.Error(diff)
	}
	frames := h.events(session)
	if diff := cmp.Diff("session.status_idle end_turn", events(frames)[len(frames)-1]); diff != "" {
		t.Error(diff)
	}
}

// TestAWorkerThatFloods sends a result, a heartbeat and a poll many times at once: one result counts, one of the heartbeats
// that expect the same extends the lease, and one poll gets an item.
func TestAWorkerThatFloods(t *testing.T) {
	const times = 40
	h := start(t, scripted(t, workerScript))
	q := h.workQueue(t)
	h.builtinTools()
	session, id, token, last := q.served()
	session = "/sessions/" + session
	use := q.asks(session)
	q.workSession()
	var mu sync.Mutex
	counts := map[string]int{}
	count := func(what string, got answer) {
		mu.Lock()
		defer mu.Unlock()
		counts[fmt.Sprint(what, " ", got.status)]++
		if strings.TrimSpace(string(got.body)) == "null" {
			counts[what+" of nothing"]++
		}
	}
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() {
			count("result", h.do(request{method: "POST", path: session + "/events", body: toolResult(use, fmt.Sprintf(`[{"type":"text","text":"%d"}]`, i)), token: token}))
		})
		all.Go(func() {
			count("heartbeat", h.do(request{method: "POST", path: q.path + "/" + id + "/heartbeat?expected_last_heartbeat=" + last})) // the account's token has no repeats
		})
		all.Go(func() { count("poll", h.do(request{method: "GET", path: q.path + "/poll", token: q.key})) })
	}
	all.Wait()
	want := map[string]int{
		"result 200": times, "heartbeat 200": 1, "heartbeat 412": times - 1, "poll 200": times, "poll of nothing": times - 1,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
	h.settled(session)
	if got := h.results(session); len(got) != 1 {
		t.Errorf("results: %q", got)
	}
}
