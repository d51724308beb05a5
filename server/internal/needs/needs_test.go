package needs_test

import (
	"testing"

	"github.com/cloud-sessions/sessions/server/internal/needs"
)

// TestPrograms reports which programs the tests miss: make test prints it.
func TestPrograms(t *testing.T) {
	for _, name := range []string{"buildah", "bwrap", "caddy", "chromium", "haproxy", "nginx", "node", "npx", "pgbouncer", "promtool", "python3", "systemd-analyze"} {
		t.Run(name, func(t *testing.T) { needs.Program(t, name) })
	}
	t.Run("docker compose", func(t *testing.T) { needs.Compose(t) })
}
