package servertest_test

import (
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheReadmesTest checks that the README's test is the one in internal/support, which passes there, and that it
// imports only what a module of its own may import.
func TestTheReadmesTest(t *testing.T) {
	t.Parallel()
	const path = "internal/support/support_test.go"
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## Test against it\n")
	_, test, begun := strings.Cut(section, "```go\n")
	test, _, ended := strings.Cut(test, "```")
	if !found || !begun || !ended {
		t.Fatal("the README has no test")
	}
	passing, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(passing), test); diff != "" {
		t.Errorf("the README's test is not %s (-file, +README):\n%s", path, diff)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, passing, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil || strings.Contains(name, "internal") {
			t.Errorf("it imports %s, %v", name, err)
		}
	}
}
