package main

import (
	"bytes"
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
	p := prepare(t, demo(t))
	out := p.shell(t, fenced(t, after(t, "\n## The command line\n"), 0))
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
	out := prepare(t, demo(t)).shell(t, fenced(t, after(t, "\nThen, with the token that was printed"), 0))
	if !bytes.Contains(out, []byte("You said: Hello\n")) {
		t.Fatalf("%s", out)
	}
}

// TestTheReadmesWorker runs what the README says of tools that run.
func TestTheReadmesWorker(t *testing.T) {
	t.Parallel()
	section := after(t, "\n## Tools that run\n")
	serve, steps := fenced(t, section, 0), fenced(t, section, 1)
	_, name, found := strings.Cut(strings.TrimSpace(serve), " --script ")
	data, err := os.ReadFile(filepath.Join("../../..", name))
	if !found || err != nil {
		t.Fatal(found, err)
	}
	script, err := turns.ParseScript(name, data)
	if err != nil {
		t.Fatal(err)
	}
	p := prepare(t, demo(t, func(c *server.Config) { c.Runner = script.Runner(nil) }))
	out := p.shell(t, steps)
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

// after returns what follows a text in the README.
func after(t *testing.T, text string) string {
	t.Helper()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), text)
	if !found {
		t.Fatalf("the README has no %q", text)
	}
	return section
}

// fenced returns the n-th block of commands of a section, from 0.
func fenced(t *testing.T, section string, n int) string {
	t.Helper()
	parts := strings.SplitN(section, "```", 2*n+3) // text, a block, text, ...
	commands, isShell := strings.CutPrefix(parts[min(2*n+1, len(parts)-1)], "sh\n")
	if !isShell || len(parts) < 2*n+3 {
		t.Fatal("the README has no commands")
	}
	return commands
}

// shell runs commands in the folder of a program that is not started, with sessions on the path, and returns what they write.
func (p *program) shell(t *testing.T, commands string) []byte {
	t.Helper()
	sh := exec.CommandContext(t.Context(), "sh", "-euc", commands)
	sh.Dir, sh.Env = p.Dir, append(p.Env, "PATH="+onPath(t)+":"+os.Getenv("PATH"))
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return out
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
