package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store"
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
	h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("k")},
		conflict("Idempotency key reused with a different request body.", "Idempotency-Key"))
	for _, other := range []request{
		{method: "POST", path: "/agents", body: `{"name":"a","model":"m"}`, header: keyed("k")},
		{method: "POST", path: "/environments", body: `{"name":"a","config":{"type":"cloud"}}`, header: keyed("k")},
		{method: "POST", path: "/sessions/" + first.field("id").(string) + "/archive", header: keyed("k")},
		{method: "DELETE", path: "/sessions/" + first.field("id").(string), header: keyed("k")},
	} {
		h.expectRefusal(t, other, conflict("Idempotency key reused with another method or path; it was first used for POST /sessions.", "Idempotency-Key"))
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

// A refusal had no effect: it is not recorded, and its key may come with another body.
func TestARefusedRequestIsJudgedAnew(t *testing.T) {
	h := start(t)
	missing := h.createBody(map[string]any{"agent": "agent_later"})
	for range 2 {
		got := h.do(request{method: "POST", path: "/sessions", body: missing, header: keyed("k")})
		if got.status != 404 || got.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%d %v", got.status, got.header)
		}
	}
	first := h.do(request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("k")})
	again := h.do(request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("k")})
	if first.status != 201 || first.header.Get("Idempotent-Replayed") != "" || !bytes.Equal(first.body, again.body) {
		t.Errorf("%d %v, then %s", first.status, first.header, again.body)
	}
	h.expectRefusal(t, request{method: "POST", path: "/sessions", body: missing, header: keyed("k")},
		conflict("Idempotency key reused with a different request body.", "Idempotency-Key"))
	elsewhere := request{method: "POST", path: "/agents/agent_x/archive", header: keyed("other")}
	if got := h.do(elsewhere); got.status != 404 {
		t.Fatal(got.status)
	}
	if got := h.do(request{method: "POST", path: "/sessions", body: h.createBody(nil), header: keyed("other")}); got.status != 201 {
		t.Errorf("a refused key at another path: %d %s", got.status, got.body)
	}
}

// A request that was refused because of load or state succeeds with its key once it can.
func TestARefusalOfTheMomentIsNotRemembered(t *testing.T) {
	runner := newWaiting()
	h := start(t, withRunner(runner), func(c *server.Config) { c.MaxTurns = 1 })
	busy, other := h.session(), h.session()
	message := `{"events":[{"type":"user.message","content":"Hi"}]}`
	h.say(busy, "Hi")
	<-runner.started
	refused := map[int][]request{
		429: {{method: "POST", path: other + "/events", body: message, header: keyed("k429")}},
		409: {
			{method: "POST", path: busy + "/events", body: message, header: keyed("k409")},
			{method: "POST", path: busy + "/archive", header: keyed("archive")},
			{method: "DELETE", path: busy, header: keyed("delete")},
		},
	}
	for status, requests := range refused {
		for _, r := range requests {
			if got := h.do(r); got.status != status {
				t.Errorf("%s %s: %d %s, want %d", r.method, r.path, got.status, got.body, status)
			}
		}
	}
	runner.goOn <- struct{}{}
	h.settled(busy)
	for _, r := range append(refused[429], refused[409]...) {
		got := h.do(r)
		again := h.do(r)
		if got.status != 200 || got.header.Get("Idempotent-Replayed") != "" || again.status != 200 || !bytes.Equal(got.body, again.body) ||
			again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s %s: %d %s, then %d %s", r.method, r.path, got.status, got.body, again.status, again.body)
		}
		if strings.HasSuffix(r.path, "/events") {
			<-runner.started
			runner.goOn <- struct{}{}
			h.settled(strings.TrimSuffix(r.path, "/events"))
		}
	}
}

// Each twin of a request that is refused is judged by itself.
func TestRefusedTwinsAreJudgedByThemselves(t *testing.T) {
	h := start(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			got := h.do(request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"agent": "agent_x"}), header: keyed("k")})
			if got.status != 404 || got.header.Get("Idempotent-Replayed") != "" {
				t.Errorf("%d %v %s", got.status, got.header, got.body)
			}
		})
	}
	wg.Wait()
}

// recorded returns what is recorded for a key of alice's.
func (h *harness) recorded(key string) *store.RecordedKey {
	h.t.Helper()
	recorded, err := h.db.ClaimKey(h.t.Context(), store.Key{Account: "alice", Value: key})
	if err != nil || recorded == nil {
		h.t.Fatalf("%s: %+v, %v", key, recorded, err)
	}
	return recorded
}

// agentOf100KB is the body of an agent of some 100 kB.
func agentOf100KB() string {
	return `{"name":"large","model":"ultimate","system":"` + strings.Repeat("<x&y> ", 2000) + `","tools":[{"type":"custom","name":"t","description":"d",` +
		`"input_schema":{"type":"object","description":"` + strings.Repeat("long ", 20_000) + `"}}]}`
}

// A large response is not kept with its key. Its repeat is the same as long as what it shows is.
func TestALargeResponseIsRebuilt(t *testing.T) {
	h := start(t)
	agent := h.do(request{method: "POST", path: "/agents", body: agentOf100KB(), header: keyed("agent")})
	if agent.status != 201 || len(agent.body) < 64<<10 {
		t.Fatalf("%d, %d bytes", agent.status, len(agent.body))
	}
	create := request{method: "POST", path: "/sessions", header: keyed("session"), body: h.createBody(map[string]any{"agent": agent.field("id")})}
	session := h.do(create)
	path := "/sessions/" + session.field("id").(string)
	send := request{method: "POST", path: path + "/events", header: keyed("events"),
		body: `{"events":[{"type":"user.message","content":"` + strings.Repeat("<&> ", 30_000) + `"}]}`}
	events := h.do(send)
	h.settled(path)
	for name, test := range map[string]struct {
		r     request
		first answer
	}{
		"agent":  {request{method: "POST", path: "/agents", body: agentOf100KB(), header: keyed("agent")}, agent},
		"events": {send, events},
	} {
		if recorded := h.recorded(name); len(recorded.Response.Body) != 0 || len(recorded.Response.Reference) > 1000 {
			t.Errorf("%s: %d bytes are kept, and %s", name, len(recorded.Response.Body), recorded.Response.Reference)
		}
		got := h.do(test.r)
		if got.status != test.first.status || !bytes.Equal(got.body, test.first.body) || got.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: %d %v, %d bytes instead of %d", name, got.status, got.header, len(got.body), len(test.first.body))
		}
	}
	bytes, err := h.db.KeyBytes(t.Context(), "alice")
	if err != nil || bytes > 10_000 {
		t.Errorf("three keys occupy %d bytes, %v", bytes, err)
	}
	again := h.do(create) // the turn has changed the session
	if again.status != 201 || string(again.body) != string(h.get(path).body) || again.field("id") != session.field("id") {
		t.Errorf("%d %.200s", again.status, again.body)
	}
	expect(t, h.post("/agents/"+agent.field("id").(string)+"/archive", ""), 200, nil)
	got := h.do(request{method: "POST", path: "/agents", body: agentOf100KB(), header: keyed("agent")})
	if got.status != 201 || got.field("archived_at") == nil || got.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("after a change: %d %.200s", got.status, got.body)
	}
}

// Nothing of a secret is kept with a key: neither in the response nor in a hash that a guess can be compared with.
func TestAKeyKeepsNoSecrets(t *testing.T) {
	h := start(t)
	create := request{method: "POST", path: "/sessions", header: keyed("k"), body: h.createBody(map[string]any{
		"environment_variables": map[string]string{"TOKEN": "hunter2"}})}
	created := h.do(create)
	recorded := h.recorded("k")
	if created.status != 201 || len(recorded.Response.Body) > 0 || strings.Contains(fmt.Sprintf("%+v", recorded), "hunter2") {
		t.Errorf("%d, recorded %+v", created.status, recorded)
	}
	if recorded.Fingerprint == plainFingerprint("/sessions", create.body) {
		t.Error("the fingerprint is a hash without a key")
	}
	if again := h.do(create); again.status != 201 || !bytes.Equal(again.body, created.body) {
		t.Errorf("%d %s", again.status, again.body)
	}
}

// plainFingerprint is the fingerprint of a POST as it was before fingerprints had a key and a version.
func plainFingerprint(path, body string) string {
	sum, digest := sha256.New(), contract.Digest([]byte(body))
	fmt.Fprintf(sum, "POST %s %q\n%s", path, []string{}, digest[:])
	return hex.EncodeToString(sum.Sum(nil))
}

// What was recorded before fingerprints had a version is replayed.
func TestAKeyOfAnEarlierVersionIsReplayed(t *testing.T) {
	h := start(t)
	body := `{"name":"a","model":"m"}`
	old := h.post("/agents", body)
	key := store.Key{Account: "alice", Value: "old", Fingerprint: plainFingerprint("/agents", body)}
	err := h.db.Atomically(t.Context(), func(ctx context.Context) error {
		if _, err := h.db.ClaimKey(ctx, key); err != nil {
			return err
		}
		return h.db.RecordResponse(ctx, key, store.RecordedResponse{Status: 201, ContentType: "application/json", Body: old.body})
	})
	if err != nil {
		t.Fatal(err)
	}
	got := h.do(request{method: "POST", path: "/agents", body: body, header: keyed("old")})
	if got.status != 201 || !bytes.Equal(got.body, old.body) {
		t.Errorf("%d %s", got.status, got.body)
	}
	h.expectRefusal(t, request{method: "POST", path: "/agents", body: `{"name":"b","model":"m"}`, header: keyed("old")},
		conflict("Idempotency key reused with a different request body.", "Idempotency-Key"))
}

// With a session go the responses that show it. Its keys stay used.
func TestResponsesAreErasedWithTheirSession(t *testing.T) {
	h := start(t)
	create := request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"title": "secret"}), header: keyed("create")}
	path := "/sessions/" + h.do(create).field("id").(string)
	send := request{method: "POST", path: path + "/events", header: keyed("send"), body: `{"events":[{"type":"user.message","content":"secret"}]}`}
	update := request{method: "POST", path: path, header: keyed("update"), body: `{"title":"secret"}`}
	remove := request{method: "DELETE", path: path, header: keyed("remove")}
	for _, r := range []request{send, update, remove} {
		h.settled(path)
		if got := h.do(r); got.status != 200 {
			t.Fatalf("%s %s: %d %s", r.method, r.path, got.status, got.body)
		}
	}
	for _, r := range []request{create, send, update} {
		h.expectRefusal(t, r, conflict("The request with this idempotency key succeeded; what it returned has been deleted since.", "Idempotency-Key"))
		if recorded := h.recorded(r.header["Idempotency-Key"]); len(recorded.Response.Body)+len(recorded.Response.Reference) > 0 || !recorded.Erased {
			t.Errorf("%s: still there: %+v", r.path, recorded)
		}
	}
	if got := h.do(remove); got.status != 200 || got.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the deletion again: %d %s", got.status, got.body)
	}
}

// The keys of an account are bounded in bytes; those of others, repeats and requests without a key are not affected.
func TestKeysAreBoundedInBytes(t *testing.T) {
	h := start(t, func(c *server.Config) { c.MaxKeyBytes = 32 << 10 })
	create := func(key string) request {
		return request{method: "POST", path: "/environments", body: `{"name":"e","config":{"type":"cloud"}}`, header: keyed(key)}
	}
	accepted := 0
	for ; accepted < 1000; accepted++ {
		if got := h.do(create(fmt.Sprint("k", accepted))); got.status != 201 {
			if want := "occupy 32768 bytes"; got.status != 429 || !strings.Contains(string(got.body), want) || got.header.Get("Retry-After") == "" {
				t.Errorf("%d %s %v", got.status, got.body, got.header)
			}
			break
		}
	}
	occupied, err := h.db.KeyBytes(t.Context(), "alice")
	if err != nil || accepted < 10 || occupied < 16<<10 || occupied > 36<<10 {
		t.Errorf("%d keys, %d bytes, %v", accepted, occupied, err)
	}
	if got := h.do(create("k0")); got.status != 201 || got.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("a repeat: %d %s", got.status, got.body)
	}
	unkeyed, bobs := create(""), create("k0")
	unkeyed.header, bobs.token = nil, bobToken
	for _, r := range []request{unkeyed, bobs} {
		if got := h.do(r); got.status != 201 || got.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	h.clock.advance(24 * time.Hour)
	if _, err := h.db.SweepKeys(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // until the account is counted again
	if got := h.do(create("new")); got.status != 201 {
		t.Errorf("after a day: %d %s", got.status, got.body)
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
		if got := h.do(request{method: "POST", path: "/environments", body: `{"name":"e","config":{"type":"cloud"}}`, header: keyed(fmt.Sprint("k", i))}); got.status != 201 {
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
