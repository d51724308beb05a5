package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write testdata/help.txt anew")

// TestHelp compares the help of the commands with the reviewed one, except of those that are generated completely: their
// texts are reviewed in commands.gen.go.
func TestHelp(t *testing.T) {
	const golden = "testdata/help.txt"
	var b strings.Builder
	root := newApp(nil).command()
	removeGenerated(root)
	help(t, &b, root)
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("run go test ./client/cmd/sessions -run TestHelp -update and read what changed: %s", diff)
	}
}

// removeGenerated removes the commands on operations that have no text by hand, so that lists of commands do not have them.
func removeGenerated(cmd *cobra.Command) {
	for _, inner := range cmd.Commands() {
		if id := inner.Annotations[operationAnnotation]; id != "" && helpTexts[id] == (helpText{}) {
			cmd.RemoveCommand(inner)
		}
		removeGenerated(inner)
	}
}

// help writes the help of a command and of those that it holds.
func help(t *testing.T, b *strings.Builder, cmd *cobra.Command) {
	if cmd.Hidden {
		return
	}
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.InitDefaultHelpFlag()
	if err := cmd.Help(); err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(out.String(), "\nGlobal Flags:\n")
	b.WriteString("$ " + cmd.CommandPath() + " --help\n" + strings.TrimRight(text, "\n") + "\n\n")
	for _, inner := range cmd.Commands() {
		help(t, b, inner)
	}
}

// Every command that does something has an example, with flags that exist.
func TestEveryCommandHasAnExample(t *testing.T) {
	walk(newApp(nil).command(), func(cmd *cobra.Command) {
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s has no example of its own: %q", cmd.CommandPath(), cmd.Example)
		}
		for word := range strings.FieldsSeq(strings.ReplaceAll(cmd.Example, cmd.CommandPath(), "")) {
			if name, ok := strings.CutPrefix(word, "--"); ok && cmd.Flags().Lookup(name) == nil {
				t.Errorf("%s has no flag %s, which is in its example", cmd.CommandPath(), word)
			}
		}
	})
}

// On a terminal help is as wide as that, except for the examples.
func TestHelpFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"create"}, {"chat"}, {"login"}, {"credentials", "create"}} {
		var out bytes.Buffer
		a := newApp(nil)
		a.out = stream{to: &out, terminal: true, width: 80}
		if code := run(t.Context(), a, append(args, "--help")); code != exitOK {
			t.Fatalf("exit code %d", code)
		}
		example := false
		for line := range strings.Lines(out.String()) {
			if example = line == "Examples:\n" || example && line != "\n"; !example && len(line) > 81 && strings.Count(line, " ") > 4 {
				t.Errorf("%v: %q", args, line)
			}
		}
	}
}
