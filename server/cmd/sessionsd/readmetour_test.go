//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api/npmtest"
	"github.com/cloud-sessions/sessions/server/internal/needs"
)

// TestTheReadmesTourOfResources runs the tour of what a session names, with the MCP server that it names.
func TestTheReadmesTourOfResources(t *testing.T) {
	t.Parallel()
	blocks := snippets(t, "What a session names")
	servers, tour := strings.Split(strings.TrimSpace(blocks[0]), "\n"), blocks[1]
	needs.Program(t, "npx")
	npm := strings.Fields(servers[0]) // npx -y PACKAGE TRANSPORT
	mcp := npmtest.Start(t, npm[2], "env", "PORT=FREE", "mcp-server-everything", npm[3])
	const readmes = "127.0.0.1:3001"
	address := strings.TrimPrefix(mcp, "http://")
	args := strings.Fields(strings.ReplaceAll(servers[1], readmes, address))[3:] // without the token, the program and serve
	script, err := filepath.Abs(filepath.Join(root, args[len(args)-1]))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, []string{"QODER_PAT=pt-tour"}, append(args[:len(args)-1], script)...)

	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", dir, "./client/cmd/sessions") // faster without debugging information
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const agentFile = "server/turn/testdata/tour-agent.yaml"
	agent, err := os.ReadFile(filepath.Join(root, agentFile))
	if err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(ours, []byte(strings.ReplaceAll(string(agent), readmes, address)), 0o600); err != nil {
		t.Fatal(err)
	}
	sh := exec.CommandContext(t.Context(), "sh", "-euc", strings.NewReplacer(readmes, address, agentFile, ours).Replace(tour))
	sh.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "QODER_PAT=pt-tour", "QODER_BASE_URL="+s.baseURL+"/v1")
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"19 chairs for the hall", "The sum of 19 and 23 is 42", "Written: notes/plan.md", "The plan needs 19 + 23 = 42 chairs",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the tour does not show %q:\n%s", want, out)
		}
	}
}
