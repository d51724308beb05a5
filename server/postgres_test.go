package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store/pgserver"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

// replicas starts servers on one PostgreSQL database.
func replicas(t *testing.T) (first, second *harness) {
	t.Helper()
	t.Parallel()
	database := pgtest.Database(t)
	first, second = startOn(t, database), startOn(t, database)
	second.agent, second.environment = first.agent, first.environment
	return first, second
}

// TestADatabaseThatGoesAway cuts the server off from PostgreSQL, then lets it wait for results that never arrive.
func TestADatabaseThatGoesAway(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.Database(t))
	h := startOn(t, proxy.URL, func(c *server.Config) {
		c.DBMaxConns, c.DBStatementTimeout, c.DBConnectTimeout = 4, 500*time.Millisecond, 500*time.Millisecond
	})
	outside := func(path string, want int) {
		t.Helper()
		if got := h.do(request{method: "GET", path: path}); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for name, fail := range map[string]func(){"cut": proxy.Cut, "half open": proxy.Stall} {
		create := request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"title": name}), header: keyed(name)}
		before := h.sessions()
		fail()
		for range 2 { // with the token cached, and without
			got := h.do(create)
			if refusalOf(got) != (refusal{503, "overloaded_error", "", "The server cannot answer for the moment. Try again with the same idempotency key."}) ||
				got.header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %s %v", name, got.status, got.body, got.header)
			}
			h.clock.advance(time.Minute)
		}
		outside("//readyz", http.StatusServiceUnavailable)
		outside("//healthz", http.StatusOK)
		proxy.Restore()
		var got answer
		eventually(t, name+": it recovers", func() bool {
			got = h.do(create)
			return got.status != http.StatusServiceUnavailable
		})
		if got.status != http.StatusCreated {
			t.Errorf("%s, afterwards: %d %s", name, got.status, got.body)
		}
		// Ready again means that notifications are heard again, over a connection of their own.
		eventually(t, name+": it is ready", func() bool { return h.do(request{method: "GET", path: "//readyz"}).status == http.StatusOK })
		if n := h.sessions(); n != before+1 {
			t.Errorf("%s: %d sessions became %d", name, before, n)
		}
	}
}

// TestNotReadyWhileNothingCanBeWritten has a database that responds, but takes no writes: it can only read, or has no space.
func TestNotReadyWhileNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	h := startOn(t, database)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	name, writable := strings.TrimPrefix(u.Path, "/"), database+"&default_transaction_read_only=off"
	for what, tc := range map[string]struct{ begin, end string }{
		"read-only": {
			"ALTER DATABASE " + name + " SET default_transaction_read_only = on",
			"ALTER DATABASE " + name + " RESET default_transaction_read_only",
		},
		"full": {
			`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				RAISE 'No space left on device' USING ERRCODE = 'disk_full';
			END $$;
			CREATE TRIGGER full_disk BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION full_disk()`,
			"DROP TRIGGER full_disk ON sessions",
		},
	} {
		create := request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"title": what}), header: keyed(what)}
		check := func(path string, want int) {
			t.Helper()
			if got := h.do(request{method: "GET", path: path}); got.status != want {
				t.Errorf("%s: %s: %d %s", what, path, got.status, got.body)
			}
		}
		check("//readyz", 200)
		for _, statements := range []string{tc.begin, endOthers} {
			if err := pgserver.Execute(writable, statements); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if got := h.do(create); got.status != 503 {
				t.Errorf("%s: %d %s", what, got.status, got.body)
			}
			check("//readyz", 503)
			check("//healthz", 200)
			check("/sessions", 200)
		}
		if err := pgserver.Execute(writable, tc.end); err != nil {
			t.Fatal(err)
		}
		eventually(t, what+": it writes", func() bool { return h.do(create).status == 201 })
		eventually(t, what+": it is ready", func() bool { return h.do(request{method: "GET", path: "//readyz"}).status == 200 })
	}
}

// endOthers ends all other connections to the database.
const endOthers = `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`

// TestTwinsOnTwoReplicas sends the same request to both at once, many times.
func TestTwinsOnTwoReplicas(t *testing.T) {
	first, second := replicas(t)
	body := first.createBody(map[string]any{"title": "twins"})
	answers := make([]answer, 16)
	var wg sync.WaitGroup
	for i := range answers {
		h := []*harness{first, second}[i%2]
		wg.Go(func() {
			answers[i] = h.do(request{method: "POST", path: "/sessions", body: body, header: keyed("twins")})
		})
	}
	wg.Wait()
	for _, got := range answers {
		if got.status != 201 || !bytes.Equal(got.body, answers[0].body) {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if n := first.sessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// TestARevokedTokenIsRefusedByEveryReplica revokes at one replica a token that the other has just accepted and cached.
func TestARevokedTokenIsRefusedByEveryReplica(t *testing.T) {
	first, second := replicas(t)
	read := request{method: "GET", path: "/sessions"}
	if got := second.do(read); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	tokens, err := first.db.ListTokens(t.Context(), "alice")
	if err != nil || len(tokens) != 1 {
		t.Fatal(tokens, err)
	}
	if _, err := first.db.RevokeToken(t.Context(), tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	second.clock.advance(time.Second)
	if got := second.do(read); got.status != 401 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestAStreamBehindATransactionPooler reads a stream from a replica that no notification reaches, since a pooler drops
// them, while another one is sent the messages: it delivers every event once, in order, and ends with its token.
func TestAStreamBehindATransactionPooler(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	direct := startOn(t, database) // it migrates, which the pooler prevents
	// Statements cannot be prepared behind such a pooler, and all connections need the same settings, since none has a
	// backend of its own.
	const params = "&default_query_exec_mode=exec&statement_timeout=0&idle_in_transaction_session_timeout=0"
	pooled := startOn(t, pgtest.NewPooler(t, database, "transaction")+params, func(c *server.Config) { c.Heartbeat = time.Hour })
	pooled.agent, pooled.environment = direct.agent, direct.environment
	path := pooled.session()
	stream := pooled.stream(path, "", nil)
	defer time.AfterFunc(time.Minute, stream.close).Stop()
	var got []frame
	for _, text := range []string{"one", "two"} {
		direct.say(path, text)
		got = append(got, stream.until("session.status_idle")...)
	}
	if diff := cmp.Diff(events(direct.events(path)), events(got)); diff != "" {
		t.Error(diff)
	}
	tokens, err := direct.db.ListTokens(t.Context(), "alice")
	if err != nil || len(tokens) != 1 {
		t.Fatal(tokens, err)
	}
	if _, err := direct.db.RevokeToken(t.Context(), tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	if f, more := stream.next(); more {
		t.Errorf("%s after its token was revoked", f.Event)
	}
}

// TestStreamsOfTwoReplicas counts an account's streams at one replica at the other one too, until the first one stops.
func TestStreamsOfTwoReplicas(t *testing.T) {
	t.Parallel()
	config := server.Config{DB: pgtest.Database(t), Demo: true, DemoToken: "pt-demo", MaxStreams: 2}
	first, stop, ended := running(t, config)
	second, _, _ := running(t, config)
	path := "/v1/sessions/" + demoSession(t, first) + "/events/stream"
	open := func(url string) (status int, body io.Closer) {
		res, err := demoRequest(t, http.MethodGet, url+path, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res.StatusCode, res.Body
	}
	answers := func(url string, want int) {
		t.Helper()
		eventually(t, fmt.Sprint("an answer ", want), func() bool {
			status, body := open(url)
			_ = body.Close()
			return status == want
		})
	}
	for range config.MaxStreams {
		if status, _ := open(first); status != 200 {
			t.Fatal(status)
		}
	}
	answers(second, 429)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	answers(second, 200)
}

// TestTurnsOnTwoReplicas starts a turn on one replica, streams it from the other, and stops one from the other.
func TestTurnsOnTwoReplicas(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	runner := newWaiting()
	here := startOn(t, database, withRunner(runner))
	there := startOn(t, database, withRunner(runner))
	path := here.session()
	live := there.stream(path, "?event_deltas[]=agent.message", nil)
	here.say(path, "Hi")
	begun := live.until("event_delta")
	<-runner.started
	runner.goOn <- struct{}{}
	want := []string{
		"session.status_running", `user.message "Hi"`, "span.model_request_start", "event_start", "event_delta",
		`agent.message "Hold on."`, "span.model_request_end", "session.status_idle end_turn",
	}
	if diff := cmp.Diff(want, events(append(begun, live.until("session.status_idle")...))); diff != "" {
		t.Error(diff)
	}
	for range 6 { // either replica may run it, and either is asked to stop it
		here.say(path, "Hi again")
		<-runner.started
		expect(t, there.post(path+"/cancel", ""), 202, nil)
		if got := here.settled(path); got != "cancelled" {
			t.Fatal(got)
		}
		if frames := events(live.until("session.status_idle")); frames[len(frames)-1] != "session.status_idle cancelled" {
			t.Fatal(frames)
		}
	}
}

// TestATurnOutlivesItsReplicasDatabase cuts the replica that runs a turn off from PostgreSQL, or slows everything down.
// Meanwhile its streams send heartbeats. The turn ends once, on that replica or on the other, and a reader of either sees
// every event once.
func TestATurnOutlivesItsReplicasDatabase(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*pgtest.Proxy){
		"cut":       (*pgtest.Proxy).Cut,
		"half open": (*pgtest.Proxy).Stall,
		"2 s later": func(p *pgtest.Proxy) { p.Delay(2 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := pgtest.Database(t)
			proxy := pgtest.NewProxy(t, database)
			nearRunner, farRunner := newWaiting(), newWaiting()
			near := startOn(t, proxy.URL, withRunner(nearRunner), func(c *server.Config) { c.Heartbeat = 50 * time.Millisecond })
			path := near.session()
			readers := []*stream{near.stream(path, "?event_deltas[]=agent.message", nil)}
			near.say(path, "Hi")
			<-nearRunner.started
			far := startOn(t, database, withRunner(farRunner))
			readers = append(readers, far.stream(path, "", nil))
			read := [][]frame{readers[0].until("event_delta"), readers[1].until("span.model_request_start")}

			fail(proxy)
			readers[0].beat(3)
			if got := near.do(request{method: "GET", path: "//readyz"}); got.status != 503 {
				t.Errorf("/readyz: %d %s", got.status, got.body)
			}
			for range 3 { // the replica that takes the turn over, and again
				nearRunner.goOn <- struct{}{}
				farRunner.goOn <- struct{}{}
			}
			if name == "cut" { // else PostgreSQL does not know that the replica is gone
				read[1] = append(read[1], readers[1].until("session.status_idle")...)
			}
			proxy.Restore()
			for i, r := range readers {
				if last := read[i][len(read[i])-1]; last.Event != "session.status_idle" {
					read[i] = append(read[i], r.until("session.status_idle")...)
				}
			}
			want := ids(far.events(path))
			for i := range readers {
				if diff := cmp.Diff(want, ids(read[i])); diff != "" {
					t.Errorf("reader %d: %s: %s", i, events(read[i]), diff)
				}
			}
			eventually(t, "/readyz is green", func() bool { return near.do(request{method: "GET", path: "//readyz"}).status == 200 })
			if got := near.settled(path); got != "idle" {
				t.Error(got)
			}
			kinds := events(far.events(path))
			handedOver := slices.Contains(kinds, "session.status_rescheduled")
			if name == "cut" && !handedOver || kinds[len(kinds)-1] != "session.status_idle end_turn" {
				t.Errorf("%s", kinds)
			}
		})
	}
}

// ids are those of the frames that are stored.
func ids(frames []frame) (all []string) {
	for _, f := range frames {
		if f.ID != "" {
			all = append(all, f.ID)
		}
	}
	return all
}
