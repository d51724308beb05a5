package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/internal/build"
)

// asProgram makes the test binary act as the program itself, so that tests run real processes.
const asProgram = "SESSIONSD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if job := os.Getenv(asWorker); job != "" {
		if err := runWorker(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program prepares a process of sessionsd in an empty folder.
func program(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), asProgram+"=1", "QODER_PAT=", "STATE_DIRECTORY=", "XDG_DATA_HOME="+cmd.Dir), env...)
	return cmd
}

// served is a process that serves.
type served struct {
	*exec.Cmd
	baseURL string
	stdout  *bufio.Reader
	stderr  *bytes.Buffer
}

func serve(t *testing.T, env []string, args ...string) *served {
	t.Helper()
	s := launch(t, env, args...)
	s.listens(t)
	return s
}

// launch starts a process that serves.
func launch(t *testing.T, env []string, args ...string) *served {
	t.Helper()
	s := &served{Cmd: program(t, env, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...), stderr: &bytes.Buffer{}}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Stderr = s.stderr
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Process.Kill(); _ = s.Wait() })
	s.stdout = bufio.NewReader(out)
	return s
}

// listens returns once the process accepts connections.
func (s *served) listens(t *testing.T) {
	t.Helper()
	line, err := s.stdout.ReadString('\n')
	var found bool
	if s.baseURL, found = strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on "); err != nil || !found {
		_ = s.Wait()
		t.Fatalf("first line %q, %v, %s", line, err, s.stderr)
	}
}

// stopped waits until a process that was told to stop has ended without an error.
func (s *served) stopped(t *testing.T) {
	t.Helper()
	_, _ = io.Copy(io.Discard, s.stdout)
	if err := s.Wait(); err != nil {
		t.Errorf("%v: %s", err, s.stderr)
	}
}

// status asks for a path with a token and returns the status.
func status(t *testing.T, url, token string) int {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

func TestTokensWorkWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	db := "sqlite:" + filepath.Join(t.TempDir(), "deep", "er", "sessions.db")
	s := serve(t, nil, "--db", db)
	run := func(args ...string) string {
		t.Helper()
		cmd := program(t, []string{"SESSIONSD_DB=" + db}, args...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		return string(out)
	}
	var token struct {
		ID, Account, Name, Token string
		CreatedAt                time.Time  `json:"created_at"`
		ExpiresAt                *time.Time `json:"expires_at"`
	}
	created := run("token", "create", "--account", "acme", "--name", "ci", "--expires-in", "1h", "--json")
	if err := json.Unmarshal([]byte(created), &token); err != nil {
		t.Fatalf("%v: %s", err, created)
	}
	if !strings.HasPrefix(token.Token, "pt-") || token.Account != "acme" || token.Name != "ci" || token.ExpiresAt.Sub(token.CreatedAt).Round(time.Minute) != time.Hour {
		t.Errorf("%s", created)
	}
	if got := status(t, s.baseURL+"/v1/agents", token.Token); got != 200 {
		t.Errorf("with the new token: %d", got)
	}
	if list := run("token", "list", "--account", "acme"); !strings.Contains(list, token.ID) || strings.Contains(list, token.Token) {
		t.Errorf("list: %s", list)
	}
	if got := run("token", "revoke", token.ID); got != "revoked "+token.ID+"\n" {
		t.Errorf("revoke: %q", got)
	}
	if got := status(t, s.baseURL+"/v1/agents", token.Token); got != 401 {
		t.Errorf("with the revoked token: %d", got)
	}
	bare := strings.TrimSpace(run("token", "create", "--account", "acme"))
	if got := status(t, s.baseURL+"/v1/agents", bare); got != 200 {
		t.Errorf("with a token printed bare: %d", got)
	}
	stored, err := os.ReadFile(strings.TrimPrefix(db, "sqlite:"))
	if err != nil || bytes.Contains(stored, []byte(token.Token)) || bytes.Contains(stored, []byte(bare)) {
		t.Errorf("the database file holds a token, or: %v", err)
	}
}

func TestTheDemoPrintsACurlThatWorks(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("this test runs the printed curl and needs curl")
	}
	for name, env := range map[string][]string{"a new token": nil, "a given token": {"QODER_PAT=pt-given"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, env, "--demo")
			var script strings.Builder
			for {
				line, err := s.stdout.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				script.WriteString(line)
				if strings.Contains(line, "}'") {
					break
				}
			}
			curl := "curl" + strings.SplitN(script.String(), "curl", 2)[1]
			if env != nil && !strings.Contains(curl, "Bearer pt-given") {
				t.Errorf("the given token is not in %s", curl)
			}
			out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.TrimSpace(curl)+` -s -w '\n%{http_code}'`).Output()
			if err != nil || !strings.HasSuffix(string(out), "\n201") || !strings.Contains(string(out), `"title":"我的会话"`) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			_ = s.Process.Signal(sig)
			s.stopped(t)
		})
	}
	t.Run("a second one ends it at once", func(t *testing.T) {
		t.Parallel()
		s := serve(t, nil, "--demo", "--shutdown-timeout", "1h")
		body, feed := io.Pipe()
		defer feed.Close()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.baseURL+"/v1/sessions", body)
		go func() { _, _ = http.DefaultClient.Do(req) }() // hangs until the process ends
		_, _ = io.WriteString(feed, "{")
		status(t, s.baseURL+"/healthz", "")
		_ = s.Process.Signal(syscall.SIGTERM)
		for !strings.Contains(refused(s.baseURL), "refused") {
			time.Sleep(time.Millisecond)
		}
		_ = s.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, s.stdout)
		err := s.Wait()
		if ws, ok := s.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
			t.Errorf("ended with %v, want to be ended by the signal", err)
		}
	})
}

// refused returns the error of a new connection, or "".
func refused(baseURL string) string {
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(baseURL + "/healthz")
	if err != nil {
		return err.Error()
	}
	_ = res.Body.Close()
	return ""
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"sessionsd: set --account to the account, in 1 to 128 bytes\n":                                              {"token", "create"},
		"sessionsd: --expires-in must not be negative\n":                                                            {"token", "create", "--account", "a", "--expires-in", "-1h"},
		"sessionsd: token \"tok_1\" does not exist; list the tokens with 'sessionsd token list'\n":                  {"token", "revoke", "tok_1"},
		"sessionsd: unknown log format \"xml\"; set --log-format to text or json\n":                                 {"serve", "--log-format", "xml"},
		"sessionsd: unknown feature \"m4\"; known is \"m3\"\n":                                                      {"serve", "--features", "m4"},
		"sessionsd: --faults makes requests fail on purpose, for rehearsals; add --demo\n":                          {"serve", "--faults", "faults.yaml"},
		"sessionsd: --control lets tests change what the server does; add --demo\n":                                 {"serve", "--control"},
		"sessionsd: the control of a demo is for programs on this machine; listen on 127.0.0.1, not on 0.0.0.0:0\n": {"serve", "--demo", "--control", "--addr", "0.0.0.0:0"},
		"sessionsd: --faults: fault file: open faults.yaml: no such file or directory\n":                            {"serve", "--demo", "--faults", "faults.yaml"},
		"sessionsd: no runner plays --script; add --runner script or --route MODEL=script\n":                        {"serve", "--script", "a.yaml", "--runner", "echo"},
		"sessionsd: the database \"sqlite:file:x.db\" is a URI, not a path; write \"sqlite:x.db\"\n":                {"serve", "--db", "sqlite:file:x.db"},
		"sessionsd: there is no database file to compact: stat x.db: no such file or directory\n":                   {"compact", "--db", "sqlite:x.db"},
		"sessionsd: only a SQLite file is compacted; PostgreSQL does it by itself\n":                                {"compact", "--db", "postgres://h/db"},
		"sessionsd: TLS needs both a certificate and its key: set --tls-cert and --tls-key\n":                       {"serve", "--tls-cert", "x.crt"},
		"sessionsd: --addr: address 8080: missing port in address\n":                                                {"healthcheck", "--addr", "8080"},
		"sessionsd: only a SQLite file is backed up by this program; PostgreSQL has pg_dump and pg_restore (pg_dump --format=custom --file=FILE DATABASE), and the files have the means of their place\n": {"backup", "x", "--db", "postgres://h/db"},
		"sessionsd: open nothing.tar.gz: no such file or directory\n":                                                                                {"restore", "nothing.tar.gz"},
		"sessionsd: unknown flag: --port; see 'sessionsd serve --help'\n":                                                                            {"serve", "--port", "1"},
		"sessionsd: unknown command \"srve\" for \"sessionsd\"\n\nDid you mean this?\n\tserve\n\n":                                                   {"srve"},
		"sessionsd: $SESSIONSD_SHUTDOWN_TIMEOUT: \"soon\" is not a value of --shutdown-timeout, which must be a duration, such as 30s, 5m or 720h\n": {"serve"},
		"sessionsd: \"abc\" is not a value of --workers, which must be a whole number, such as 256; see 'sessionsd serve --help'\n":                  {"serve", "--workers", "abc"},
		"sessionsd: --workers is -5; it must be at least 1\n":                                                                                        {"serve", "--workers", "-5"},
		"sessionsd: --max-streams is 0; it must be at least 1\n":                                                                                     {"check", "--max-streams", "0"},
	} {
		var env []string
		if strings.Contains(want, "$SESSIONSD_SHUTDOWN_TIMEOUT") {
			env = []string{"SESSIONSD_SHUTDOWN_TIMEOUT=soon"}
		}
		cmd := program(t, env, args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("%s: %v", args, err)
		}
		if diff := cmp.Diff(want, stderr.String()); diff != "" {
			t.Errorf("%s: %s", args, diff)
		}
	}
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	t.Parallel()
	s := serve(t, []string{"SESSIONSD_LOG_FORMAT=xml", "SESSIONSD_RESPONSE_CHECK=report"}, "--log-format", "json")
	status(t, s.baseURL+"/healthz", "") // leaves no line
	status(t, s.baseURL+"/v1/sessions", "")
	_ = s.Process.Signal(syscall.SIGTERM)
	s.stopped(t)
	if strings.Count(s.stderr.String(), `"msg":"request"`) != 1 {
		t.Error(s.stderr)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "sessionsd", "sessions.db")); err != nil {
		t.Errorf("the default database: %v", err)
	}
}

func TestEveryFlagNamesItsVariable(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"serve"}, {"token", "create"}, {"token", "list"}, {"token", "revoke"}, {"compact"}, {"check"}, {"healthcheck"}, {"backup"}, {"restore"}} {
		out, err := program(t, nil, append(args, "--help")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			flag, isFlag := strings.CutPrefix(strings.TrimSpace(line), "--")
			name, _, _ := strings.Cut(flag, " ")
			if isFlag && !strings.Contains(line, fmt.Sprintf("[$%s]", environmentName(name))) {
				t.Errorf("%s: %s", args, line)
			}
		}
	}
	for args, format := range map[string]string{"version": "sessionsd %s\n", "--version": "sessionsd version %s\n"} {
		if out, err := program(t, nil, args).Output(); err != nil || string(out) != fmt.Sprintf(format, build.Read()) || !strings.Contains(string(out), "go1.") {
			t.Errorf("%s: %v %s", args, err, out)
		}
	}
}
