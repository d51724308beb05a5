package servertest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheReadmesTest runs the README's test in a module of its own, which knows this one only by its import path.
func TestTheReadmesTest(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## Test against it\n")
	_, test, begun := strings.Cut(section, "```go\n")
	test, _, ended := strings.Cut(test, "```")
	if !found || !begun || !ended {
		t.Fatal("the README has no test")
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	needs, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-print", filepath.Join(root, "go.mod")).Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"support_test.go": test,
		"go.sum":          string(sums),
		"go.mod": strings.Replace(string(needs), "module github.com/cloud-sessions/sessions\n", "module support\n", 1) +
			"\nrequire github.com/cloud-sessions/sessions v0.0.0\n\nreplace github.com/cloud-sessions/sessions => " + root + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "go", "test", "-mod=mod", "-v", ".")
	run.Dir = dir
	run.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := run.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestRefund") {
		t.Errorf("%v: %s", err, out)
	}
}
