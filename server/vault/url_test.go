package vault_test

import (
	"testing"

	"github.com/cloud-sessions/sessions/server/vault"
)

func TestMatchURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://mcp.example/mcp":          "https://mcp.example/mcp",
		"HTTPS://MCP.Example:443/mcp#top":  "https://mcp.example/mcp",
		"http://mcp.example:80":            "http://mcp.example/",
		"http://mcp.example:443/":          "http://mcp.example:443/",
		"https://mcp.example:/mcp":         "https://mcp.example/mcp",
		"https://[2001:DB8::1]:443/a":      "https://[2001:db8::1]/a",
		"https://mcp.example/MCP":          "https://mcp.example/MCP", // paths have a case
		"https://mcp.example/mcp/":         "https://mcp.example/mcp/",
		"https://mcp.example/mcp?tenant=A": "https://mcp.example/mcp?tenant=A",
		"https://mcp.example/a%2Fb":        "https://mcp.example/a%2Fb",
		"https://user:pass@mcp.example/":   "",
		"ftp://mcp.example/":               "",
		"//mcp.example/":                   "",
		"https:///mcp":                     "",
		"mcp.example":                      "",
		"https://mcp.example:x/":           "",
		"":                                 "",
	} {
		if got := vault.MatchURL(text); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
}
