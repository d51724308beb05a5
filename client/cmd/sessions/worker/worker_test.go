package worker

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	o := Options{BaseURL: "http://127.0.0.1:1/v1", EnvironmentID: "env_1", Key: "k", Dir: filepath.Join(t.TempDir(), "absent")}
	if err := Run(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	t.Setenv("PATH", t.TempDir())
	o.Dir, o.Bash = t.TempDir(), Sandbox
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("%v", err)
	}
	program(t, "exit 1")
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "does not work") {
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
	all := tools(&agenttoolset.AgentToolContext{Workdir: t.TempDir()}, bash)
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
	arguments := strings.Join(bubblewrap("/work", "true"), " ")
	for _, want := range []string{"--unshare-all", "--clearenv", "--die-with-parent", "--bind /work /work"} {
		if !strings.Contains(arguments, want) {
			t.Errorf("no %s in %s", want, arguments)
		}
	}
	if strings.Contains(arguments, "secret") || strings.Contains(arguments, "/home") || strings.Contains(arguments, "--share-net") {
		t.Errorf("%s", arguments)
	}
}
