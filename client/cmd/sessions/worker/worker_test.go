package worker

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/tools/agenttoolset"
)

func TestServerRoot(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://127.0.0.1:8080/v1": "http://127.0.0.1:8080/", "https://api.example/api/v1/cloud/": "https://api.example/",
		"https://api.example/prefix/v1": "https://api.example/prefix/", "https://api.example": "https://api.example/", "api.example/v1": "",
	} {
		if got, err := serverRoot(base); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v, want %q", base, got, err, want)
		}
	}
}

func TestNoWorkerWithoutItsFolderOrSandbox(t *testing.T) {
	o := Options{BaseURL: "http://127.0.0.1:1/v1", EnvironmentID: "env_1", Key: "k", Dir: filepath.Join(t.TempDir(), "absent"), Log: slog.New(slog.DiscardHandler)}
	if _, err := New(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	t.Setenv("PATH", t.TempDir())
	o.Dir, o.Bash = t.TempDir(), Sandbox
	if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("%v", err)
	}
	program(t, "exit 1")
	if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "does not work") {
		t.Errorf("%v", err)
	}
}

// program makes bwrap a script.
func program(t *testing.T, script string) {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "bwrap"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
}

// runs executes a tool and returns the text that the agent gets.
func runs(t *testing.T, tool anthropic.BetaTool, input map[string]any) (text string, failed bool) {
	t.Helper()
	raw, _ := json.Marshal(input)
	blocks, err := tool.Execute(t.Context(), raw)
	var told *agenttoolset.ToolError
	switch {
	case errors.As(err, &told):
		return told.Content, true
	case err != nil:
		t.Fatal(err)
	}
	return blocks[0].OfText.Text, false
}

func bashOf(t *testing.T, bash Bash) anthropic.BetaTool {
	t.Helper()
	dir := t.TempDir()
	all := toolset(&agenttoolset.AgentToolContext{Workdir: dir}, bash, newMounts(dir))
	t.Cleanup(func() { agenttoolset.CloseAll(all) })
	for _, tool := range all {
		if tool.Name() == "bash" {
			return tool
		}
	}
	t.Fatal("no bash")
	return nil
}

func TestBashIsRefused(t *testing.T) {
	t.Parallel()
	if text, failed := runs(t, bashOf(t, NoBash), map[string]any{"command": "echo hi"}); !failed || !strings.Contains(text, "runs no commands") {
		t.Errorf("%q", text)
	}
}

// The shell lives on between commands, and its output, its exit codes and its end are told.
func TestSandboxedShell(t *testing.T) {
	program(t, `while [ "$1" != -- ]; do shift; done; shift; exec "$@"`) // everything but a sandbox
	t.Setenv("SECRET_KEY", "s3cret")
	bash := bashOf(t, Sandbox)
	for _, test := range []struct {
		command, want string
		failed        bool
	}{
		{"x=你好; cd /", "(no output)", false},
		{`echo "$x it's $PWD"`, "你好 it's /", false},
		{"printf 'no line end'", "no line end", false},
		{"cat; echo read nothing", "read nothing", false},
		{"echo out; echo err >&2; false", "out\nerr\n\nexit code: 1", true},
		{"exit 3", "the shell has ended; the shell was restarted", true},
		{`echo "new: $x"`, "new: ", false},
	} {
		text, failed := runs(t, bash, map[string]any{"command": test.command})
		if strings.TrimSuffix(text, "\n") != test.want || failed != test.failed {
			t.Errorf("%s: %q %v, want %q", test.command, text, failed, test.want)
		}
	}
	if text, failed := runs(t, bash, map[string]any{"command": "sleep 60", "timeout_ms": 50}); !failed || !strings.Contains(text, "did not end within 50ms") {
		t.Errorf("%q", text)
	}
	if text, _ := runs(t, bash, map[string]any{"restart": true}); text != "bash session restarted" {
		t.Errorf("%q", text)
	}
}

// Commands see no variable of the worker that may hold a secret.
func TestEnvironmentOfCommands(t *testing.T) {
	t.Setenv("SESSIONS_ENVIRONMENT_KEY", "pt-env-secret")
	for name, value := range shellEnvironment("/work") {
		if strings.Contains(value, "secret") || name == "HOME" && value != "/work" {
			t.Errorf("%s=%s", name, value)
		}
	}
	arguments := strings.Join(bubblewrap("/work", nil, "true"), " ")
	for _, want := range []string{"--unshare-all", "--clearenv", "--die-with-parent", "--bind /work /work"} {
		if !strings.Contains(arguments, want) {
			t.Errorf("no %s in %s", want, arguments)
		}
	}
	if strings.Contains(arguments, "secret") || strings.Contains(arguments, "/home") || strings.Contains(arguments, "--share-net") {
		t.Errorf("%s", arguments)
	}
}

// realSandbox skips the test where bubblewrap is not installed, which fails under CI, or does not work.
func realSandbox(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("bwrap")
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("bwrap is not installed")
	case err != nil:
		t.Skip("skipped, since it needs bwrap")
	}
	if err := tryBubblewrap(t.Context(), t.TempDir()); err != nil {
		t.Skip("skipped, since it needs a machine that allows sandboxes: ", err)
	}
}

// The sandbox has what programs need of the system, and nothing that may be secret.
func TestSandboxSeesLittleOfTheSystem(t *testing.T) {
	t.Parallel()
	for _, path := range system {
		for _, secret := range []string{"/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/etc/ssh", "/opt/x", "/root", "/home"} {
			if secret == path || strings.HasPrefix(secret, path+"/") {
				t.Errorf("the sandbox binds %s, which has %s", path, secret)
			}
		}
	}
	realSandbox(t)
	bash := bashOf(t, Sandbox)
	for _, path := range []string{"/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/etc/ssh", "/opt", "/root", "/home", "/var", "/srv"} {
		if text, failed := runs(t, bash, map[string]any{"command": "ls -d " + path}); !failed {
			t.Errorf("the sandbox shows %s", text)
		}
	}
	for _, command := range []string{"id -un; ls /usr/bin/env", "ls -d /etc/passwd", "echo hi > file && cat file", "awk 'BEGIN { print 1 }'"} {
		if text, failed := runs(t, bash, map[string]any{"command": command}); failed {
			t.Errorf("%s: %s", command, text)
		}
	}
	for _, command := range []string{"touch /usr/x", "touch /etc/passwd", ": < /dev/tcp/127.0.0.1/1", "ls /mnt | grep -v '^session$'"} {
		if text, failed := runs(t, bash, map[string]any{"command": command}); !failed {
			t.Errorf("%s: %s", command, text)
		}
	}
}

// The sandbox has the session's files at the paths that the agent knows, and a link that an agent makes there leads nowhere.
func TestSandboxHasTheMounts(t *testing.T) {
	t.Parallel()
	realSandbox(t)
	f, dir := testFolder(t)
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), "secret")
	m := newMounts(dir)
	for _, at := range []string{uploads + "/a", "/data/b", "/usr/share/c", "/etc/passwd", "/d"} {
		if err := f.place(t.Context(), "sess_1", m.addFile(at), at, gives(at)); err != nil {
			t.Fatal(err)
		}
	}
	bash := &sandboxedBash{dir: dir, mounts: m}
	t.Cleanup(func() { _ = bash.Close() })
	for _, command := range []string{"cat " + uploads + "/a", "cat /data/b", "cat /d", "echo more >> " + uploads + "/a; id -un"} {
		if text, failed := runs(t, bash, map[string]any{"command": command}); failed {
			t.Errorf("%s: %s", command, text)
		}
	}
	link := "rm -r mnt/session/uploads && ln -s " + outside + " mnt/session/uploads"
	for _, command := range []string{link, "ls " + uploads + "/secret"} {
		text, failed := runs(t, bash, map[string]any{"command": command, "restart": true})
		if failed != (command != link) {
			t.Errorf("%s: %s", command, text)
		}
	}
}

// A worker leaves a session soon: the patience of the server with the others is two minutes by default.
func TestIdleIsShort(t *testing.T) {
	t.Parallel()
	if got := (Options{}).maxIdle(); got > 10*time.Second || got <= 0 {
		t.Errorf("a worker stays for %s", got)
	}
	if got := (Options{MaxIdle: time.Minute}).maxIdle(); got != time.Minute {
		t.Errorf("it stays for %s", got)
	}
}
