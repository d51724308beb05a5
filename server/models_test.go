package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
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
		"not YAML":       {yaml: "- [", wrong: "is not a list of models"},
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
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(builtin), "ultimate", "mine")), 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, func(c *server.Config) { c.Models = file })
	if diff := cmp.Diff("mine", h.get("/models").ids()[0]); diff != "" {
		t.Error(diff)
	}
}
