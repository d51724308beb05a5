package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

// runProgram runs a command to its end.
func runProgram(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := program(t, env, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// backupCallers is how many callers use the server while it is backed up.
const backupCallers = 3

// useUntil creates a file, then a session that names it, then deletes the file before it, again and again: so the newest
// session of each caller names a file that exists, at every moment.
func useUntil(t *testing.T, c *client.Client, caller string, end <-chan struct{}, count *atomic.Int64) {
	before := ""
	for n := 0; ; n++ {
		select {
		case <-end:
			return
		default:
		}
		content := bytes.Repeat(fmt.Appendf(nil, "%s %d", caller, n), 5000)
		sum := sha256.Sum256(content)
		file, err := c.Files.Upload(t.Context(), bytes.NewReader(content), client.FileUpload{Name: hex.EncodeToString(sum[:])})
		if err == nil {
			request := newSession()
			request.Title, request.Metadata = new(file.ID), map[string]string{"caller": caller}
			_, err = c.Sessions.Create(t.Context(), request)
		}
		if err == nil && before != "" {
			_, err = c.Files.Delete(t.Context(), before)
		}
		if err != nil {
			t.Error(err)
			return
		}
		before = file.ID
		count.Add(1)
	}
}

// TestBackupAndRestore backs a server up while callers write, and restores the backup: it is of one moment.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, archive := "sqlite:"+filepath.Join(dir, "x.db"), filepath.Join(dir, "x.tar.gz")
	env := []string{"QODER_PAT=" + callerToken}
	s := serve(t, env, "--db", db, "--demo")
	c := clientOf(t, s)
	end, callers, count := make(chan struct{}), sync.WaitGroup{}, atomic.Int64{}
	for i := range backupCallers {
		callers.Go(func() { useUntil(t, c, fmt.Sprint("caller", i), end, &count) })
	}
	for deadline := time.Now().Add(time.Minute); count.Load() < 5*backupCallers && !t.Failed(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the callers get nothing done")
		}
	}
	code, stdout, stderr := runProgram(t, nil, "backup", archive, "--db", db)
	close(end)
	callers.Wait()
	if code != 0 || !strings.HasPrefix(stdout, "backed up "+db) || !strings.Contains(stdout, "x.db.vault-key elsewhere") || stderr != "" {
		t.Fatalf("backup: %d %s %s", code, stdout, stderr)
	}
	if code, _, stderr := runProgram(t, nil, "backup", archive, "--db", db); code != 1 || !strings.Contains(stderr, "is not overwritten") {
		t.Errorf("again: %d %s", code, stderr)
	}
	if info, err := os.Stat(archive); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if code, _, stderr := runProgram(t, nil, "restore", archive, "--db", db); code != 1 || !strings.Contains(stderr, "move it away") {
		t.Errorf("over the server's database: %d %s", code, stderr)
	}
	_ = s.Process.Kill()
	_ = s.Wait()

	restored := "sqlite:" + filepath.Join(dir, "new", "y.db")
	code, stdout, stderr = runProgram(t, nil, "restore", archive, "--db", restored)
	if code != 0 || !strings.Contains(stdout, "put the vault key back, as "+filepath.Join(dir, "new", "y.db.vault-key")) {
		t.Fatalf("restore: %d %s %s", code, stdout, stderr)
	}
	s = serve(t, env, "--db", restored, "--demo")
	c = clientOf(t, s)
	checkFiles(t, c, map[string]bool{})
	newest := map[string]string{}
	for session, err := range c.Sessions.All(t.Context(), nil) { // newest first
		if err != nil {
			t.Fatal(err)
		}
		if caller := session.Metadata["caller"]; newest[caller] == "" {
			newest[caller] = session.Title
			if _, err := c.Files.Get(t.Context(), session.Title); err != nil {
				t.Errorf("the newest session of %s names a file that is missing: %v", caller, err)
			}
		}
	}
	if len(newest) != backupCallers {
		t.Errorf("sessions of %v", newest)
	}
}

// TestABackupGoesThroughAPipe backs up to standard output, and restores from standard input.
func TestABackupGoesThroughAPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := "sqlite:" + filepath.Join(dir, "x.db")
	if code, _, stderr := runProgram(t, nil, "token", "create", "--account", "acme", "--db", db); code != 0 {
		t.Fatal(stderr)
	}
	code, archive, said := runProgram(t, nil, "backup", "-", "--db", db)
	if code != 0 || !strings.Contains(said, "backed up") {
		t.Fatalf("%d %s", code, said)
	}
	cmd := program(t, nil, "restore", "-", "--db", "sqlite:"+filepath.Join(dir, "y.db"))
	cmd.Stdin = strings.NewReader(archive)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code, list, _ := runProgram(t, nil, "token", "list", "--db", "sqlite:"+filepath.Join(dir, "y.db")); code != 0 || !strings.Contains(list, "acme") {
		t.Error(list)
	}
}

// TestBackupMistakes names what is missing.
func TestBackupMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := "sqlite:" + filepath.Join(dir, "x.db")
	for _, tc := range []struct{ to, want string }{
		{"-", "there is no database file " + filepath.Join(dir, "x.db") + " to copy"},
		{filepath.Join(dir, "absent", "b"), "the folder of " + filepath.Join(dir, "absent", "b") + " does not exist"},
	} {
		if code, _, stderr := runProgram(t, nil, "backup", tc.to, "--db", db); code != 1 || !strings.Contains(stderr, tc.want) {
			t.Errorf("%s: %d %s", tc.to, code, stderr)
		}
	}
}

// TestBackupsHaveRelativeNames backs up to, and restores at, names that are relative to the working folder.
func TestBackupsHaveRelativeNames(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "work")
	for _, folder := range []string{"sub", "../other"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) {
		t.Helper()
		cmd := program(t, nil, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	run("token", "create", "--account", "acme", "--db", "sqlite:x.db")
	for i, name := range []string{"b.tar.gz", "./c.tar.gz", "sub/b", "../other/b"} {
		db := fmt.Sprint("sqlite:", []string{"", "./", "sub/", "../other/"}[i], "restored", i, ".db")
		run("backup", name, "--db", "sqlite:x.db")
		run("restore", name, "--db", db)
		run("token", "list", "--db", db)
		if i == 0 {
			run("restore", name, "--db", "sqlite:new/deep.db", "--blobs", "files/of/it")
		}
	}
}

// TestCheck checks what a start would accept and refuse, and that the check creates and changes nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := "sqlite:" + filepath.Join(dir, "deep", "x.db")
	check := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := runProgram(t, []string{"QODER_PAT=" + callerToken}, append([]string{"check", "--addr", "127.0.0.1:0", "--db", db}, args...)...)
		if code != want {
			t.Errorf("%v: %d\n%s%s", args, code, stdout, stderr)
		}
		return stdout + stderr
	}
	if said := check(0, "--demo"); !strings.Contains(said, "no database yet") {
		t.Error(said)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("a check left %v, %v", left, err)
	}
	s := serve(t, nil, "--db", db)
	said := check(1, "--addr", strings.TrimPrefix(s.baseURL, "http://"), "--tls-cert", "none.crt", "--tls-key", "none.key", "--blobs", "/dev/null/files")
	for _, want := range []string{"address already in use", "another process serves the database file", "none.crt", "/dev/null"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in %s", want, said)
		}
	}
	_ = s.Process.Kill()
	_ = s.Wait()
	if said := check(0, "--demo"); !strings.Contains(said, "database with schema version") {
		t.Error(said)
	}
	if _, list, _ := runProgram(t, nil, "token", "list", "--db", db); strings.Contains(list, "demo") {
		t.Errorf("the check created the demo's token: %s", list)
	}
	if err := os.Remove(filepath.Join(dir, "deep", "x.db.vault-key")); err != nil {
		t.Fatal(err)
	}
	check(0) // a start creates it again
	if _, err := os.Stat(filepath.Join(dir, "deep", "x.db.vault-key")); err == nil {
		t.Error("the check created a key")
	}
	other := filepath.Join(dir, "other-key")
	if code, _, stderr := runProgram(t, nil, "vault", "new-key", "--vault-key-file", other); code != 0 {
		t.Fatal(stderr)
	}
	check(0, "--vault-key-file", other) // nothing is encrypted yet
	readable := filepath.Join(dir, "readable-key")
	if code, _, stderr := runProgram(t, nil, "vault", "new-key", "--vault-key-file", readable); code != 0 {
		t.Fatal(stderr)
	}
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	said = check(1, "--db", "sqlite:"+filepath.Join(dir, "new.db"), "--vault-key-file", readable, "--pprof-addr", "0.0.0.0:6060", "--blobs", "s3://")
	for _, want := range []string{"sessionsd: the vault key: ", "sessionsd: --pprof-addr: ", "sessionsd: open the bucket: "} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in %s", want, said)
		}
	}
	for want, args := range map[string][]string{
		"unknown log format":     {"--log-format", "xml"},
		"address of loopback":    {"--pprof-addr", "x"},
		"needs --script":         {"--runner", "script"},
		"unknown feature":        {"--features", "m4"},
		"is not a host":          {"--mcp-allow", "https://a"},
		"no such file":           {"--models", "none.yaml"},
		"--openai-base-url URL":  {"--runner", "openai"},
		"the demo token must st": {"--demo", "--addr", "127.0.0.1:0"},
	} {
		env := []string{"QODER_PAT=secret"}
		code, _, stderr := runProgram(t, env, append([]string{"check", "--addr", "127.0.0.1:0", "--db", db}, args...)...)
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%v: %d %s", args, code, stderr)
		}
	}
}

// TestCheckNamesPathsThatDoNotExist checks files and folders that a start could not use.
func TestCheckNamesPathsThatDoNotExist(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(dir, "absent", "x")
	cases := []struct{ args, want string }{
		{"--vault-key-file " + absent, "the vault key: the folder of the key file " + absent + " does not exist"},
		{"--vault-key-file " + file + "/x", "file/x"},
		{"--vault-key-file " + dir, "is not a regular file"},
		{"--db sqlite:" + dir, "is a folder; name a file in it"},
		{"--db sqlite:" + file + "/x.db", "not a directory"},
		{"--blobs " + file, "not a "},
		{"--tls-cert " + absent + " --tls-key " + absent, "the TLS certificate: open " + absent},
		{"--models " + absent, "models: open " + absent},
		{"--script " + absent, "open " + absent},
		{"--demo --faults " + absent, "open " + absent},
	}
	for _, command := range []string{"check", "serve"} { // a check says what a start says
		for _, tc := range cases {
			args := append([]string{command, "--addr", "127.0.0.1:0"}, strings.Fields(tc.args)...)
			if !strings.Contains(tc.args, "--db") {
				args = append(args, "--db", "sqlite:"+filepath.Join(dir, "x.db"))
			}
			if code, _, stderr := runProgram(t, nil, args...); code != 1 || !strings.Contains(stderr, tc.want) {
				t.Errorf("%s %s: %d %s", command, tc.args, code, stderr)
			}
		}
		if left, err := os.ReadDir(dir); command == "check" && (err != nil || len(left) != 1) {
			t.Errorf("the checks left %v, %v", left, err)
		}
	}
}

// TestCheckAsksTheModelEndpoint checks endpoints that know the model, do not, refuse the key, and are away.
func TestCheckAsksTheModelEndpoint(t *testing.T) {
	t.Parallel()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/models" || r.Header.Get("Authorization") != "Bearer sk-right" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error": {"message": "Incorrect API key provided."}}`)
			return
		}
		_, _ = io.WriteString(w, `{"data": [{"id": "small"}, {"id": "large"}]}`)
	}))
	defer endpoint.Close()
	for _, tc := range []struct{ key, url, model, want string }{
		{"sk-right", endpoint.URL, "small", "model endpoint with 2 models\n"},
		{"sk-right", endpoint.URL, "", "note: The model endpoint is asked for each agent's own model"},
		{"sk-right", endpoint.URL, "medium", "note: the model endpoint does not list --openai-model medium; it lists 2 models\n"},
		{"sk-wrong", endpoint.URL, "small", "note: the model endpoint returned 401 Unauthorized: Incorrect API key provided; turns of the openai runner may fail\n"},
		{"", endpoint.URL, "small", "note: $OPENAI_API_KEY is not set"},
		{"sk-right", "http://127.0.0.1:1", "small", "note: the connection to the model endpoint failed: "},
	} {
		code, stdout, stderr := runProgram(t, []string{"OPENAI_API_KEY=" + tc.key}, "check", "--addr", "127.0.0.1:0",
			"--runner", "openai", "--openai-base-url", tc.url+"/v1", "--openai-model", tc.model)
		if code != 0 || stderr != "" || !strings.Contains(stdout, tc.want) || strings.Contains(stdout, "sk-") {
			t.Errorf("%v: %d %s%s", tc, code, stdout, stderr)
		}
	}
}

// TestCheckOnPostgreSQL checks an empty database, and one that a server has used.
func TestCheckOnPostgreSQL(t *testing.T) {
	t.Parallel()
	env := []string{"SESSIONSD_DB=" + pgtest.NewDatabase(t), "SESSIONSD_ADDR=127.0.0.1:0"}
	if code, stdout, stderr := runProgram(t, env, "check"); code != 0 || !strings.Contains(stdout, "no database yet") {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
	serve(t, env)
	if code, stdout, stderr := runProgram(t, env, "check"); code != 0 || !strings.Contains(stdout, "database with schema version") {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
	if code, _, stderr := runProgram(t, env, "check", "--db", "postgres://127.0.0.1:1/none", "--db-connect-timeout", "1s"); code != 1 || !strings.Contains(stderr, "connect") {
		t.Errorf("%d %s", code, stderr)
	}
}

// TestHealthcheck asks a server that is ready, one that is draining, and none.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--addr", "0.0.0.0:0", "--drain-delay", "1h")
	_, port, _ := strings.Cut(strings.TrimPrefix(s.baseURL, "http://"), "]")
	if port == "" {
		_, port, _ = strings.Cut(strings.TrimPrefix(s.baseURL, "http://"), ":")
	}
	port = strings.TrimPrefix(port, ":")
	env := []string{"SESSIONSD_ADDR=0.0.0.0:" + port}
	for _, args := range [][]string{{"healthcheck"}, {"healthcheck", "--live"}} {
		if code, stdout, stderr := runProgram(t, env, args...); code != 0 || stdout+stderr != "" {
			t.Errorf("%v: %d %s%s", args, code, stdout, stderr)
		}
	}
	_ = s.Process.Signal(os.Interrupt)
	for deadline := time.Now().Add(20 * time.Second); status(t, "http://127.0.0.1:"+port+"/readyz", "") != 503; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("/readyz does not turn red")
		}
	}
	if code, _, stderr := runProgram(t, env, "healthcheck"); code != 1 || !strings.Contains(stderr, "503") {
		t.Errorf("draining: %d %s", code, stderr)
	}
	if code, _, stderr := runProgram(t, env, "healthcheck", "--live"); code != 0 {
		t.Errorf("draining, alive: %d %s", code, stderr)
	}
	if code, _, _ := runProgram(t, nil, "healthcheck", "--addr", "127.0.0.1:1"); code != 1 {
		t.Errorf("no server: %d", code)
	}
	if code, _, stderr := runProgram(t, env, "healthcheck", "--tls-cert", "x"); code != 1 || !strings.Contains(stderr, "HTTP response to HTTPS client") {
		t.Errorf("HTTPS: %d %s", code, stderr)
	}
}

// TestHealthcheckOfHTTPS asks a server that serves HTTPS without --tls-cert.
func TestHealthcheckOfHTTPS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	addr := s.Listener.Addr().String()
	code, _, stderr := runProgram(t, nil, "healthcheck", "--addr", addr)
	if want := "sessionsd: http://" + addr + "/readyz: the server serves HTTPS; add --tls-cert\n"; code != 1 || stderr != want {
		t.Errorf("%d %s", code, stderr)
	}
}

// clientOf returns a client of a server, with the token of the callers here.
func clientOf(t *testing.T, s *served) *client.Client {
	t.Helper()
	c, err := client.New(client.WithBaseURL(s.baseURL+"/v1"), client.WithToken(callerToken))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
