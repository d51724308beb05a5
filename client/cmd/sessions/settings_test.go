package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestSettings compares settings.md with the flags and variables of the program, which it is written from.
func TestSettings(t *testing.T) {
	t.Parallel()
	const name = "settings.md"
	got := settings()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := diff.Diff(string(want), got); diff != "" {
		t.Errorf("run go test ./client/cmd/sessions -run TestSettings -update and read what changed: %s", diff)
	}
}

// settings are the tables of settings.md.
func settings() string {
	var b strings.Builder
	b.WriteString("# Settings of sessions\n\n`go test ./client/cmd/sessions -run TestSettings -update` writes this file.\n")
	root := newApp(nil).command()
	b.WriteString("\n## Flags of all commands\n\n| flag | default | meaning |\n| --- | --- | --- |\n")
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", spelled(f), defaultOf(f), usageOf(f))
	})
	b.WriteString("\n## Variables\n\n| variable | meaning |\n| --- | --- |\n")
	for _, v := range variables() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(v.name, ", ", "`, `"), v.usage)
	}
	b.WriteString("\n## Flags of single commands\n\n| flag | commands | meaning |\n| --- | --- | --- |\n")
	type setting struct{ flag, usage string }
	commands := map[setting][]string{}
	everyCommand(root, func(cmd *cobra.Command) {
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && f.Name != "version" {
				s := setting{spelled(f), usageOf(f)}
				commands[s] = append(commands[s], strings.TrimPrefix(cmd.CommandPath(), "sessions "))
			}
		})
	})
	byName := func(x, y setting) int {
		return cmp.Or(strings.Compare(x.flag, y.flag), strings.Compare(x.usage, y.usage))
	}
	for _, s := range slices.SortedFunc(maps.Keys(commands), byName) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.flag, strings.Join(commands[s], ", "), s.usage)
	}
	return b.String()
}

// everyCommand visits a command and those below it, except for hidden ones.
func everyCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, inner := range cmd.Commands() {
		if !inner.Hidden {
			everyCommand(inner, visit)
		}
	}
}

// spelled is a flag as it is typed, with the name of its value.
func spelled(f *pflag.Flag) string {
	text := "--" + f.Name
	if f.Shorthand != "" {
		text = "-" + f.Shorthand + ", " + text
	}
	if kind, _ := pflag.UnquoteUsage(f); kind != "" {
		text += " " + kind
	}
	return "`" + text + "`"
}

// usageOf is the meaning of a flag, for a cell of a table.
func usageOf(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	return strings.ReplaceAll(usage, "|", `\|`)
}

// defaultOf is the default of a flag, "" where the flag's usage says it.
func defaultOf(f *pflag.Flag) string {
	if slices.Contains([]string{"", "[]", "0", "0s", "false"}, f.DefValue) {
		return ""
	}
	return "`" + f.DefValue + "`"
}
