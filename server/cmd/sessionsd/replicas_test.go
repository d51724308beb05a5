package main

import (
	"context"
	"iter"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/client"
)

// TestReplicasMigrateOnce starts four at once on an empty database.
func TestReplicasMigrateOnce(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 4)
	conn, err := pgx.Connect(t.Context(), c.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for what, query := range map[string]string{
		"of the schema":      `SELECT count(*), count(DISTINCT version_id) FROM goose_db_version`,
		"(the demo's agent)": `SELECT count(*), 1 FROM agents`,
	} {
		var rows, different int
		if err := conn.QueryRow(t.Context(), query).Scan(&rows, &different); err != nil || rows != different || rows == 0 {
			t.Errorf("%d rows for %d steps %s, %v", rows, different, what, err)
		}
	}
	for i := range c.replicas {
		if _, err := c.at(i).Sessions.Create(t.Context(), newSession()); err != nil {
			t.Error(err)
		}
	}
}

// TestReplicasShareSessions creates a session at one replica, streams its turn, while it runs, from all of them, and
// cancels it at each, whichever runs it.
func TestReplicasShareSessions(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, "--echo-delay", "20ms")
	session, err := c.at(0).Sessions.Create(t.Context(), newSession())
	if err != nil {
		t.Fatal(err)
	}
	var readers []func(until client.EventType) []string
	for i := range c.replicas {
		next, stop := iter.Pull2(c.at(i).Sessions.Events.Stream(t.Context(), session.ID, &client.StreamParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}))
		defer stop()
		readers = append(readers, func(until client.EventType) (ids []string) {
			for {
				event, err, _ := next()
				if err != nil {
					t.Fatal(err)
				}
				if event.ID != "" {
					ids = append(ids, event.ID)
				}
				if v, ok := event.Value.(client.SessionStatusIdleEvent); ok && v.StopReason.Type != "cancelled" {
					t.Fatalf("replica %d: the turn ended with %s", i, v.StopReason.Type)
				}
				if event.Type == until {
					return ids
				}
			}
		})
	}
	for i := range c.replicas {
		if _, err := c.at(i).Sessions.Events.SendMessage(t.Context(), session.ID, strings.Repeat("word ", 10_000)); err != nil {
			t.Fatal(err)
		}
		var seen [3][]string
		for r, read := range readers {
			seen[r] = read(client.EventTypeDelta)
		}
		if _, err := c.at((i+1)%3).Sessions.Cancel(t.Context(), session.ID); err != nil {
			t.Fatal(err)
		}
		for r, read := range readers {
			seen[r] = append(seen[r], read("session.status_idle")...)
			if diff := cmp.Diff(seen[0], seen[r]); diff != "" {
				t.Errorf("replica %d: %s", r, diff)
			}
		}
	}
}

// TestARevokedTokenIsRefusedEverywhere revokes, from a process of its own, a token that all replicas have accepted: they
// refuse every request that is sent two seconds later.
func TestARevokedTokenIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	run := func(args ...string) string {
		t.Helper()
		out, err := program(t, []string{"SESSIONSD_DB=" + c.database}, append([]string{"token"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	token := strings.TrimSpace(run("create", "--account", "acme"))
	for _, replica := range c.replicas {
		if got := status(t, replica.baseURL+"/v1/sessions", token); got != 200 {
			t.Fatalf("before: %d", got)
		}
	}
	list := strings.Fields(run("list", "--account", "acme"))
	id := slices.IndexFunc(list, func(field string) bool { return strings.HasPrefix(field, "tok_") })
	if id < 0 {
		t.Fatal(list)
	}
	run("revoke", list[id])
	for revoked := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		late, accepted := time.Since(revoked) > 2*time.Second, 0
		for _, replica := range c.replicas {
			if got := status(t, replica.baseURL+"/v1/sessions", token); got != 401 {
				accepted++
			}
		}
		if late && accepted > 0 {
			t.Errorf("%d replicas let it in", accepted)
		}
		if late || accepted == 0 {
			return
		}
	}
}

// clusterTime is the variable that says for how long TestKilledReplicas and the tests like it run.
const clusterTime = "SESSIONSD_CLUSTER_TIME"

// clusterLasts is the value of clusterTime; 0 for none.
func clusterLasts(t *testing.T) (lasts time.Duration) {
	t.Helper()
	if text := os.Getenv(clusterTime); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	return lasts
}

// TestKilledReplicas kills each of three replicas in the middle of turns, again and again, while callers continue. By
// default each is killed once; `make test-cluster-long` takes a minute.
func TestKilledReplicas(t *testing.T) {
	t.Parallel()
	lasts := clusterLasts(t)
	c := startCluster(t, 3, "--echo-delay", "30ms")
	cl := c.everywhere()
	l := c.load(6, cl)
	killed := 0
	for end := time.Now().Add(lasts); killed < len(c.replicas) || time.Now().Before(end); killed++ {
		i := killed % len(c.replicas)
		c.wait("the replica runs a turn", func() bool { return t.Failed() || c.works(i) })
		if t.Failed() {
			break
		}
		_ = c.replicas[i].Process.Kill()
		_ = c.replicas[i].Wait()
		before := l.finished()
		c.restart(i)
		// So that one turn is not killed everywhere, every caller finishes one first.
		c.wait("the callers finish turns", func() bool { return t.Failed() || l.finished() >= before+l.size })
	}
	turns, handedOver := l.check(cl)
	t.Logf("%d replicas were killed; %d turns in %d sessions, %d of which were handed over", killed, turns, len(l.turns), handedOver)
	if handedOver == 0 {
		t.Error("no turn was under way at any kill: this test means nothing")
	}
}

// TestRollingRestart restarts each of two replicas, behind a balancer that heeds /readyz, while callers call without
// retries.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2, "--echo-delay", "20ms", "--drain-delay", "1500ms")
	c.balancer.heed = true
	cl := c.everywhere(client.WithMaxRetries(0))
	l := c.load(3, cl)
	for i, replica := range c.replicas {
		c.wait("the replica runs a turn", func() bool { return t.Failed() || c.works(i) })
		_ = replica.Process.Signal(syscall.SIGTERM)
		c.wait("/readyz turns red", func() bool { return status(t, replica.baseURL+"/readyz", "") == 503 })
		if _, err := c.at(i).Sessions.Get(t.Context(), first(l)); err != nil {
			t.Errorf("with /readyz red: %v", err)
		}
		replica.stopped(t)
		c.restart(i)
	}
	turns, handedOver := l.check(cl)
	t.Logf("%d turns in %d sessions, %d of which were handed over", turns, len(l.turns), handedOver)
}

// first is any session that a load has made.
func first(l *load) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.turns {
		return id
	}
	return ""
}
