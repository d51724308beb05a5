package sdktest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/internal/needs"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// npmExample copies one of client/examples to the same path below a temporary folder, which it returns, and installs what the
// example needs. Run runs npm there, with the server in the environment, and returns what it prints.
func npmExample(t *testing.T, s *servertest.Server, example string) (folder string, run func(args ...string) string) {
	t.Helper()
	npm := needs.Program(t, "npm")
	example = filepath.Join("client", "examples", example)
	folder = filepath.Join(t.TempDir(), example)
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("..", "..", example))); err != nil {
		t.Fatal(err)
	}
	run = func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), npm, args...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "SESSIONS_URL="+s.URL, "QODER_BASE_URL="+s.BaseURL, "QODER_PAT="+s.Token)
		var out, log strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &log
		if err := cmd.Run(); err != nil {
			t.Fatalf("npm %s: %v\n%s%s", strings.Join(args, " "), err, &out, &log)
		}
		return out.String()
	}
	run("ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error")
	return folder, run
}
