//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestWorkersKey tests what a worker says of a key that does not open the work, before it says that it works.
func TestWorkersKey(t *testing.T) {
	t.Parallel()
	api := demo(t)
	environment := id(t, api, "environments", "create", "--name", "own", "--type", "self_hosted")
	other := id(t, api, "environments", "create", "--name", "other", "--type", "self_hosted")
	_, foreign := newKey(t, api, other)
	_, good := newKey(t, api, environment)
	revokedID, revoked := newKey(t, api, environment)
	ok(t, api, "keys", "delete", environment, revokedID)
	const refused = "the key does not open the work of this environment; change $SESSIONS_ENVIRONMENT_KEY or --key-file"
	for _, tc := range []struct {
		name, key, dir, want string
		code                 int
	}{
		{"unknown", "pt-env-unknown", ".", refused, exitDenied},
		{"revoked", revoked, ".", refused, exitDenied},
		{"of another environment", foreign, ".", refused, exitDenied},
		{"the account's token", token, "absent", "has an access token of the account", exitUsage},
		{"another token of an account", "pt-other", "absent", "has an access token of the account", exitUsage},
		{"malformed", "pt-env-1 pt-env-2", "absent", "must be one line of printable ASCII", exitUsage},
		{"no folder", good, "absent", "the folder of the worker: lstat ", exitUsage},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, api, "worker", environment, "--dir", tc.dir)
			p.Env = append(p.Env, keyVariable+"="+tc.key)
			code := p.end(t)
			lines := strings.Split(strings.TrimSpace(p.said()), "\n")
			if code != tc.code || len(lines) != 1 || !strings.Contains(lines[0], tc.want) {
				t.Errorf("exit code %d, want %d with %q: %s", code, tc.code, tc.want, p.said())
			}
		})
	}
}

// TestAKeyThatIsRevoked tests what a worker says when its key is revoked while it works.
func TestAKeyThatIsRevoked(t *testing.T) {
	t.Parallel()
	api := demo(t)
	environment := id(t, api, "environments", "create", "--name", "own", "--type", "self_hosted")
	keyID, key := newKey(t, api, environment)
	p := prepare(t, api, "worker", environment, "--key-file", "key")
	if err := os.WriteFile(filepath.Join(p.Dir, "key"), []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Stderr = nil
	pipe := p.start(t, p.StderrPipe)
	revoked, said := false, ""
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "working for "+environment) {
			ok(t, api, "keys", "delete", environment, keyID)
			revoked = true
		}
	}
	if code := p.end(t); code != exitDenied || !revoked || strings.Contains(said, "permanent 4xx") || !strings.Contains(said, "or --key-file") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// TestAWorkerIsInterrupted stops a worker that waits for work.
func TestAWorkerIsInterrupted(t *testing.T) {
	t.Parallel()
	api := demo(t)
	environment := id(t, api, "environments", "create", "--name", "own", "--type", "self_hosted")
	_, key := newKey(t, api, environment)
	p := prepare(t, api, "worker", environment)
	p.Env = append(p.Env, keyVariable+"="+key)
	p.Stderr = nil
	pipe := p.start(t, p.StderrPipe)
	said := ""
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "working for "+environment) {
			if err := p.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if code := p.end(t); code != exitOK || strings.Count(said, "\n") != 2 {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// newKey makes a key of an environment.
func newKey(t *testing.T, api, environment string) (keyID, key string) {
	t.Helper()
	var made struct{ ID, Key string }
	text := ok(t, api, "keys", "create", environment, "--name", "k", "-o", "json")
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Key == "" {
		t.Fatalf("%v: %s", err, text)
	}
	return made.ID, made.Key
}

// refusing is a server that refuses every key, and what it gets.
func refusing(t *testing.T) (api string, seen *atomic.Value) {
	t.Helper()
	seen = &atomic.Value{}
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization"))
		answer(http.StatusUnauthorized, `{"error":{"message":"No."}}`)(w, r)
	}), seen
}

// TestWorkersServer tests that the key goes to the server that the other commands use, and to no other.
func TestWorkersServer(t *testing.T) {
	t.Parallel()
	current, currentSeen := refusing(t)
	other, otherSeen := refusing(t)
	h := home{t.TempDir()}
	if err := os.MkdirAll(filepath.Join(h.dir, "cloud-sessions"), 0o700); err != nil {
		t.Fatal(err)
	}
	stored := fmt.Sprintf(`{"current":"a","profiles":{"a":{"base_url":%q,"token":"pt-a"},"b":{"base_url":%q,"token":"pt-b"}}}`, current, other)
	if err := os.WriteFile(filepath.Join(h.dir, "cloud-sessions", "profiles.json"), []byte(stored), 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(h.dir, "key")
	if err := os.WriteFile(key, []byte("pt-env-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, args, env string
		other           bool
	}{
		{"the current profile", "", "", false},
		{"--profile", "--profile b", "", true},
		{"--profile over the variable", "--profile b", "QODER_BASE_URL=" + current, true},
		{"the variable", "", "QODER_BASE_URL=" + other, true},
		{"the flag", "--base-url " + other, "", true},
	} {
		currentSeen.Store("")
		otherSeen.Store("")
		p := h.prepare(t, append([]string{"worker", "env_1", "--key-file", key}, strings.Fields(tc.args)...)...)
		p.Env = append(p.Env, tc.env)
		code, sent := p.end(t), [2]any{"Bearer pt-env-1", ""}
		if tc.other {
			sent = [2]any{"", "Bearer pt-env-1"}
		}
		if got := [2]any{currentSeen.Load(), otherSeen.Load()}; code != exitDenied || got != sent {
			t.Errorf("%s: exit code %d, sent %q, want %q: %s", tc.name, code, got, sent, &p.err)
		}
	}
}
