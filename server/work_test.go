package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// queue is the work queue of a self-hosted environment, as its workers see it.
type queue struct {
	*harness
	environment, path, key string
}

// workQueue creates a self-hosted environment of alice, with a key.
func (h *harness) workQueue(t testing.TB) queue {
	t.Helper()
	id := h.mustCreate("/environments", `{"name":"own","config":{"type":"self_hosted"}}`)
	made := h.do(request{method: "POST", path: "/environments/" + id + "/keys", body: `{"name":"k"}`})
	return queue{h, id, "/environments/" + id + "/work", made.field("key").(string)}
}

// workSession creates a session in the queue's environment.
func (q queue) workSession() string {
	q.t.Helper()
	return q.mustCreate("/sessions", q.createBody(map[string]any{"environment_id": q.environment}))
}

// poll polls and returns the item's id and its token; "" for none.
func (q queue) poll(query string) (id, token string) {
	q.t.Helper()
	got := q.do(request{method: "GET", path: q.path + "/poll" + query, token: q.key})
	if got.status != http.StatusOK || got.header.Get("Cache-Control") != "no-store" {
		q.t.Fatalf("%d %s %v", got.status, got.body, got.header)
	}
	if strings.TrimSpace(string(got.body)) == "null" {
		return "", ""
	}
	secret, err := base64.RawURLEncoding.DecodeString(got.field("secret").(string))
	var inside struct {
		Token string `json:"sessions_token"`
	}
	if err == nil {
		err = json.Unmarshal(secret, &inside)
	}
	if err != nil || inside.Token == "" {
		q.t.Fatalf("secret: %s %v", secret, err)
	}
	return got.field("id").(string), inside.Token
}

// post posts without a body or a content type, as workers do.
func (q queue) post(path, token string) answer {
	q.t.Helper()
	return q.do(request{method: "POST", path: q.path + path, token: token, header: map[string]string{"Content-Type": ""}})
}

// beats sends a heartbeat and returns its time; it fails the test unless the status is the expected one.
func (q queue) beats(id, expected, token string, status int) string {
	q.t.Helper()
	got := q.post("/"+id+"/heartbeat?beta=true&expected_last_heartbeat="+url.QueryEscape(expected), token)
	if got.status != status {
		q.t.Fatalf("heartbeat: %d %s, want %d", got.status, got.body, status)
	}
	last, _ := got.field("last_heartbeat").(string)
	return last
}

// served makes a worker have the item of a new session.
func (q queue) served() (session, id, token, last string) {
	q.t.Helper()
	session = q.workSession()
	id, token = q.poll("")
	if got := q.post("/"+id+"/ack", q.key); got.status != http.StatusOK || got.field("state") != "starting" {
		q.t.Fatalf("%d %s", got.status, got.body)
	}
	return session, id, token, q.beats(id, "NO_HEARTBEAT", token, http.StatusOK)
}

func (q queue) state(id string) any {
	q.t.Helper()
	return q.do(request{method: "GET", path: q.path + "/" + id}).field("state")
}

func TestWork(t *testing.T) {
	h := start(t)
	q := h.workQueue(t)
	if id, _ := q.poll(""); id != "" {
		t.Fatalf("work without a session: %s", id)
	}
	session, id, token, last := q.served()
	got := h.do(request{method: "GET", path: q.path + "/" + id, token: token})
	if got.field("state") != "active" || got.field("data", "id") != session || got.field("secret") != nil || got.field("started_at") != last {
		t.Errorf("%s", got.body)
	}
	if again, _ := q.poll("?reclaim_older_than_ms=0"); again != "" {
		t.Errorf("an item that a worker has was delivered: %s", again)
	}
	h.clock.advance(15 * time.Second)
	next := q.beats(id, last, token, http.StatusOK)
	if next <= last || q.beats(id, last, token, http.StatusOK) != next {
		t.Errorf("%s after %s, or another one for a repeat", next, last)
	}
	lost := q.post("/"+id+"/heartbeat?expected_last_heartbeat=NO_HEARTBEAT", q.key)
	if lost.status != http.StatusPreconditionFailed || lost.field("error", "type") != "precondition_failed_error" ||
		lost.field("error", "details", "current_state", "last_heartbeat") != next || lost.field("error", "details", "current_state", "ttl_seconds") != 30.0 {
		t.Errorf("%d %s", lost.status, lost.body)
	}
	if got := h.do(request{method: "POST", path: q.path + "/" + id, body: `{"metadata":{"host":"a"}}`, token: token}); got.field("metadata", "host") != "a" {
		t.Errorf("%s", got.body)
	}
	if got := refusalOf(q.post("/"+id+"/stop", q.key)); got.Status != http.StatusConflict || got.Type != "invalid_request_error" {
		t.Errorf("stop by the key: %+v", got)
	}
	if got := h.do(request{method: "POST", path: q.path + "/" + id + "/stop", body: `{"force":true}`, token: token}); got.field("state") != "stopped" || got.field("stopped_at") == nil {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, path := range []string{"/ack", "/stop", "/heartbeat"} {
		if got := refusalOf(q.post("/"+id+path, q.key)); got.Status != http.StatusConflict || got.Type != "invalid_request_error" {
			t.Errorf("%s of a stopped item: %+v", path, got)
		}
	}
	q.beats(id, next, token, http.StatusPreconditionFailed)
	h.say("/sessions/"+session, "hello")
	if second, _ := q.poll(""); second == "" || second == id {
		t.Errorf("after a message: item %q", second)
	}
	stats := h.do(request{method: "GET", path: q.path + "/stats", token: q.key})
	if stats.field("depth") != 0.0 || stats.field("pending") != 1.0 || stats.field("workers_polling") != 0.0 {
		t.Errorf("%s", stats.body)
	}
}

// A worker that dies loses the item within its lease, and whatever it still sends is refused.
func TestALeaseEnds(t *testing.T) {
	h := start(t)
	q := h.workQueue(t)
	session, id, token, last := q.served()
	stream := h.stream("/sessions/"+session, "", map[string]string{"Authorization": "Bearer " + token})
	h.clock.advance(40 * time.Second)
	if got := q.state(id); got != "queued" {
		t.Errorf("the item is %v", got)
	}
	again, other := q.poll("")
	if again != id || other == token {
		t.Fatalf("delivered again: %q", again)
	}
	q.beats(id, last, token, http.StatusPreconditionFailed)
	for _, r := range []request{{method: "GET", path: "/sessions/" + session}, {method: "POST", path: q.path + "/" + id + "/stop"}} {
		r.token = token
		if got := refusalOf(h.do(r)); got.Status != http.StatusUnauthorized || got.Message != "The token's work item has ended; poll for work again." {
			t.Errorf("%s %s: %+v", r.method, r.path, got)
		}
	}
	for ok := true; ok; {
		_, ok = stream.next() // until the server closes it
	}
	q.post("/"+id+"/ack", q.key)
	q.beats(id, "NO_HEARTBEAT", other, http.StatusOK)
}

// TestOneWorkerHasAnItem lets two workers race for one item, at one server.
func TestOneWorkerHasAnItem(t *testing.T) {
	h := startInMemory(t)
	racesForAnItem(200, h, h)
}

// TestOneWorkerOfTwoReplicasHasAnItem lets two workers race for one item, each at a replica of its own.
func TestOneWorkerOfTwoReplicasHasAnItem(t *testing.T) {
	h, other := replicas(t)
	racesForAnItem(50, h, other)
}

// raceRounds is the variable that replaces how often workers race for an item; `make test-cluster-long` sets it.
const raceRounds = "SESSIONS_RACE_ROUNDS"

// racesForAnItem lets two workers, each at its server, race for one item by the raw protocol. Both polls deliver it, since
// neither waits for the other's acknowledgement.
func racesForAnItem(rounds int, servers ...*harness) {
	t, q := servers[0].t, servers[0].workQueue(servers[0].t)
	if text := os.Getenv(raceRounds); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	q.workSession()
	send := func(at *harness, path, token string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1"+q.path+path, http.NoBody)
		if err != nil {
			t.Error(err)
			return 0
		}
		r.Header.Set("Authorization", "Bearer "+token)
		w := &statusWriter{header: http.Header{}}
		at.server.ServeHTTP(w, r)
		return w.status
	}
	for round := range rounds {
		id, first := q.poll("?reclaim_older_than_ms=0")
		same, second := q.poll("?reclaim_older_than_ms=0")
		if id == "" || same != id {
			t.Fatalf("round %d: %q and %q were delivered", round, id, same)
		}
		tokens := [...]string{first, second}
		if round%2 == 1 {
			tokens = [...]string{q.key, q.key} // workers that cannot read the secret
		}
		var statuses [2]int
		var all sync.WaitGroup
		for i, token := range tokens {
			all.Go(func() {
				if got := send(servers[i], "/"+id+"/ack", q.key); got != http.StatusOK {
					t.Errorf("round %d: ack: %d", round, got)
				}
				statuses[i] = send(servers[i], "/"+id+"/heartbeat?expected_last_heartbeat=NO_HEARTBEAT", token)
			})
		}
		all.Wait()
		if sum := statuses[0] + statuses[1]; sum != http.StatusOK+http.StatusPreconditionFailed {
			t.Fatalf("round %d: %v", round, statuses)
		}
		for _, at := range servers {
			at.clock.advance(time.Minute)
		}
	}
}

// startInMemory runs a server that stores nothing on disk. alice is its demo account.
func startInMemory(t *testing.T) *harness {
	t.Helper()
	t.Parallel()
	h := &harness{t: t, log: &syncBuffer{}, clock: &clock{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}}
	var err error
	if h.server, err = server.New(t.Context(), server.Config{Demo: true, DemoToken: aliceToken, Now: h.clock.Now}); err != nil {
		t.Fatal(err)
	}
	h.web = httptest.NewServer(h.server)
	t.Cleanup(func() {
		h.web.Close()
		_ = h.server.Close()
	})
	h.agent = server.DemoAgent
	return h
}

// statusWriter keeps a response's status.
type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header         { return w.header }
func (w *statusWriter) WriteHeader(status int)      { w.status = status }
func (w *statusWriter) Write(p []byte) (int, error) { return len(p), nil }

// A poll that waits gets the item of a session that is created meanwhile, and one that finds nothing waits no longer than it
// was told to.
func TestPollsWait(t *testing.T) {
	h := start(t)
	q := h.workQueue(t)
	if id, _ := q.poll("?block_ms=1"); id != "" {
		t.Errorf("%s", id)
	}
	got := make(chan string)
	go func() {
		for {
			if id, _ := q.poll("?block_ms=999"); id != "" {
				got <- id
				return
			}
		}
	}()
	q.workSession()
	if id := <-got; q.state(id) != "queued" {
		t.Errorf("%s is not queued", id)
	}
}

func TestWorkThatIsRefused(t *testing.T) {
	h := start(t)
	q := h.workQueue(t)
	_, id, token, _ := q.served()
	other := h.workQueue(t)
	cloud := "/environments/" + h.environment
	for name, test := range map[string]struct {
		request
		want refusal
	}{
		"an environment of the cloud": {request{method: "GET", path: cloud + "/work"}, refusal{Status: 400, Param: "environment_id"}},
		"a key of the cloud":          {request{method: "POST", path: cloud + "/keys", body: `{"name":"k"}`}, refusal{Status: 400, Param: "environment_id"}},
		"block_ms 0":                  {request{method: "GET", path: q.path + "/poll?block_ms=0"}, refusal{Status: 400, Param: "block_ms"}},
		"block_ms 1000":               {request{method: "GET", path: q.path + "/poll?block_ms=1000"}, refusal{Status: 400, Param: "block_ms"}},
		"reclaim_older_than_ms":       {request{method: "GET", path: q.path + "/poll?reclaim_older_than_ms=-1"}, refusal{Status: 400, Param: "reclaim_older_than_ms"}},
		"two worker ids": {
			request{method: "GET", path: q.path + "/poll", header: map[string]string{"Worker-ID": "a", "Anthropic-Worker-ID": "b"}}, refusal{Status: 400, Param: "Anthropic-Worker-ID"}},
		"two worker ids of an acknowledgement": {
			request{method: "POST", path: q.path + "/" + id + "/ack", header: map[string]string{"Worker-ID": "a", "Anthropic-Worker-ID": "b"}}, refusal{Status: 400, Param: "Anthropic-Worker-ID"}},
		"no time":                     {request{method: "POST", path: q.path + "/" + id + "/heartbeat?expected_last_heartbeat=2026-13-99T00:00:00Z"}, refusal{Status: 400, Param: "expected_last_heartbeat"}},
		"no heartbeat":                {request{method: "POST", path: q.path + "/" + id + "/heartbeat?expected_last_heartbeat=yesterday"}, refusal{Status: 400, Param: "expected_last_heartbeat"}},
		"ttl 0":                       {request{method: "POST", path: q.path + "/" + id + "/heartbeat?desired_ttl_seconds=0"}, refusal{Status: 400, Param: "desired_ttl_seconds"}},
		"an item of the other queue":  {request{method: "GET", path: other.path + "/" + id}, refusal{Status: 404}},
		"the other queue's key":       {request{method: "GET", path: q.path + "/poll", token: other.key}, refusal{Status: 404}},
		"an unknown key":              {request{method: "GET", path: q.path + "/poll", token: "pt-env-0"}, refusal{Status: 401}},
		"the token for another item":  {request{method: "GET", path: q.path + "/work_x", token: token}, refusal{Status: 404}},
		"the token for another queue": {request{method: "GET", path: other.path + "/" + id, token: token}, refusal{Status: 404}},
		"a stop that is no object":    {request{method: "POST", path: q.path + "/" + id + "/stop", body: `true`}, refusal{Status: 400, Param: "body"}},
		"an unknown key's deletion":   {request{method: "DELETE", path: "/environments/" + q.environment + "/keys/tok_x"}, refusal{Status: 404}},
	} {
		got := refusalOf(h.do(test.request))
		if got.Status != test.want.Status || got.Param != test.want.Param {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// The key of the environment does not take an item from the worker that has it by its session token.
func TestAKeyTakesNoItem(t *testing.T) {
	q := start(t).workQueue(t)
	_, id, token, last := q.served()
	for _, query := range []string{"", "?desired_ttl_seconds=600", "?expected_last_heartbeat=" + url.QueryEscape(last)} {
		got := q.post("/"+id+"/heartbeat"+query, q.key)
		if state := got.field("error", "details", "current_state", "ttl_seconds"); got.status != http.StatusPreconditionFailed || state != 30.0 {
			t.Errorf("%q: %d %s", query, got.status, got.body)
		}
	}
	q.beats(id, last, token, http.StatusOK)
}

// A deleted or expired key opens nothing. A key is shown once.
func TestKeys(t *testing.T) {
	h := start(t)
	q := h.workQueue(t)
	keys := "/environments/" + q.environment + "/keys"
	create := request{method: "POST", path: keys, body: `{"name":"second"}`, header: keyed("a key")}
	made, again := h.do(create), h.do(create)
	if made.status != http.StatusCreated || made.field("key") == nil || again.field("id") != made.field("id") || again.field("key") != nil {
		t.Errorf("%s, then %s", made.body, again.body)
	}
	list := h.do(request{method: "GET", path: keys})
	if list.field("first_id") != made.field("id") || strings.Contains(string(list.body), `"key"`) {
		t.Errorf("%s", list.body)
	}
	id := made.field("id").(string)
	if got := h.do(request{method: "DELETE", path: keys + "/" + id}); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := refusalOf(h.do(request{method: "GET", path: q.path + "/poll", token: made.field("key").(string)})); got.Status != http.StatusUnauthorized {
		t.Errorf("a deleted key: %+v", got)
	}
	if got := refusalOf(h.do(request{method: "DELETE", path: keys + "/" + id})); got.Status != http.StatusNotFound {
		t.Errorf("deleted again: %+v", got)
	}
	if after := h.do(request{method: "GET", path: keys + "?after_id=" + id}); after.status != http.StatusOK || strings.Contains(string(after.body), `"`+id+`"`) || after.field("first_id") != list.field("last_id") {
		t.Errorf("after the deleted key: %d %s", after.status, after.body)
	}
	if got := h.do(create); got.status != http.StatusConflict {
		t.Errorf("a repeat after the deletion: %d %s", got.status, got.body)
	}
	if _, err := h.db.RevokeToken(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// TestEveryOperationByEveryToken calls each operation with each kind of token that is not an account's. The table names what
// they open; everything else is closed to them.
func TestEveryOperationByEveryToken(t *testing.T) {
	const key, session, both = "key", "session", "key session"
	const resource = session // of the session's resources: TestScopesOfMemoryStores, TestScopesOfFiles
	opens := map[string]string{
		"pollWork": key, "listWork": key, "getWorkStats": key, "ackWork": key, "getWork": both, "updateWork": both, "heartbeatWork": both, "stopWork": both,
		"listMemories": resource, "getMemory": resource, "createMemory": resource, "updateMemory": resource, "putMemory": resource, "deleteMemory": resource,
		"getFile": resource, "getFileContent": resource,
		"getSession": both, "listEvents": both, "streamEvents": both, "sendEvents": both,
	}
	h := start(t, openGate)
	q := h.workQueue(t)
	ended, endedID, endedToken, _ := q.served()
	h.do(request{method: "POST", path: q.path + "/" + endedID + "/stop", body: `{"force":true}`})
	served, servedID, token, _ := q.served()
	for _, of := range []struct {
		kind, token, session, work string
	}{
		{"session", token, served, servedID}, {"key", q.key, ended, servedID}, {"ended", endedToken, ended, endedID},
	} {
		each(t, func(t *testing.T, o operation) {
			if o.id == "stopWork" && of.kind != "ended" {
				return // it would end the token: TestWork
			}
			r := o.at(map[string]string{"environment_id": q.environment, "session_id": of.session, "work_id": of.work})
			r.token = of.token
			if o.id == "streamEvents" {
				r.method = http.MethodHead
			}
			got := h.do(r)
			refused := refusalOf(got)
			if of.kind == "ended" {
				if want := map[bool]int{true: http.StatusConflict, false: http.StatusUnauthorized}[o.id == "heartbeatWork"]; got.status != want {
					t.Errorf("%s: %d %s, want %d", of.kind, got.status, got.body, want)
				}
				return
			}
			open := strings.Contains(opens[o.id], of.kind)
			switch {
			case o.id == "sendEvents": // a message
				if refused.Type != "permission_error" || !strings.Contains(refused.Message, "the results of tools only") {
					t.Errorf("%s: %+v", of.kind, refused)
				}
			case !open && (refused.Type != "permission_error" || !strings.Contains(refused.Message, "does not open "+o.id)):
				t.Errorf("%s: %d %s, want 403", of.kind, got.status, got.body)
			case opens[o.id] == resource && open:
				if got.status != http.StatusNotFound || !strings.HasPrefix(refused.Message, "MemoryStore '") && !strings.HasPrefix(refused.Message, "File '") {
					t.Errorf("%s: %+v", of.kind, refused)
				}
			case open && (got.status == http.StatusForbidden || got.status == http.StatusUnauthorized || got.status == http.StatusNotFound):
				t.Errorf("%s: %d %s", of.kind, got.status, got.body)
			}
		})
	}
}

// The key of an environment opens the sessions of the environment, unless a worker serves them with a token; the token of a
// work item opens its own session. Neither speaks for the user.
func TestScopesOfSessions(t *testing.T) {
	h := start(t)
	q, other := h.workQueue(t), h.workQueue(t)
	free := q.workSession()
	freeItem, _ := q.poll("")
	h.do(request{method: "POST", path: q.path + "/" + freeItem + "/stop"})
	served, _, token, _ := q.served()
	foreign, cloud := other.workSession(), h.session()
	get := func(session, token string) refusal {
		return refusalOf(h.do(request{method: "GET", path: "/sessions/" + strings.TrimPrefix(session, "/sessions/"), token: token}))
	}
	for _, test := range []struct {
		name, session, token string
		want                 int
	}{
		{"key, free", free, q.key, 200}, {"key, served", served, q.key, 403}, {"key, of another environment", foreign, q.key, 404},
		{"key, of the cloud", cloud, q.key, 404}, {"key, unknown", "sess_x", q.key, 404},
		{"token, own", served, token, 200}, {"token, free", free, token, 404}, {"token, unknown", "sess_x", token, 404},
	} {
		if got := get(test.session, test.token); got.Status != test.want {
			t.Errorf("%s: %+v, want %d", test.name, got, test.want)
		}
	}
	for _, path := range []string{"/events", "/events/stream"} {
		if got := get(served+path, q.key); got.Status != http.StatusForbidden {
			t.Errorf("%s: %+v", path, got)
		}
	}
	for _, event := range []string{
		`{"type":"user.message","content":"hi"}`, `{"type":"user.interrupt"}`, `{"type":"user.tool_confirmation","tool_use_id":"evt_1","result":"allow"}`,
		`{"type":"user.define_outcome","description":"d","rubric":{"type":"text","content":"r"}}`,
	} {
		got := refusalOf(h.do(request{method: "POST", path: "/sessions/" + served + "/events", body: `{"events":[` + event + `]}`, token: token}))
		if got.Status != http.StatusForbidden {
			t.Errorf("%s: %+v", event, got)
		}
	}
	got := refusalOf(h.do(request{
		method: "POST", path: "/sessions/" + served + "/events", body: `{"events":[{"type":"user.custom_tool_result","custom_tool_use_id":"evt_1"}]}`, token: token,
	}))
	if got.Status != http.StatusBadRequest { // it may, but nobody asked
		t.Errorf("a result: %+v", got)
	}
}

// The token of a work item opens the memory stores of its session, for writing only those that the session may write to.
func TestScopesOfMemoryStores(t *testing.T) {
	h := start(t, openGate)
	q := h.workQueue(t)
	own, fixed, other := h.mustCreate("/memory_stores", `{"name":"own"}`), h.mustCreate("/memory_stores", `{"name":"fixed"}`), h.mustCreate("/memory_stores", `{"name":"other"}`)
	session := h.mustCreate("/sessions", h.createBody(map[string]any{"environment_id": q.environment, "resources": []any{
		map[string]any{"type": "memory_store", "memory_store_id": own, "access": "read_write"},
		map[string]any{"type": "memory_store", "memory_store_id": fixed, "access": "read_only"},
	}}))
	_, token := q.poll("")
	for _, test := range []struct {
		store, method string
		want          int
	}{
		{own, "GET", 200}, {own, "POST", 201}, {fixed, "GET", 200}, {fixed, "POST", 403}, {other, "GET", 404}, {other, "POST", 404},
	} {
		body := map[bool]string{true: `{"path":"/a.md","content":"a"}`}[test.method == "POST"]
		got := h.do(request{method: test.method, path: "/memory_stores/" + test.store + "/memories", body: body, token: token})
		if got.status != test.want {
			t.Errorf("%s %s: %d %s", test.method, test.store, got.status, got.body)
		}
	}
	versions := h.do(request{method: "GET", path: "/memory_stores/" + own + "/memory_versions"})
	if !strings.Contains(string(versions.body), session) {
		t.Errorf("the version does not name its session: %s", versions.body)
	}
}

// The token of a work item opens the files of its session, as long as the session has them, and no others; the key of an
// environment opens no file.
func TestScopesOfFiles(t *testing.T) {
	h := start(t, openGate)
	q := h.workQueue(t)
	own, other := h.file("own.txt", "own"), h.file("other.txt", "other")
	session := h.mustCreate("/sessions", h.createBody(map[string]any{"environment_id": q.environment, "resources": []any{map[string]any{"type": "file", "file_id": own}}}))
	_, token := q.poll("")
	get := func(path, token string) answer { return h.do(request{method: "GET", path: path, token: token}) }
	if got := get("/files/"+own+"/content", token); got.status != http.StatusOK || string(got.body) != "own" {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, test := range []struct {
		path, token string
		want        int
	}{
		{"/files/" + own, token, 200}, {"/files/" + other, token, 404}, {"/files/" + other + "/content", token, 404},
		{"/files", token, 403}, {"/files/" + own + "/content", q.key, 403}, {"/files/" + own, q.key, 403},
	} {
		if got := get(test.path, test.token); got.status != test.want {
			t.Errorf("%s: %d %s, want %d", test.path, got.status, got.body, test.want)
		}
	}
	resource := get("/sessions/"+session+"/resources", "").field("first_id").(string)
	h.do(request{method: "DELETE", path: "/sessions/" + session + "/resources/" + resource})
	if got := get("/files/"+own+"/content", token); got.status != http.StatusNotFound {
		t.Errorf("a file that was detached: %d %s", got.status, got.body)
	}
}

// The idempotency keys are the account's: a token with a scope neither uses nor sees one.
func TestScopedTokensHaveNoKeys(t *testing.T) {
	h := start(t)
	q := h.workQueue(t)
	_, id, token, _ := q.served()
	for i := range 2 {
		got := h.do(request{method: "POST", path: q.path + "/" + id, body: fmt.Sprintf(`{"metadata":{"n":"%d"}}`, i), token: token, header: keyed("same")})
		if got.status != http.StatusOK || got.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}

// Archiving a session asks its worker to stop, and deleting it ends the item and the token.
func TestWorkOfASessionThatEnds(t *testing.T) {
	h := start(t)
	q := h.workQueue(t)
	session, id, token, last := q.served()
	h.do(request{method: "POST", path: "/sessions/" + session + "/archive"})
	got := q.post("/"+id+"/heartbeat?expected_last_heartbeat="+last, token)
	if got.field("state") != "stopping" || q.state(id) != "stopping" {
		t.Errorf("%s", got.body)
	}
	h.do(request{method: "DELETE", path: "/sessions/" + session})
	if got := refusalOf(q.post("/"+id+"/heartbeat?expected_last_heartbeat="+last, token)); got.Status != http.StatusUnauthorized {
		t.Errorf("%+v", got)
	}
	if got := refusalOf(q.post("/"+id+"/heartbeat?expected_last_heartbeat="+last, q.key)); got.Status != http.StatusNotFound {
		t.Errorf("%+v", got)
	}
}

func TestWorkLeaseIsBounded(t *testing.T) {
	t.Parallel()
	if _, err := server.New(t.Context(), server.Config{WorkLease: time.Millisecond}); err == nil {
		t.Error("a lease of a millisecond is accepted")
	}
}
