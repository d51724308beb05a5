package client_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A program that imports the client gets one line in its go.mod for each module that the client needs.
func TestDependenciesAreFew(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := slices.Compact(slices.Sorted(slices.Values(strings.Fields(string(out)))))
	if len(modules) == 0 || len(modules) > 5 {
		t.Errorf("the client needs %d modules, want at most 5: %s", len(modules), modules)
	}
}
