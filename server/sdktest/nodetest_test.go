package sdktest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/internal/needs"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestNodeTestExample compiles the tests of client/examples/nodetest, and runs them against a demo that they control.
func TestNodeTestExample(t *testing.T) {
	t.Parallel()
	npm := needs.Program(t, "npm")
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.FromSlash("../../client/examples/nodetest"))); err != nil {
		t.Fatal(err)
	}
	s := servertest.New(t, func(c *server.Config) { c.Control = true })
	var out []byte
	for _, args := range [][]string{{"ci", "--no-audit", "--no-fund", "--loglevel=error"}, {"run", "build"}, {"test"}} {
		cmd := exec.CommandContext(t.Context(), npm, args...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "SESSIONS_URL="+s.URL, "QODER_PAT="+s.Token)
		var err error
		if out, err = cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if !strings.Contains(string(out), "# pass 3\n") || !strings.Contains(string(out), "# fail 0\n") {
		t.Errorf("%s", out)
	}
}
