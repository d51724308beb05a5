// Package servertest starts servers for tests of programs that use the API: in this process, with a database in memory,
// behind real TCP on a loopback address, with an agent that follows a script. Every response is validated against the
// contract. It imports the server and the client.
package servertest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/control"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/turn"
)

// Server is a running server with one account, which has an agent and an environment. It shares nothing with
// other servers. Its methods are safe for concurrent use.
type Server struct {
	// URL is where the server listens, http://127.0.0.1:PORT.
	URL string
	// BaseURL is the URL of the API, for client.WithBaseURL and QODER_BASE_URL.
	BaseURL string
	// Token is the account's token.
	Token string
	// AgentID and EnvironmentID are the account's agent and environment, for new sessions.
	AgentID, EnvironmentID string

	t     testing.TB
	web   *httptest.Server
	stage *control.Stage
}

// Request is a request as it arrived, and the status of its response.
type Request = control.Request

// maxRecorded is how many bytes the requests that a server keeps occupy.
const maxRecorded = 64 << 20

// New starts a server that stops at the end of the test. A response that violates the contract fails the test, unless a
// fault was injected; failures inside the server are in the test's log. MCP servers on loopback are allowed. The agent repeats the messages that it gets until
// Script tells it what to say. Each change is applied to the server's configuration before it starts.
func New(t testing.TB, change ...func(*server.Config)) *Server {
	t.Helper()
	s := &Server{t: t, AgentID: server.DemoAgent, EnvironmentID: server.DemoEnvironment, stage: control.NewStage(control.Base{}, maxRecorded)}
	config := server.Config{
		Demo:        true,
		Blobs:       filepath.Join(t.TempDir(), "blobs"),
		Faults:      s.stage.Injector(),
		MCPAllow:    []string{"127.0.0.1", "::1", "localhost"},
		Logger:      slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		OnViolation: func(b *contract.Violation) { t.Errorf("servertest: %v", b) },
	}
	for _, c := range change {
		c(&config)
	}
	s.stage.Play(config.Runner)
	config.Runner = s.stage
	api, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatalf("servertest: %v", err)
	}
	s.web = httptest.NewServer(control.Record(api, api.OperationID, func(*http.Request) *control.Stage { return s.stage }))
	t.Cleanup(func() {
		s.web.CloseClientConnections() // closes streams, which Close would wait for
		s.web.Close()
		if err := api.Close(); err != nil {
			t.Errorf("servertest: %v", err)
		}
	})
	s.URL, s.Token = s.web.URL, api.Demo().Token
	s.BaseURL = s.URL + "/v1"
	return s
}

// Client returns a client of the server; opts are added to its options.
func (s *Server) Client(opts ...client.Option) *client.Client {
	s.t.Helper()
	c, err := client.New(append([]client.Option{
		client.WithBaseURL(s.BaseURL), client.WithToken(s.Token), client.WithHTTPClient(s.web.Client()),
	}, opts...)...)
	if err != nil {
		s.t.Fatalf("servertest: %v", err)
	}
	return c
}

// Script makes the agent follow a script in YAML (see turn.Script), from the next turn on, and from where a turn continues
// after an action. A malformed script ends the test.
func (s *Server) Script(yaml string) {
	s.t.Helper()
	s.play(turn.ParseScript("script", []byte(yaml)))
}

// ScriptFile is Script for the file at path.
func (s *Server) ScriptFile(path string) {
	s.t.Helper()
	s.play(turn.LoadScript(path))
}

func (s *Server) play(script *turn.Script, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("servertest: %v", err)
	}
	s.Runner(script.Runner(nil))
}

// Runner makes r run the turns, for what a script cannot express; nil repeats the messages.
func (s *Server) Runner(r turn.Runner) { s.stage.Play(r) }

// Inject replaces the rules by which requests fail and counts requests from now on; without rules none fail.
// Probabilities have the seed 0. A malformed rule ends the test.
func (s *Server) Inject(rules ...faults.Rule) {
	s.t.Helper()
	s.fail(faults.NewPlan(0, rules...))
}

// Faults is Inject for a fault file's text, in YAML (see faults.ParsePlan).
func (s *Server) Faults(yaml string) {
	s.t.Helper()
	s.fail(faults.ParsePlan("faults", []byte(yaml)))
}

// FaultFile is Faults for the file at path.
func (s *Server) FaultFile(path string) {
	s.t.Helper()
	s.fail(faults.LoadPlan(path))
}

func (s *Server) fail(plan *faults.Plan, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("servertest: %v", err)
	}
	s.stage.Fail(plan)
}

// Requests returns the requests that the server got, oldest first: all of them, or those of the named operations. The
// server keeps the last 1,000, and 64 MiB of them.
func (s *Server) Requests(operations ...string) []Request { return s.stage.Requests(operations...) }
