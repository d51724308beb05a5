package sdktest_test

import (
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestNodeTestExample compiles the tests of client/examples/nodetest, and runs them against a demo that they control.
func TestNodeTestExample(t *testing.T) {
	t.Parallel()
	_, run := npmExample(t, servertest.New(t, func(c *server.Config) { c.Control = true }), "nodetest")
	run("run", "build")
	if out := run("test"); !strings.Contains(out, "# pass 3\n") || !strings.Contains(out, "# fail 0\n") {
		t.Errorf("%s", out)
	}
}
