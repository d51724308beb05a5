package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// sum is the input of the calculator's tools.
type sum struct {
	A int `json:"a"`
	B int `json:"b"`
}

// calculator is an MCP server made with the official SDK. It forgets its sessions when forget is called.
func calculator(t *testing.T) (url string, forget func()) {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: "calculator", Version: "1"}, nil)
	add := func(_ context.Context, _ *mcp.CallToolRequest, in sum) (*mcp.CallToolResult, map[string]int, error) {
		if in.B == 0 {
			return nil, nil, errors.New("nothing to add")
		}
		return nil, map[string]int{"sum": in.A + in.B}, nil
	}
	mcp.AddTool(server, &mcp.Tool{Name: "math.add", Description: "Adds."}, add)
	mcp.AddTool(server, &mcp.Tool{Name: "math.launch", Description: "Adds, at a cost."}, add)
	web := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	forget = func() {
		for session := range server.Sessions() {
			_ = session.Close()
		}
	}
	t.Cleanup(func() {
		forget()
		web.Close()
	})
	return web.URL, forget
}

// steps lists what happened in a turn, as far as MCP tools matter.
func steps(events []client.Event) (lines []string) {
	for _, e := range events {
		switch v := e.Value.(type) {
		case client.AgentMCPToolUseEvent:
			lines = append(lines, strings.Join([]string{"use", v.MCPServerName, v.Name, string(v.Input), string(v.EvaluatedPermission)}, " "))
		case client.AgentMCPToolResultEvent:
			lines = append(lines, "result "+v.Content.Text())
			if v.IsError {
				lines[len(lines)-1] += " (error)"
			}
		case client.UserToolConfirmationEvent:
			lines = append(lines, string(v.Result))
		case client.AgentMessageEvent:
			lines = append(lines, e.Text())
		case client.SessionErrorEvent:
			lines = append(lines, "error: "+v.Error.Message)
		case client.SessionStatusIdleEvent:
			lines = append(lines, "idle: "+string(v.StopReason.Type))
		}
	}
	return lines
}

// An agent uses the tools of an MCP server in a turn: those that it may, and those that it must ask for.
func TestMCPTools(t *testing.T) {
	t.Parallel()
	url, forget := calculator(t)
	s := servertest.New(t)
	s.Script(`
rules:
  - match: {contains: add}
    steps:
      - use: {tool: math.add, mcp_server: calc, input: {a: 2, b: 3}}
      - use: {tool: math.add, mcp_server: calc, input: {a: 2, b: 0}}
      - say: "{{result}}"
  - match: {contains: launch}
    steps:
      - use: {tool: math.launch, mcp_server: calc, input: {a: 2, b: 3}, denied: [{say: "Not launched: {{result}}"}]}
      - say: "{{result}}"
  - steps: [{say: Hello.}]
`)
	c := s.Client()
	newSession := func(server string) client.SessionID {
		t.Helper()
		agent, err := c.Agents.Create(t.Context(), &client.CreateAgentRequest{
			Name: "calculating", Model: "auto",
			Tools: []client.AgentTool{client.NewAgentTool(client.MCPToolset{
				MCPServerName: "calc",
				Configs:       []client.MCPToolConfig{{Name: "math.launch", PermissionPolicy: new(client.PermissionPolicy("always_ask"))}},
			})},
			MCPServers: []client.MCPServer{client.NewMCPServer(client.MCPServerHTTP{Name: "calc", URL: server})},
		})
		if err != nil {
			t.Fatal(err)
		}
		session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: agent.ID}, EnvironmentID: s.EnvironmentID})
		if err != nil {
			t.Fatal(err)
		}
		return session.ID
	}
	allow := &client.RunParams{ConfirmMCP: func(context.Context, client.AgentMCPToolUseEvent) error { return nil }}
	deny := &client.RunParams{ConfirmMCP: func(_ context.Context, use client.AgentMCPToolUseEvent) error {
		return errors.New("not " + use.MCPServerName + "'s " + use.Name)
	}}
	id := newSession(url)
	for _, turn := range []struct {
		message string
		params  *client.RunParams
		want    []string
	}{
		{"add", nil, []string{
			`use calc math.add {"a":2,"b":3} allow`, `result {"sum":5}`,
			`use calc math.add {"a":2,"b":0} allow`, `result nothing to add (error)`, "nothing to add", "idle: end_turn",
		}},
		{"launch", allow, []string{`use calc math.launch {"a":2,"b":3} ask`, "idle: requires_action", "allow", `result {"sum":5}`, `{"sum":5}`, "idle: end_turn"}},
		{"launch", deny, []string{
			`use calc math.launch {"a":2,"b":3} ask`, "idle: requires_action", "deny", "result not calc's math.launch (error)",
			"Not launched: not calc's math.launch", "idle: end_turn",
		}},
		{"launch", nil, []string{`use calc math.launch {"a":2,"b":3} ask`, "idle: requires_action"}},
		{"add again", nil, []string{
			`use calc math.add {"a":2,"b":3} allow`, `result {"sum":5}`,
			`use calc math.add {"a":2,"b":0} allow`, `result nothing to add (error)`, "nothing to add", "idle: end_turn",
		}},
	} {
		forget()
		events, err := readAll(c.Sessions.Run(t.Context(), id, turn.message, turn.params))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(turn.want, steps(events)); diff != "" {
			t.Errorf("%s: %s", turn.message, diff)
		}
	}
	// A server that cannot be used costs the turn an error event.
	events, err := readAll(c.Sessions.Run(t.Context(), newSession("http://192.0.2.1/mcp"), "hello", nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`error: The MCP server "calc" could not be used. This server does not allow requests to the host '192.0.2.1'; its operator can.`, "Hello.", "idle: end_turn"}
	if diff := cmp.Diff(want, steps(events)); diff != "" {
		t.Error(diff)
	}
}
