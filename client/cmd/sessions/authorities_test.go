//go:build unix

package main

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store/sqlitetest"
	turns "github.com/cloud-sessions/sessions/server/turn"
)

// privately serves the demo of a script over HTTPS, with a certificate that the system does not trust and that a file has.
func privately(t *testing.T, script string) (api, certificate string) {
	t.Helper()
	played, err := turns.LoadScript(script)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Config{DB: sqlitetest.Database(t), Demo: true, DemoToken: token, Runner: played.Runner(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	web := httptest.NewUnstartedServer(http.HandlerFunc(s.ServeHTTP))
	web.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail, as they must
	web.StartTLS()
	t.Cleanup(web.Close)
	certificate = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}
	if err := os.WriteFile(certificate, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return web.URL + "/v1", certificate
}

// A file with certificates makes commands, and the worker, trust a server. A login keeps its path with the profile.
func TestCAFile(t *testing.T) {
	t.Parallel()
	api, file := privately(t, "../../../server/turn/testdata/worker.yaml")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := home{t.TempDir()}
	for _, tc := range []struct {
		args, in string
		code     int
		text     string
	}{
		{"login --retries 0 --base-url " + api, token, exitFailure, "name a file with its certificate, or that of its authority, with --ca-file"},
		{"login --base-url " + api + " --ca-file " + empty, token, exitUsage, "sessions: --ca-file: " + empty + " has no certificate in PEM\n"},
		{"login --base-url " + api + " --ca-file absent.pem", token, exitUsage, "absent.pem: no such file or directory\n"},
		{"login --base-url " + api + " --ca-file " + file, token, exitOK, "Logged in to " + api},
		{"profiles -o jsonl", "", exitOK, `"ca_file":"` + file + `"`},
		{"models list -o id", "", exitOK, "ultimate\n"},
		{"login --base-url " + api, token, exitOK, "Logged in to " + api}, // the profile keeps the file
		{"models list -o id", "", exitOK, "ultimate\n"},
		{"models list --ca-file " + empty, "", exitUsage, "has no certificate in PEM"},
		{"models list --retries 0 --token " + token + " --base-url " + strings.Replace(api, "127.0.0.1", "localhost", 1), "", exitFailure, "x509"},
	} {
		if code, text := h.run(t, tc.in, strings.Fields(tc.args)...); code != tc.code || !strings.Contains(text, tc.text) {
			t.Errorf("%s: exit code %d, %q", tc.args, code, text)
		}
	}

	trusting := func(args ...string) *program {
		p := prepare(t, api, args...)
		p.Env = append(p.Env, caFileVariable+"="+file)
		return p
	}
	created := func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(okWith(t, trusting(append(args, "-o", "id")...)))
	}
	environment := created("environments", "create", "--name", "own", "--type", "self_hosted")
	agentFile := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(agentFile, []byte("{name: coder, model: ultimate, tools: [{type: agent_toolset_20260401}]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := created("agents", "create", "--file", agentFile)
	session := created("create", "--agent", agent, "--environment", environment)
	key := okWith(t, trusting("keys", "create", environment, "--name", "k", "-o", "json"))
	_, key, _ = strings.Cut(key, `"key": "`)
	key, _, _ = strings.Cut(key, `"`)
	worker := trusting("worker", environment)
	worker.Env = append(worker.Env, keyVariable+"="+key)
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = worker.Process.Kill(); _ = worker.Wait() })
	if code := trusting("send", session, "Write a program.").end(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(filepath.Join(worker.Dir, "hello.sh")); err != nil {
		t.Error(err)
	}
}
