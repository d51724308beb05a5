// Package needs finds the programs that some tests need and not every machine has.
package needs

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of a program. Where it is not installed the test is skipped, or fails under CI.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is not installed", name)
	default:
		t.Skipf("skipped, since it needs %s", name)
	}
	return path
}

// Compose skips the test where Docker Compose is not installed. CI does without it.
func Compose(t testing.TB) {
	t.Helper()
	if exec.CommandContext(t.Context(), "docker", "compose", "version").Run() != nil {
		t.Skip("skipped, since it needs docker compose")
	}
}
