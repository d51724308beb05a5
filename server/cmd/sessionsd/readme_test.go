package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

const root = "../../.."

// snippets returns the README's sh blocks under a heading.
func snippets(t *testing.T, heading string) []string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the README has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, block[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("the section %q has no sh block", heading)
	}
	return blocks
}

func TestTheReadmesTour(t *testing.T) {
	t.Parallel()
	s := serve(t, []string{"QODER_PAT=pt-tour"}, "--demo", "--echo-delay", "300ms") // which leaves a slow curl time to connect
	tour := snippets(t, "A tour in five curls")[0]
	sh := exec.CommandContext(t.Context(), "sh", "-euc", tour)
	sh.Env = append(os.Environ(), "API="+s.baseURL+"/v1", "QODER_PAT=pt-tour")
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		`"type":"user.message","content":[{"type":"text","text":"你好"}]`, "event: session.status_running\n", "event: event_delta\n",
		"event: session.status_idle\n", `{"data":[{"id":"evt_`, `"content":[{"type":"text","text":"You said: 你好"}]`,
		`"title":"我的会话","status":"idle"`, `"usage":{"input_tokens":1,"output_tokens":3,`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the tour does not show %s:\n%s", want, out)
		}
	}
}

func TestTheReadmesControl(t *testing.T) {
	t.Parallel()
	s := serve(t, []string{"QODER_PAT=pt-test"}, "--demo", "--control", "--db", "sqlite::memory:")
	sh := exec.CommandContext(t.Context(), "sh", "-euc", snippets(t, "Test against it")[0])
	sh.Env = append(os.Environ(), "CONTROL="+s.baseURL+"/control")
	if out, err := sh.CombinedOutput(); err != nil || string(out) != `{"requests":[]}`+"\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestTheReadmesCommands(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(snippets(t, "Two commands")[0]) {
		target := strings.Fields(line)[1]
		if !regexp.MustCompile(`(?m)^` + target + `:`).Match(makefile) {
			t.Errorf("the Makefile has no target %q", target)
		}
	}
	lines := strings.Split(strings.TrimSpace(snippets(t, "Run it for real")[0]), "\n")
	for i, line := range lines {
		args := strings.Fields(strings.TrimPrefix(line, "CGO_ENABLED=0 "))
		switch {
		case i == 0:
			// That it compiles is shown by this test's binary, which is the package that the line has to name.
			list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", "{{.Dir}} {{.Name}}"}, args[4:]...)...)
			list.Dir = root
			here, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			if out, err := list.CombinedOutput(); err != nil || string(out) != here+" main\n" || strings.Join(args[:3], " ") != "go build -o" {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
		case i < len(lines)-1:
			if out, err := program(t, nil, args[1:]...).Output(); err != nil || !strings.HasPrefix(string(out), "pt-") {
				t.Errorf("%s: %v: %s", line, err, out)
			}
		default:
			serve(t, nil, args[2:]...)
		}
	}
}

func TestTheReadmesReplicas(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(snippets(t, "Run it for real")[1]), "\n")
	if !strings.HasPrefix(lines[0], "export SESSIONSD_DB=postgres://") || len(lines) < 3 {
		t.Fatalf("%q", lines)
	}
	db := "SESSIONSD_DB=" + pgtest.Database(t)
	token, err := program(t, []string{db}, "token", "create", "--account", "acme", "--name", "laptop").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		// The later --addr, which takes a free port, wins.
		s := serve(t, []string{db}, append(strings.Fields(line)[2:], "--addr", "127.0.0.1:0")...)
		if got := status(t, s.baseURL+"/v1/sessions", strings.Fields(string(token))[0]); got != 200 {
			t.Errorf("%s: %d", line, got)
		}
	}
}
