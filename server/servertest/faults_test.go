package servertest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// answer is the outcome of a request: a response, read as far as it goes, or nothing.
type answer struct {
	status int
	header http.Header
	body   string
	// lost is whether there was no response; cut is whether it ended too early.
	lost, cut bool
}

// get sends a read once, as net/http sends a read again by itself when a connection that was used before ends.
func get(t testing.TB, s *servertest.Server, path string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.BaseURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := once.Do(req)
	if err != nil {
		return answer{lost: true}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%s: %v, want an unexpected EOF", path, err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body), cut: err != nil}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	op := compiled.Operation("listAgents")
	for _, status := range []int{401, 404, 429, 500, 503} {
		s.Inject(faults.Rule{Nth: 1, Answer: &faults.Answer{Status: status, RetryAfter: 2 * time.Second}})
		got := get(t, s, "/agents")
		if got.status != status || got.header.Get("Retry-After") != "2" || got.header.Get("Retry-After-Ms") != "" {
			t.Errorf("%d %v, want %d", got.status, got.header, status)
		}
		if slices.Contains(op.Statuses, status) {
			if err := op.CheckResponse(got.status, got.header, []byte(got.body)); err != nil {
				t.Error(err)
			}
		}
		if got = get(t, s, "/agents"); got.status != http.StatusOK {
			t.Errorf("%d after the fault", got.status)
		}
	}
	for text, want := range map[string]answer{
		"{status: 429, retry_after: 1500ms}": {status: 429},
		"{status: 502, body: html}":          {status: 502, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}},
		"{status: 200, body: broken_json}":   {status: 200, header: http.Header{"Content-Type": {"application/json"}}},
		"{status: 200, body: empty}":         {status: 200},
	} {
		s.Faults("rules: [{answer: " + text + "}]")
		got := get(t, s, "/agents")
		if got.status != want.status || want.header != nil && got.header.Get("Content-Type") != want.header.Get("Content-Type") {
			t.Errorf("%s: %d %v", text, got.status, got.header)
		}
		switch {
		case strings.Contains(text, "1500ms"):
			if got.header.Get("Retry-After-Ms") != "1500" || got.header.Get("Retry-After") != "" {
				t.Errorf("%s: %v", text, got.header)
			}
		case strings.Contains(text, "empty") != (got.body == ""), json.Valid([]byte(got.body)):
			t.Errorf("%s: body %q", text, got.body)
		}
	}
	s.Inject()
	if got := get(t, s, "/agents"); got.status != http.StatusOK {
		t.Errorf("%d without faults", got.status)
	}
}

// TestDrops tests which requests take effect although the caller gets no response.
func TestDrops(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := s.Client(client.WithMaxRetries(0))
	create := func() error {
		_, err := c.Agents.Create(t.Context(), &client.CreateAgentRequest{Name: "new", Model: "ultimate"})
		return err
	}
	for drop, effect := range map[faults.Drop]int{faults.DropBefore: 0, faults.DropAfter: 1} {
		before := agents(t, c)
		s.Inject(faults.Rule{Operations: []string{"createAgent"}, Drop: drop})
		if err := create(); err == nil {
			t.Errorf("%s: no error", drop)
		}
		if got := agents(t, c) - before; got != effect {
			t.Errorf("%s: %d new agents, want %d", drop, got, effect)
		}
		requests := s.Requests("createAgent")
		if last := requests[len(requests)-1]; last.Status != 0 || len(last.Body) == 0 {
			t.Errorf("%s: recorded %+v", drop, last)
		}
	}
}

func agents(t testing.TB, c *client.Client) (n int) {
	t.Helper()
	for _, err := range c.Agents.All(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestCutBytes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	whole := get(t, s, "/agents")
	for _, n := range []int{0, 1, 10, len(whole.body) - 1, len(whole.body), len(whole.body) + 1} {
		s.Inject(faults.Rule{Cut: &faults.Cut{Bytes: n}})
		got := get(t, s, "/agents")
		if want := whole.body[:min(n, len(whole.body))]; got.body != want || got.cut != (n < len(whole.body)) || got.status != http.StatusOK {
			t.Errorf("cut after %d: %d, %q, cut %v", n, got.status, got.body, got.cut)
		}
	}
}

func TestCutStream(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	session := newSession(t, s)
	stream := "/sessions/" + session.ID + "/events/stream"
	if status, body := call(t, s, http.MethodPost, "/sessions/"+session.ID+"/events", message("hi")); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	whole := readTurn(t, s, stream)
	events := strings.SplitAfter(whole, "\n\n")
	events = events[:len(events)-1]
	for n := range len(events) + 1 {
		s.Inject(faults.Rule{Operations: []string{"streamEvents"}, Cut: &faults.Cut{Events: n}})
		if got := get(t, s, stream); got.body != strings.Join(events[:n], "") || !got.cut {
			t.Errorf("cut after %d events: %q, cut %v", n, got.body, got.cut)
		}
	}
	for _, n := range []int{1, 100, len(whole) - 1, len(whole)} {
		s.Inject(faults.Rule{Cut: &faults.Cut{Bytes: n}})
		if got := get(t, s, stream); got.body != whole[:n] || !got.cut {
			t.Errorf("cut after %d bytes: %q, cut %v", n, got.body, got.cut)
		}
	}
	s.Inject(faults.Rule{Drop: faults.DropAfter})
	if got := get(t, s, stream); !got.lost {
		t.Errorf("dropped: %+v", got)
	}
}

// readTurn reads a stream to the end of its first turn.
func readTurn(t testing.TB, s *servertest.Server, path string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text strings.Builder
	for lines, idle := bufio.NewScanner(resp.Body), false; lines.Scan(); {
		fmt.Fprintln(&text, lines.Text())
		idle = idle || lines.Text() == "event: session.status_idle"
		if idle && lines.Text() == "" {
			return text.String()
		}
	}
	t.Fatalf("the stream ended in the middle of a turn:\n%s", text.String())
	return ""
}

func TestScript(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, answer := range []string{"first", "second"} {
		s.Script("rules: [{steps: [{say: '" + answer + ": {{text}}'}]}]")
		session := newSession(t, s)
		if status, body := call(t, s, http.MethodPost, "/sessions/"+session.ID+"/events", message("hi")); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		if got := readTurn(t, s, "/sessions/"+session.ID+"/events/stream"); !strings.Contains(got, answer+": hi") {
			t.Errorf("no %q in\n%s", answer, got)
		}
	}
}

func TestMalformedFiles(t *testing.T) {
	t.Parallel()
	for want, give := range map[string]func(s *servertest.Server){
		`servertest: script:1:8: rules must be a list, not a mapping`:            func(s *servertest.Server) { s.Script("rules: {}") },
		`servertest: faults:1:8: rules must be a list, not a mapping`:            func(s *servertest.Server) { s.Faults("rules: {}") },
		`servertest: rule 0: a rule needs a fault: latency, answer, drop or cut`: func(s *servertest.Server) { s.Inject(faults.Rule{}) },
		`servertest: script: open missing.yaml: no such file or directory`:       func(s *servertest.Server) { s.ScriptFile("missing.yaml") },
		`servertest: fault file: open missing.yaml: no such file or directory`:   func(s *servertest.Server) { s.FaultFile("missing.yaml") },
	} {
		test := &scope{TB: t}
		s := servertest.New(test)
		func() {
			defer func() { _ = recover() }()
			give(s)
		}()
		test.end()
		if len(test.failures) != 1 || test.failures[0] != want {
			t.Errorf("failures %q, want %s", test.failures, want)
		}
	}
}

// TestManyCreates tests that 300 creates leave 300 sessions although one request in three fails.
func TestManyCreates(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Faults(`
rules:
  - {operations: createSession, every: 15, cut: {bytes: 20}}
  - {operations: createSession, every: 12, drop: after}
  - {operations: createSession, every: 9, drop: before}
  - {operations: createSession, every: 6, answer: {status: 429, retry_after: 1ms}}
  - {operations: createSession, every: 3, answer: {status: 503, retry_after: 1ms}}
`)
	const creates, callers = 300, 50
	c := s.Client(client.WithMaxRetries(20))
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range creates / callers {
				if _, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{
					Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID,
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	sessions := 0
	for _, err := range c.Sessions.All(t.Context(), &client.ListSessionsParams{Limit: new(int32(100))}) {
		if err != nil {
			t.Fatal(err)
		}
		sessions++
	}
	if sessions != creates {
		t.Errorf("%d sessions, want %d", sessions, creates)
	}
}
