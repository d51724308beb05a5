package server_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlitetest"
	"github.com/cloud-sessions/sessions/server/turn"
)

// TestUsageNeverMakesASessionUnreadable reports the most tokens that the contract allows, and more, twice: each turn ends,
// and every operation on the session works.
func TestUsageNeverMakesASessionUnreadable(t *testing.T) {
	for _, tokens := range []int64{9007199254740991, 9007199254740992, math.MaxInt64, -1} {
		t.Run(fmt.Sprint(tokens), func(t *testing.T) {
			h := start(t, withRunner(answering(func(_ context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
				out.Spend(turn.Usage{
					InputTokens: tokens, OutputTokens: tokens, CacheReadInputTokens: tokens,
					CacheCreation5m: tokens, CacheCreation1h: tokens, CreditCents: tokens,
				})
				return turn.EndTurn, nil
			})))
			path := h.session()
			for range 2 {
				h.say(path, "Hi")
				if status := h.settled(path); status != "idle" {
					t.Error(status)
				}
			}
			want := float64(min(max(tokens, 0), 9007199254740991))
			expect(t, h.get(path), 200, map[string]any{"usage.input_tokens": want, "usage.total_credits": min(want, 1e9)})
			expect(t, h.get("/sessions"), 200, nil)
			expect(t, h.post(path, `{"title":"t"}`), 200, nil)
			if got := events(h.events(path)); strings.Contains(fmt.Sprint(got), "session.error") {
				t.Errorf("%d: %v", tokens, got)
			}
			expect(t, h.post(path+"/archive", ""), 200, nil)
			expect(t, h.do(request{method: "DELETE", path: path}), 200, nil)
		})
	}
}

// TestOneAccountDoesNotStarveAnother fills the workers with turns of one account that take long, and more of them: another
// account's message is replied to at once, and both are served from then on.
func TestOneAccountDoesNotStarveAnother(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]func(t *testing.T) string{
		"SQLite": func(t *testing.T) string { return sqlitetest.Database(t) }, "PostgreSQL": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := make(chan struct{})
			h := startOn(t, dsn(t), func(c *server.Config) { c.Workers = 4 }, withRunner(answering(func(ctx context.Context, in turn.Input, _ turn.Sink) (turn.Outcome, error) {
				if in.Message() == "slow" {
					select {
					case <-slow:
					case <-ctx.Done():
						return "", ctx.Err()
					}
				}
				return turn.EndTurn, nil
			})))
			var paths []string
			for range 12 {
				paths = append(paths, h.session())
				h.say(paths[len(paths)-1], "slow")
			}
			bob := func(method, path, body string) answer {
				return h.do(request{method: method, path: path, body: body, token: bobToken})
			}
			id := func(got answer) string {
				t.Helper()
				if got.status != 201 {
					t.Fatalf("%d %s", got.status, got.body)
				}
				return got.field("id").(string)
			}
			agent := id(bob("POST", "/agents", `{"name":"a","model":"ultimate"}`))
			environment := id(bob("POST", "/environments", `{"name":"e","config":{"type":"cloud"}}`))
			path := "/sessions/" + id(bob("POST", "/sessions", fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, agent, environment)))
			for range 5 {
				began := time.Now()
				expect(t, bob("POST", path+"/events", `{"events":[{"type":"user.message","content":"quick"}]}`), 200, nil)
				eventually(t, "the quick turn ends", func() bool { return bob("GET", path, "").field("status") == "idle" })
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s", took)
				}
			}
			close(slow)
			for _, path := range paths {
				h.settled(path)
			}
		})
	}
}

// TestMaxTurnsIsExact sends many messages to many sessions at once, on each database and at two replicas: as many are
// accepted as an account may have turns.
func TestMaxTurnsIsExact(t *testing.T) {
	t.Parallel()
	const most, messages = 5, 40
	few := func(c *server.Config) { c.MaxTurns, c.Runner = most, newWaiting() }
	for name, open := range map[string]func(t *testing.T) []*harness{
		"SQLite": func(t *testing.T) []*harness {
			return []*harness{startOn(t, sqlitetest.Database(t), few)}
		},
		"PostgreSQL": func(t *testing.T) []*harness {
			database := pgtest.Database(t)
			first, second := startOn(t, database, few), startOn(t, database, few)
			return []*harness{first, second}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := open(t)
			paths := make([]string, messages)
			for i := range paths {
				paths[i] = servers[0].session()
			}
			var all sync.WaitGroup
			answers := make([]answer, messages)
			for i, path := range paths {
				all.Go(func() {
					answers[i] = servers[i%len(servers)].post(path+"/events", `{"events":[{"type":"user.message","content":"Hi"}]}`)
				})
			}
			all.Wait()
			count := map[int]int{}
			for _, got := range answers {
				count[got.status]++
			}
			if diff := cmp.Diff(map[int]int{200: most, 429: messages - most}, count); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestQueuedTurnsSurviveARestart stops a server on SQLite, as a kill does, while one turn runs and others wait: after the
// start those that had not begun are run, the other one ends with an error.
func TestQueuedTurnsSurviveARestart(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "sessions.db")
	runner := newWaiting()
	h := startOn(t, dsn, withRunner(runner), func(c *server.Config) { c.Workers = 1 })
	paths := []string{h.session()}
	h.say(paths[0], "Hi")
	<-runner.started
	for range 20 {
		paths = append(paths, h.session())
		h.say(paths[len(paths)-1], "Hi")
	}
	h.stop()

	h = startOn(t, dsn)
	for i, path := range paths {
		if status := h.settled(path); status != "idle" {
			t.Error(status)
		}
		got := events(h.events(path))
		if failed := strings.Contains(fmt.Sprint(got), "session.error"); failed != (i == 0) {
			t.Errorf("turn %d: %q", i, got)
		}
		if replied := strings.Contains(fmt.Sprint(got), "agent.message"); replied != (i > 0) {
			t.Errorf("turn %d: %q", i, got)
		}
	}
	if log := h.log.String(); strings.Count(log, "level=ERROR") != 1 {
		t.Errorf("log: %s", log)
	}
}
