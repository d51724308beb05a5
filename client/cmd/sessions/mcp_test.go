//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cloud-sessions/sessions/server"
	turns "github.com/cloud-sessions/sessions/server/turn"
)

// launcher is the URL of an MCP server with the tool launch.
func launcher(t *testing.T) string {
	t.Helper()
	mcpServer := mcp.NewServer(&mcp.Implementation{Name: "launcher", Version: "1"}, nil)
	mcp.AddTool(mcpServer, &mcp.Tool{Name: "launch"}, func(_ context.Context, _ *mcp.CallToolRequest, in struct {
		Pad int `json:"pad"`
	}) (*mcp.CallToolResult, any, error) {
		if in.Pad != 7 {
			return nil, nil, fmt.Errorf("pad %d is closed", in.Pad)
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "lift-off"}}}, nil, nil
	})
	web := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return mcpServer }, &mcp.StreamableHTTPOptions{Stateless: true}))
	t.Cleanup(web.Close)
	return web.URL
}

// What does not work in a turn is said without a terminal as well, although the turn continues.
func TestProblemsOfTurns(t *testing.T) {
	t.Parallel()
	script, err := turns.ParseScript("script.yaml", []byte(`
rules:
  - steps: [{use: {tool: launch, mcp_server: range, input: {pad: 8}}}, {say: Then not.}]
`))
	if err != nil {
		t.Fatal(err)
	}
	api := demo(t, func(c *server.Config) { c.Runner, c.MCPAllow = script.Runner(nil), []string{"127.0.0.1"} })
	p := prepare(t, api, "agents", "create", "-f", "-", "-o", "id")
	p.Stdin = strings.NewReader(fmt.Sprintf(`
name: launching
model: auto
mcp_servers: [{type: http, name: range, url: %q}, {type: http, name: away, url: %q}]
tools: [{type: mcp_toolset, mcp_server_name: range}, {type: mcp_toolset, mcp_server_name: away}]
`, launcher(t), "https://away.example/mcp"))
	session := id(t, api, "create", "--agent", strings.TrimSpace(okWith(t, p)), "--environment", server.DemoEnvironment)
	p = prepare(t, api, "send", session, "go")
	code := p.end(t)
	want := regexp.MustCompile(`^sessions: The MCP server "away" could not be used\. .*away\.example.*
sessions: the tool launch of the MCP server "range" at 127\.0\.0\.1:\d+ failed: pad 8 is closed
$`)
	if code != exitOK || p.out.String() != "Then not.\n" || !want.MatchString(p.said()) {
		t.Errorf("exit code %d, %s%s", code, &p.out, p.said())
	}
}

// The tools of MCP servers are shown, asked for and allowed as other tools are.
func TestMCPTools(t *testing.T) {
	t.Parallel()
	script, err := turns.ParseScript("script.yaml", []byte(`
rules:
  - match: {text: launch}
    steps:
      - use: {tool: launch, mcp_server: cape, input: {pad: 7}, denied: [{say: "As you say: {{result}}"}]}
      - say: "{{result}}"
  - steps: [{use: {tool: launch, mcp_server: range, input: {pad: 8}}}, {say: Then not.}]
`))
	if err != nil {
		t.Fatal(err)
	}
	api := demo(t, func(c *server.Config) { c.Runner, c.MCPAllow = script.Runner(nil), []string{"127.0.0.1"} })
	url := launcher(t)
	p := prepare(t, api, "agents", "create", "-f", "agent.yaml", "-o", "id")
	agent := fmt.Sprintf(`
name: launching
model: auto
mcp_servers: [{type: http, name: cape, url: %q}, {type: http, name: range, url: %q}]
tools:
  - {type: mcp_toolset, mcp_server_name: cape, default_config: {permission_policy: always_ask}}
  - {type: mcp_toolset, mcp_server_name: range}
`, url, url)
	if err := os.WriteFile(filepath.Join(p.Dir, "agent.yaml"), []byte(agent), 0o600); err != nil {
		t.Fatal(err)
	}
	session := id(t, api, "create", "--agent", strings.TrimSpace(okWith(t, p)), "--environment", server.DemoEnvironment)
	p = prepare(t, api, "send", session, "launch")
	if code, want := p.end(t), `sessions: the agent is waiting: to use cape/launch {"pad":7}; send --allow evt_… or --deny evt_…`+"\n"; code != exitFailure || eventID.ReplaceAllString(p.said(), "evt_…") != want {
		t.Errorf("exit code %d, %s", code, p.said())
	}
	if got := ok(t, api, "send", session, "--allow", latest(t, api, session, "agent.mcp_tool_use")); got != "lift-off\n" {
		t.Errorf("%s", got)
	}
	table := ok(t, api, "events", session, "-o", "table")
	for _, want := range []string{`agent\.mcp_tool_use +cape/launch \{"pad":7\}`, `agent\.mcp_tool_result +lift-off`} {
		if !regexp.MustCompile(want).MatchString(table) {
			t.Errorf("the events lack %s:\n%s", want, table)
		}
	}
	p = prepare(t, api, "chat", session)
	p.Env = append(p.Env, "NO_COLOR=1")
	terminal := p.onTerminal(t)
	terminal.wait(t, `> $`)
	terminal.say(t, "launch")
	terminal.wait(t, `· cape/launch \{"pad":7\}\nallow cape/launch \{"pad":7\}\? \[y/N, or a reason to deny it\] \n> $`)
	terminal.say(t, "it rains")
	terminal.wait(t, `As you say: it rains\n> $`)
	terminal.say(t, "another")
	terminal.wait(t, `· range/launch \{"pad":8\}\nsessions: the tool launch of the MCP server "range" at 127\.0\.0\.1:\d+ failed: pad 8 is closed\nThen not\.\n> $`)
	_, _ = terminal.Write([]byte{4}) // Ctrl-D
	_ = terminal.rest(t, p)
}
