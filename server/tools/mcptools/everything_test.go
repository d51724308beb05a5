//go:build unix

package mcptools_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api/npmtest"
	"github.com/cloud-sessions/sessions/server/internal/needs"
	"github.com/cloud-sessions/sessions/server/turn"
)

// everything is the reference server, which its authors made to try clients.
const everything = "@modelcontextprotocol/server-everything@2026.8.31"

func TestReferenceServer(t *testing.T) {
	t.Parallel()
	needs.Program(t, "npx")
	for transport, c := range map[string]struct{ kind, path string }{
		"streamableHttp": {"http", "/mcp"},
		"sse":            {"url", "/sse"},
	} {
		url := npmtest.Start(t, everything, "env", "PORT=FREE", "mcp-server-everything", transport) // not at once: npx would install it twice
		t.Run(transport, func(t *testing.T) {
			r := start(t, nil)
			box := r.open(t, r.agent(c.kind, url+c.path))
			if len(box.Problems) != 0 || len(box.Tools) < 10 {
				t.Fatalf("%d tools, %q", len(box.Tools), box.Problems)
			}
			tool := func(name string) turn.Tool {
				t.Helper()
				at := slices.IndexFunc(box.Tools, func(tool turn.Tool) bool { return tool.Name == name })
				if at < 0 {
					t.Fatalf("no tool %s", name)
				}
				return box.Tools[at]
			}
			for _, call := range []struct {
				tool, input, want string
				failed            bool
			}{
				{"get-sum", `{"a":2,"b":3}`, "The sum of 2 and 3 is 5.", false},
				{"echo", `{"message":"你好 🌞"}`, "Echo: 你好 🌞", false},
				{"echo", `{"message":7}`, "Invalid arguments", true},
				{"get-tiny-image", `{}`, `[An image of type "image/png" with`, false},
				{"get-structured-content", `{"location":"Chicago"}`, `"temperature"`, false},
				{"trigger-long-running-operation", `{"duration":0.1,"steps":2}`, "Long running operation completed", false},
			} {
				if got := run(t, tool(call.tool), call.input); got.Failed != call.failed || !strings.Contains(got.Text, call.want) {
					t.Errorf("%s %s: %+v", call.tool, call.input, got)
				}
			}
		})
	}
}
