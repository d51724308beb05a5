package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
)

// An agent with a model that the server does not list, or that is not enabled, is created with a remark.
func TestRemarksOnModels(t *testing.T) {
	t.Parallel()
	builtin, err := os.ReadFile("../../../server/operations/models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list, auto, _ := strings.Cut(string(builtin), "- id: auto")
	list += "- id: auto" + strings.Replace(auto, "is_enabled: true", "is_enabled: false", 1)
	file := filepath.Join(t.TempDir(), "models.yaml")
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	api := demo(t, func(c *server.Config) { c.Models = file })
	const mayFail = ", so that turns of the agent may fail; 'sessions models list' shows the models\n"
	for model, want := range map[string]string{
		"ultimate": "",
		"ultimte":  `sessions: the server does not list the model "ultimte"` + mayFail,
		"auto":     `sessions: the model "auto" is not enabled` + mayFail,
	} {
		p := prepare(t, api, "agents", "create", "--name", "a", "--model", model, "-o", "id")
		if code := p.end(t); code != exitOK || p.said() != want || !strings.HasPrefix(p.out.String(), "agent_") {
			t.Errorf("%s: exit code %d, %s%s", model, code, &p.out, p.said())
		}
	}
	agent := id(t, api, "agents", "create", "--name", "a", "--model", "echo")
	if p := prepare(t, api, "agents", "update", agent, "--model", "ech"); p.end(t) != exitOK || !strings.Contains(p.said(), `does not list the model "ech"`) {
		t.Error(p.said())
	}
}
