package server_test

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

// metric returns the value of a metric, with its labels as they are printed; 0 for one that does not exist.
func (h *harness) metric(name string) float64 {
	h.t.Helper()
	for line := range strings.Lines(string(h.plainly("GET", "/metrics", "", "identity").body)) {
		if value, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), name+" "); found {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				h.t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// TestMetrics does something of each kind, and reads what was counted.
func TestMetrics(t *testing.T) {
	for name, dsn := range map[string]func(*testing.T) string{
		"SQLite": func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/x.db" }, "PostgreSQL": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startOn(t, dsn(t), func(c *server.Config) { c.Workers = 7 })
			session := h.session()
			message := `{"events":[{"type":"user.message","content":"one two"}]}`
			for range 2 {
				h.plainly("POST", "/v1"+session+"/events", message, "identity", "Idempotency-Key", "a")
			}
			eventually(t, "the turn is counted", func() bool { return h.metric(`sessions_turns_total{reason="end_turn",runner="echo"}`) == 1 })
			for metric, least := range map[string]float64{
				`sessions_turn_duration_seconds_count{runner="echo"}`:                             1,
				`sessions_turn_first_piece_seconds_count{runner="echo"}`:                          1,
				`sessions_tokens_total{kind="output",runner="echo"}`:                              1,
				"sessions_idempotent_replays_total":                                               1,
				"sessions_database_batch_transactions_count":                                      3,
				"sessions_database_commit_duration_seconds_count":                                 3,
				"sessions_turn_workers":                                                           7,
				"sessions_database_connections_limit":                                             2,
				"sessions_bytes_in_flight_limit":                                                  1 << 20,
				"go_goroutines":                                                                   1,
				"process_open_fds":                                                                1,
				`sessions_request_duration_seconds_count{operation="createSession",status="201"}`: 1,
			} {
				if got := h.metric(metric); got < least {
					t.Errorf("%s is %g", metric, got)
				}
			}
			text := h.plainly("GET", "/metrics", "", "identity").body
			for _, want := range []string{
				"sessions_build_info{", `sessions_queue_waiting{queue="turns"} 0`, `sessions_queue_oldest_seconds{queue="work"} 0`, `sessions_database_connections{state="idle"}`,
			} {
				if !bytes.Contains(text, []byte(want)) {
					t.Errorf("%s is missing", want)
				}
			}
			problems, err := promlint.New(bytes.NewReader(text)).Lint()
			if err != nil || len(problems) > 0 {
				t.Errorf("%v, %v", problems, err)
			}
			boundedLabels(t, string(text))
		})
	}
}

// boundedLabels fails the test for a label that this list does not have: its values have to be few.
func boundedLabels(t *testing.T, text string) {
	t.Helper()
	known := []string{"code", "commit", "fault", "go_version", "kind", "le", "operation", "quantile", "queue", "reason", "rule", "runner", "state", "status", "version"}
	for _, label := range regexp.MustCompile(`[{,](\w+)="`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(known, label[1]) {
			t.Errorf("label %s", label[1])
		}
	}
	if strings.Contains(text, "acme") || strings.Contains(text, "sess_") || strings.Contains(text, "alice") {
		t.Error("a label names an account or a session")
	}
}

// TestQueuedTurnsAreCounted keeps the only worker busy.
func TestQueuedTurnsAreCounted(t *testing.T) {
	for name, dsn := range map[string]func(*testing.T) string{
		"SQLite": func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/x.db" }, "PostgreSQL": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runner := newWaiting()
			h := startOn(t, dsn(t), withRunner(runner), func(c *server.Config) { c.Workers = 1 })
			for range 3 {
				h.say(h.session(), "Hi")
			}
			eventually(t, "two wait", func() bool {
				return h.metric(`sessions_queue_waiting{queue="turns"}`) == 2 && h.metric(`sessions_queue_oldest_seconds{queue="turns"}`) > 0
			})
			close(runner.goOn)
			eventually(t, "none waits", func() bool {
				return h.metric(`sessions_queue_waiting{queue="turns"}`) == 0 && h.metric(`sessions_turns_total{reason="end_turn",runner="custom"}`) == 3
			})
		})
	}
}
