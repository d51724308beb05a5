package client_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
)

// TestTheReadmesProgram compiles the README's program in a module of its own, which knows this one only by
// its import path, and runs it against a real server.
func TestTheReadmesProgram(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(readme), "```go\n")
	program, _, ended := strings.Cut(after, "```")
	if !found || !ended {
		t.Fatal("the README has no Go program")
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"main.go": program,
		"go.sum":  string(sums),
		"go.mod": "module consumer\n\ngo 1.26\n\nrequire github.com/cloud-sessions/sessions v0.0.0\n\n" +
			"replace github.com/cloud-sessions/sessions => " + root + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	s, err := server.New(t.Context(), server.Config{Demo: true, DemoToken: "pt-readme"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()

	run := exec.CommandContext(t.Context(), "go", "run", "-mod=mod", ".")
	run.Dir = dir
	run.Env = append(os.Environ(), "QODER_PAT=pt-readme", "QODER_BASE_URL="+web.URL+"/api/v1/cloud", "GOFLAGS=")
	out, err := run.CombinedOutput()
	if want := "idle 我的会话 test-agent-e2e\nYou said: What do you do?\nend_turn\nno such agent\n"; err != nil || string(out) != want {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
}
