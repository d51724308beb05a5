package servertest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scope is a test within a test: it records what it is told, and ends on demand.
type scope struct {
	testing.TB
	cleanups []func()
	failures []string
}

func (s *scope) Cleanup(f func())          { s.cleanups = append(s.cleanups, f) }
func (s *scope) Errorf(f string, a ...any) { s.failures = append(s.failures, fmt.Sprintf(f, a...)) }
func (s *scope) Fatalf(f string, a ...any) { s.Errorf(f, a...); panic(s) }
func (s *scope) Output() io.Writer         { return io.Discard }
func (s *scope) Context() context.Context  { return context.Background() }
func (s *scope) Helper()                   {}

func (s *scope) TempDir() string {
	dir, err := os.MkdirTemp("", "servertest")
	if err != nil {
		s.Fatalf("%v", err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (s *scope) end() {
	for len(s.cleanups) > 0 {
		last := s.cleanups[len(s.cleanups)-1]
		s.cleanups = s.cleanups[:len(s.cleanups)-1]
		last()
	}
}

func newSession(t testing.TB, s *servertest.Server) *client.Session {
	t.Helper()
	session, err := s.Client().Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID,
	})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// call sends a request as the account and returns the response's status and body.
func call(t testing.TB, s *servertest.Server, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.BaseURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(got)
}

func TestNew(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	session := newSession(t, s)
	if session.Agent.ID != s.AgentID || session.EnvironmentID != s.EnvironmentID {
		t.Errorf("session of %s in %s", session.Agent.ID, session.EnvironmentID)
	}
	other := servertest.New(t)
	if _, err := other.Client().Sessions.Get(t.Context(), session.ID); err == nil {
		t.Error("another server has the session")
	}
	if other.Token == s.Token || other.URL == s.URL {
		t.Error("another server has the same token or address")
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	test := &scope{TB: t}
	s := servertest.New(test)
	session := newSession(t, s)
	s.Script("rules: [{steps: [{wait: 1h}]}]")
	if status, body := call(t, s, http.MethodPost, "/sessions/"+session.ID+"/events", message("hi")); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.BaseURL+"/sessions/"+session.ID+"/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	stream, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	test.end() // although a turn is running and a stream is open
	if len(test.failures) > 0 {
		t.Error(test.failures)
	}
	if _, err := s.Client(client.WithMaxRetries(0)).Models.List(t.Context()); err == nil {
		t.Error("the server answers after its end")
	}
}

func message(text string) string {
	return fmt.Sprintf(`{"events": [{"type": "user.message", "content": %q}]}`, text)
}

func TestViolation(t *testing.T) {
	t.Parallel()
	test := &scope{TB: t}
	s := servertest.New(test, func(c *server.Config) { c.NewID = func(string) string { return "no id" } })
	status, _ := call(t, s, http.MethodPost, "/sessions", fmt.Sprintf(`{"agent": %q, "environment_id": %q}`, s.AgentID, s.EnvironmentID))
	test.end()
	if status != http.StatusInternalServerError || len(test.failures) != 1 || !strings.Contains(test.failures[0], "createSession: response 201 violates the contract: pattern at '/id'") {
		t.Errorf("status %d, failures %q", status, test.failures)
	}
}

func TestConfigError(t *testing.T) {
	t.Parallel()
	test := &scope{TB: t}
	defer func() {
		if recover() != any(test) || len(test.failures) != 1 || test.failures[0] != `servertest: unknown feature "m4"; known is "m3"` {
			t.Errorf("failures %q", test.failures)
		}
	}()
	servertest.New(test, func(c *server.Config) { c.Features = []string{"m4"} })
}

func TestRequests(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	session := newSession(t, s)
	call(t, s, http.MethodGet, "/sessions?limit=7", "")
	call(t, s, http.MethodPost, "/nothing", "")
	long := strings.Repeat("x", 70<<10)
	call(t, s, http.MethodPost, "/sessions/"+session.ID, long)

	got := s.Requests()
	if len(got) != 4 {
		t.Fatalf("%d requests, want 4", len(got))
	}
	create, list, unknown, update := got[0], got[1], got[2], got[3]
	if create.Operation != "createSession" || create.Method != http.MethodPost || create.Path != "/v1/sessions" ||
		create.Status != http.StatusCreated || !bytes.Contains(create.Body, []byte(s.AgentID)) || create.Cut {
		t.Errorf("create: %+v", create)
	}
	if create.Header.Get("Authorization") != "" || create.Header.Get("Idempotency-Key") == "" {
		t.Errorf("headers %v", create.Header)
	}
	if list.Operation != "listSessions" || list.Query.Get("limit") != "7" || list.Status != http.StatusOK {
		t.Errorf("list: %+v", list)
	}
	if unknown.Operation != "" || unknown.Path != "/v1/nothing" || unknown.Status != http.StatusNotFound {
		t.Errorf("unknown: %+v", unknown)
	}
	if update.Operation != "updateSession" || !update.Cut || string(update.Body) != long[:64<<10] || update.Status != http.StatusBadRequest {
		t.Errorf("update: %s %d, cut %v after %d", update.Operation, update.Status, update.Cut, len(update.Body))
	}
	if only := s.Requests("listSessions", "getSession"); len(only) != 1 || only[0].Operation != "listSessions" {
		t.Errorf("only lists: %+v", only)
	}
}

// BenchmarkNew measures a server from its start to its end, the first one's contract aside.
func BenchmarkNew(b *testing.B) {
	test := &scope{TB: b}
	servertest.New(test)
	test.end()
	for b.Loop() {
		servertest.New(test)
		test.end()
	}
	if len(test.failures) > 0 {
		b.Error(test.failures)
	}
}
