package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store"
)

func TestModelsComeFromAFile(t *testing.T) {
	builtin, err := os.ReadFile("operations/models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "models.yaml")
	for name, c := range map[string]struct{ yaml, wrong string }{
		"renamed":        {yaml: strings.ReplaceAll(string(builtin), "ultimate", "mine")},
		"empty":          {yaml: "[]"},
		"not a list":     {yaml: "id: x", wrong: "is not a list of models"},
		"not YAML":       {yaml: "- [", wrong: "models.yaml:1: not valid YAML: did not find expected node content"},
		"a text":         {yaml: "- x", wrong: "Field 'data[0]' must be an object."},
		"two documents":  {yaml: "[]\n---\n[]", wrong: "models.yaml:2:1: the file must be only one document; a second one begins here"},
		"a key twice":    {yaml: "- id: a\n  id: b", wrong: "models.yaml:2: not valid YAML: mapping key \"id\" already defined at line 1"},
		"after a BOM":    {yaml: "\ufeff" + string(builtin)},
		"alias bomb":     {yaml: bomb(), wrong: "models.yaml: not valid YAML: document contains excessive aliasing"},
		"nothing":        {yaml: "# nothing", wrong: "models.yaml: the file is empty"},
		"a field less":   {yaml: strings.Replace(string(builtin), "  price_factor: 1.6\n", "", 1), wrong: "Missing required field: data[0].price_factor"},
		"a field more":   {yaml: strings.Replace(string(builtin), "  price_factor: 1.6\n", "  price_factor: 1.6\n  speed: 9\n", 1), wrong: "Unknown field 'data[0].speed'."},
		"a wrong number": {yaml: strings.Replace(string(builtin), "price_factor: 1.6", "price_factor: -1", 1), wrong: "Field 'data[0].price_factor' must be a number between 0 and 1000."},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(c.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := server.New(t.Context(), server.Config{Models: file})
			if err == nil {
				_ = s.Close()
			}
			if (err != nil) != (c.wrong != "") || (err != nil && !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("%v, want %q", err, c.wrong)
			}
		})
	}
	if _, err := server.New(t.Context(), server.Config{Models: file + ".gone"}); err == nil || !strings.Contains(err.Error(), "models: open") {
		t.Errorf("%v", err)
	}
	// A name keeps its spelling.
	ids := []string{"mine", "1.10", "012", "yes", "true", "0x1F", "2026-05-18"}
	one, _, _ := strings.Cut(string(builtin), "- id: auto")
	var several strings.Builder
	for _, id := range ids {
		several.WriteString(strings.Replace(one, "id: ultimate", "id: "+id, 1))
	}
	if err := os.WriteFile(file, []byte(several.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, func(c *server.Config) { c.Models = file })
	if diff := cmp.Diff(ids, h.get("/models").ids()); diff != "" {
		t.Error(diff)
	}
}

// TestListedModelsOnly creates and changes agents on a server that refuses models that it does not list.
func TestListedModelsOnly(t *testing.T) {
	builtin, err := os.ReadFile("operations/models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "models.yaml")
	list, auto, _ := strings.Cut(string(builtin), "- id: auto")
	list += "- id: auto" + strings.Replace(auto, "is_enabled: true", "is_enabled: false", 1)
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, func(c *server.Config) { c.Models, c.ListedModelsOnly = file, true })
	old, err := h.db.CreateAgent(t.Context(), "alice", store.AgentSpec{
		Name: "old", Model: "of-the-endpoint", Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]"),
	})
	if err != nil {
		t.Fatal(err)
	}
	refused := badRequest("model", "Field 'model' must be one of: ultimate, echo.")
	for body, want := range map[string]refusal{
		`{"name": "a", "model": "of-the-endpoint"}`:           refused,
		`{"name": "a", "model": {"id": "auto"}}`:              refused,
		`{"name": "a", "model": "Ultimate"}`:                  refused,
		`{"name": "a", "model": {"id": "echo"}, "tools": []}`: {Status: 201},
	} {
		if got := refusalOf(h.post("/agents", body)); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
	for _, change := range []struct {
		fields string
		want   refusal
	}{
		{`"name": "renamed"`, refusal{Status: 200}}, // it keeps what it has
		{`"name": "renamed", "model": "of-the-endpoint"`, refusal{Status: 200}},
		{`"model": "another"`, refused},
		{`"model": "echo"`, refusal{Status: 200}},
		{`"model": "of-the-endpoint"`, refused},
	} {
		body := fmt.Sprintf(`{"version": %v, %s}`, h.get("/agents/"+old.ID).field("version"), change.fields)
		if got := refusalOf(h.post("/agents/"+old.ID, body)); got != change.want {
			t.Errorf("%s: %v", body, got)
		}
	}
}

// bomb is a small file that means 10^9 texts.
func bomb() string {
	text := "- &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		text += fmt.Sprintf("- &a%d [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return text
}
