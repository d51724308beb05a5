package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store/sqlitetest"
	turns "github.com/cloud-sessions/sessions/server/turn"
)

// asProgram makes the test binary act as the program itself, so that tests run real processes, or as a runner if it is asRunner.
const (
	asProgram = "SESSIONS_TEST_AS_PROGRAM"
	asRunner  = "runner"
)

// token is the token of all tests; no output may hold it.
const token = "pt-5ecre7"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "":
	case asRunner:
		if err := runCommandLines(); err != nil {
			log.Fatal(err)
		}
		return
	default:
		main()
		return
	}
	if signal.Ignored(os.Interrupt) { // as in a script's background job; the tests' processes would inherit that and not end
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	code := m.Run()
	if err := endRunners(); err != nil {
		log.Print(err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// program is a process of sessions and what came of it.
type program struct {
	*exec.Cmd
	out, err bytes.Buffer
}

// prepare makes a process with the token and, as QODER_BASE_URL, the address of a server.
func prepare(t *testing.T, baseURL string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.CommandContext(t.Context(), os.Args[0], args...)}
	p.Env = append(os.Environ(), asProgram+"=1", "QODER_PAT="+token, "QODER_BASE_URL="+baseURL, "TERM=xterm", "NO_COLOR=")
	p.Dir = t.TempDir()
	p.Env = append(p.Env, "HOME="+p.Dir, "XDG_CONFIG_HOME="+filepath.Join(p.Dir, "config"))
	p.Stdout, p.Stderr = &p.out, &p.err
	return p
}

// start starts a process and returns what comes from it through a pipe: p.StdoutPipe, or p.StderrPipe.
func (p *program) start(t *testing.T, pipe func() (io.ReadCloser, error)) io.Reader {
	t.Helper()
	from, err := pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return from
}

// end waits for a process, or runs the command line in a runner, and returns its exit code.
func (p *program) end(t *testing.T) int {
	t.Helper()
	code := 0
	if p.Process == nil {
		code = p.runElsewhere(t)
	} else {
		if _, failed := errors.AsType[*exec.ExitError](p.Wait()); !failed && !p.ProcessState.Success() {
			t.Fatalf("%s: %v", p.Args, p.ProcessState)
		}
		code = p.ProcessState.ExitCode()
	}
	if strings.Contains(p.out.String()+p.err.String(), token) {
		t.Errorf("%s shows the token: %s%s", p.Args[1:], &p.out, &p.err)
	}
	return code
}

// requestID is the request id of an error text.
var requestID = regexp.MustCompile(`request id [0-9a-f-]{36}`)

// said is what a process wrote to standard error, without what differs from run to run.
func (p *program) said() string { return requestID.ReplaceAllString(p.err.String(), "request id …") }

// demo is the address of a real server with the demo account.
func demo(t *testing.T, change ...func(*server.Config)) string {
	t.Helper()
	config := server.Config{DB: sqlitetest.Database(t), Demo: true, DemoToken: token}
	for _, c := range change {
		c(&config)
	}
	s, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return serve(t, s.ServeHTTP) + "/v1"
}

// scripted makes the demo's agent play server/turn's example of a script, and wait for an hour when it is told so.
func scripted(t *testing.T) func(*server.Config) {
	t.Helper()
	example, err := os.ReadFile("../../../server/turn/testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	wait := "rules:\n  - match: {text: wait}\n    steps: [say: [I, \" wait.\"], wait: 1h, say: Done.]\n"
	script, err := turns.ParseScript("script.yaml", bytes.Replace(example, []byte("rules:\n"), []byte(wait), 1))
	if err != nil {
		t.Fatal(err)
	}
	return func(c *server.Config) { c.Runner = script.Runner(nil) }
}

// newSession creates a session of the demo's agent.
func newSession(t *testing.T, api string) string {
	t.Helper()
	return id(t, api, "create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment)
}

// serve is the address of a server on loopback.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	return web.URL
}

// answer makes a handler that always gives the same answer.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// ok runs a command that must succeed and say nothing, and returns its output.
func ok(t *testing.T, baseURL string, args ...string) string {
	t.Helper()
	return okWith(t, prepare(t, baseURL, args...))
}

func okWith(t *testing.T, p *program) string {
	t.Helper()
	if code := p.end(t); code != exitOK || p.err.Len() > 0 {
		t.Fatalf("%s: exit code %d, %s", p.Args[1:], code, &p.err)
	}
	return p.out.String()
}

// id runs a command that must succeed and show one record, and returns the record's id.
func id(t *testing.T, baseURL string, args ...string) string {
	t.Helper()
	return strings.TrimSpace(ok(t, baseURL, append(args, "-o", "id")...))
}

// answerStream makes a handler that answers reads of a stream with lines, what is before the caller's cursor left out.
func answerStream(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		text := strings.Join(lines, "\n")
		if cursor := r.Header.Get("Last-Event-ID"); cursor != "" {
			_, rest, _ := strings.Cut(text, "id: "+cursor+"\n")
			_, text, _ = strings.Cut(rest, "\n\n")
		}
		_, _ = w.Write([]byte(text))
	}
}
