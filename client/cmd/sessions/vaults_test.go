package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheLifeOfACredential reads secrets from files and standard input; no output has them.
func TestTheLifeOfACredential(t *testing.T) {
	t.Parallel()
	api := demo(t)
	const canary = "tok-canary-8d1f"
	var shown strings.Builder
	show := func(args ...string) string {
		t.Helper()
		out := ok(t, api, args...)
		shown.WriteString(out)
		return out
	}
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	vault := strings.TrimSpace(show("vaults", "create", "--display-name", "v", "--metadata", "a=b", "-o", "id"))
	bearer := strings.TrimSpace(show("credentials", "create", vault, "--mcp-server-url", "https://mcp.example", "--secret-file", file("token", canary+"\r\n"), "-o", "id"))
	if diff := cmp.Diff(map[string]any{"auth": map[string]any{"type": "static_bearer", "mcp_server_url": "https://mcp.example"}}, fields(t, show("credentials", "get", vault, bearer), "auth")); diff != "" {
		t.Error(diff)
	}
	piped := prepare(t, api, "credentials", "create", vault, "--type", "environment_variable", "--secret-name", "A", "--secret-file", "-", "-o", "id")
	piped.Stdin = strings.NewReader(canary)
	piped.end(t)
	shown.WriteString(piped.out.String() + piped.err.String())
	show("credentials", "create", vault, "--file", file("oauth.yaml", "auth: {type: mcp_oauth, mcp_server_url: https://o.example, access_token: "+canary+"}\n"))
	for _, id := range []string{bearer, strings.TrimSpace(piped.out.String())} {
		show("credentials", "update", vault, id, "--secret-file", file("new", canary+"2"), "--metadata", "x=y")
	}
	if got := show("credentials", "list", vault, "-o", "table"); !strings.Contains(got, "https://mcp.example") || !strings.Contains(got, "environment_variable") {
		t.Errorf("list: %s", got)
	}
	for _, args := range [][]string{
		{"credentials", "create", vault, "--mcp-server-url", "https://x.example", "--secret-file", file("bad", canary+" "+canary)},
		{"credentials", "create", vault, "--type", "other", "--secret-file", file("good", canary)},
		{"credentials", "create", vault, "--secret-file", filepath.Join(folder, "none")},
		{"credentials", "create", vault, "--secret-file", "-", "--file", "-"},
		{"credentials", "update", vault, bearer},
	} {
		p := prepare(t, api, args...)
		if code := p.end(t); code == 0 {
			t.Errorf("%v succeeds: %s", args, &p.out)
		}
		shown.WriteString(p.out.String() + p.err.String())
	}
	for _, args := range [][]string{{"--mcp-server-url", "https://x.example"}, {"--type", "environment_variable", "--secret-name", "A"}, {"--metadata", "a=b"}} {
		fails(t, api, exitUsage, "the secret is missing; give --secret-file FILE", append([]string{"credentials", "create", vault}, args...)...)
	}
	show("credentials", "archive", vault, bearer)
	show("credentials", "delete", vault, bearer)
	show("vaults", "delete", vault)
	if strings.Contains(shown.String(), canary) {
		t.Errorf("a command shows the secret: %s", &shown)
	}
}
