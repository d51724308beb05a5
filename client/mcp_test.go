package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// sum is the input of the calculator's tools.
type sum struct {
	A int `json:"a"`
	B int `json:"b"`
}

// calculator is an MCP server made with the official SDK, which demands a header Authorization. It forgets its sessions when
// forget is called.
func calculator(t *testing.T, authorization string) (url string, forget func()) {
	t.Helper()
	calc := mcp.NewServer(&mcp.Implementation{Name: "calculator", Version: "1"}, nil)
	add := func(_ context.Context, _ *mcp.CallToolRequest, in sum) (*mcp.CallToolResult, map[string]int, error) {
		if in.B == 0 {
			return nil, nil, errors.New("nothing to add")
		}
		return nil, map[string]int{"sum": in.A + in.B}, nil
	}
	mcp.AddTool(calc, &mcp.Tool{Name: "math.add", Description: "Adds."}, add)
	mcp.AddTool(calc, &mcp.Tool{Name: "math.launch", Description: "Adds, at a cost."}, add)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return calc }, nil)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != authorization {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	forget = func() {
		for session := range calc.Sessions() {
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

// calculating is a session whose agent has a calculator.
func calculating(t *testing.T, s *servertest.Server, c *client.Client, url string, vaults ...client.VaultID) client.SessionID {
	t.Helper()
	agent, err := c.Agents.Create(t.Context(), &client.CreateAgentRequest{
		Name: "calculating", Model: "auto",
		Tools: []client.AgentTool{client.NewAgentTool(client.MCPToolset{
			MCPServerName: "calc",
			Configs:       []client.MCPToolConfig{{Name: "math.launch", PermissionPolicy: new(client.PermissionPolicy("always_ask"))}},
		})},
		MCPServers: []client.MCPServer{client.NewMCPServer(client.MCPServerHTTP{Name: "calc", URL: url})},
	})
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: agent.ID}, EnvironmentID: s.EnvironmentID, VaultIDs: vaults,
	})
	if err != nil {
		t.Fatal(err)
	}
	return session.ID
}

// An agent uses the tools of an MCP server in a turn: those that it may, and those that it must ask for.
func TestMCPTools(t *testing.T) {
	t.Parallel()
	url, forget := calculator(t, "")
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
	allow := &client.RunParams{ConfirmMCP: func(context.Context, client.AgentMCPToolUseEvent) error { return nil }}
	deny := &client.RunParams{ConfirmMCP: func(_ context.Context, use client.AgentMCPToolUseEvent) error {
		return errors.New("not " + use.MCPServerName + "'s " + use.Name)
	}}
	id := calculating(t, s, c, url)
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
	events, err := readAll(c.Sessions.Run(t.Context(), calculating(t, s, c, "http://192.0.2.1/mcp"), "hello", nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`error: The MCP server "calc" could not be used. This server does not allow requests to the host '192.0.2.1'; its operator can.`, "Hello.", "idle: end_turn"}
	if diff := cmp.Diff(want, steps(events)); diff != "" {
		t.Error(diff)
	}
}

// An MCP server gets the credential of the session's vaults, which is refreshed when it has expired.
func TestMCPCredentials(t *testing.T) {
	t.Parallel()
	url, _ := calculator(t, "Bearer canary-1")
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("refresh_token") != "canary-2" {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"canary-1","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	s := servertest.New(t, func(c *server.Config) { c.Features = []string{server.FeatureM3} })
	s.Script(`
rules:
  - match: {contains: add}
    steps:
      - use: {tool: math.add, mcp_server: calc, input: {a: 2, b: 3}}
  - steps: [{say: Hello.}]
`)
	c := s.Client()
	const away = `error: The MCP server "calc" could not be used. `
	for name, tc := range map[string]struct {
		auth, message string
		want          []string
	}{
		"fits":    {fmt.Sprintf(`{"type":"static_bearer","mcp_server_url":%q,"token":"canary-1"}`, url), "add", []string{`use calc math.add {"a":2,"b":3} allow`, `result {"sum":5}`, "idle: end_turn"}},
		"another": {fmt.Sprintf(`{"type":"static_bearer","mcp_server_url":%q,"token":"canary-1"}`, url+"/other"), "hello", []string{away + "It refused the request with the status 401; a vault of the session needs a credential for its URL that it accepts.", "Hello.", "idle: end_turn"}},
		"wrong":   {fmt.Sprintf(`{"type":"static_bearer","mcp_server_url":%q,"token":"canary-3"}`, url), "hello", []string{away + "The credential for it cannot be used: the MCP server refused the vault's credential; update the credential.", "Hello.", "idle: end_turn"}},
		"expired": {fmt.Sprintf(`{"type":"mcp_oauth","mcp_server_url":%q,"access_token":"canary-3","expires_at":"2026-01-01T00:00:00Z",
			"refresh":{"client_id":"c","refresh_token":"canary-2","token_endpoint":%q,"token_endpoint_auth":{"type":"none"}}}`, url, tokens.URL), "add",
			[]string{`use calc math.add {"a":2,"b":3} allow`, `result {"sum":5}`, "idle: end_turn"}},
	} {
		t.Run(name, func(t *testing.T) {
			vault := newVault(t, s, tc.auth)
			events, err := readAll(c.Sessions.Run(t.Context(), calculating(t, s, c, url, vault), tc.message, nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, steps(events)); diff != "" {
				t.Error(diff)
			}
			if all := fmt.Sprint(events); strings.Contains(all, "canary") {
				t.Errorf("a secret is shown: %s", all)
			}
		})
	}
}

// newVault creates a vault with one credential.
func newVault(t *testing.T, s *servertest.Server, auth string) client.VaultID {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL+"/vaults", strings.NewReader(`{"display_name":"v","credentials":[{"auth":`+auth+`}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var vault client.Vault
	if err := json.NewDecoder(resp.Body).Decode(&vault); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return vault.ID
}
