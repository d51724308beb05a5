package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
	turns "github.com/cloud-sessions/sessions/server/turn"
)

// TestTheReadmesCommands runs what the README says of the command line, against a real server.
func TestTheReadmesCommands(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## The command line\n")
	_, commands, begun := strings.Cut(section, "```sh\n")
	commands, _, ended := strings.Cut(commands, "```")
	if !found || !begun || !ended {
		t.Fatal("the README has no commands")
	}
	p := prepare(t, demo(t))
	sh := exec.CommandContext(t.Context(), "sh", "-euc", commands)
	sh.Dir, sh.Env = p.Dir, append(p.Env, "PATH="+onPath(t)+":"+os.Getenv("PATH"))
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"(?m)^You said: What do you do\\?$", "(?m)^You said: And then\\?\nYou said: Thanks\\.$", "agent\\.message +You said: Thanks\\.", `"ticket": "T-1029"`, `(?m)^\{"id":"sess_`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	if doc, err := os.ReadFile(filepath.Join(p.Dir, "agent.yaml")); err != nil || !strings.Contains(string(doc), "\nmodel: ultimate\n") {
		t.Errorf("%v: %s", err, doc)
	}
}

// TestTheReadmesFirstChat runs what the README says to do after a deployment.
func TestTheReadmesFirstChat(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\nThen, with the token that was printed")
	_, commands, begun := strings.Cut(section, "```sh\n")
	commands, _, ended := strings.Cut(commands, "```")
	if !found || !begun || !ended {
		t.Fatal("the README has no commands")
	}
	p := prepare(t, demo(t))
	sh := exec.CommandContext(t.Context(), "sh", "-euc", commands)
	sh.Dir, sh.Env = p.Dir, append(p.Env, "PATH="+onPath(t)+":"+os.Getenv("PATH"))
	if out, err := sh.CombinedOutput(); err != nil || !strings.Contains(string(out), "You said: Hello\n") {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestTheReadmesWorker runs what the README says of tools that run.
func TestTheReadmesWorker(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## Tools that run\n")
	parts := strings.SplitN(section, "```", 5) // text, the server's command, text, the steps, text
	if !found || len(parts) < 5 {
		t.Fatal("the README has no commands")
	}
	commands := strings.TrimPrefix(parts[3], "sh\n")
	_, name, found := strings.Cut(strings.TrimSpace(parts[1]), " --script ")
	data, err := os.ReadFile(filepath.Join("../../..", name))
	if !found || err != nil {
		t.Fatal(found, err)
	}
	script, err := turns.ParseScript(name, data)
	if err != nil {
		t.Fatal(err)
	}
	p := prepare(t, demo(t, func(c *server.Config) { c.Runner = script.Runner(nil) }))
	sh := exec.CommandContext(t.Context(), "sh", "-euc", commands)
	sh.Dir, sh.Env = p.Dir, append(p.Env, "PATH="+onPath(t)+":"+os.Getenv("PATH"))
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if text, err := os.ReadFile(filepath.Join(p.Dir, "agents", "hello.sh")); err != nil || string(text) != "echo Hello from a file" {
		t.Errorf("%q %v: %s", text, err, out)
	}
	if want := `(?m)^The file says: .*echo Hello from a file`; !regexp.MustCompile(want).Match(out) {
		t.Errorf("no %s in %s", want, out)
	}
	if info, err := os.Stat(filepath.Join(p.Dir, "worker.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: others can read the key, %v", err, info)
	}
}

// onPath is a folder that has the program under its name.
func onPath(t *testing.T) string {
	t.Helper()
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "sessions")); err != nil {
		t.Fatal(err)
	}
	return bin
}
