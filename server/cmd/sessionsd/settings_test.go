package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write settings.md anew")

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
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run go test ./server/cmd/sessionsd -run TestSettings -update and read what changed: %s", diff)
	}
}

// settings are the tables of settings.md.
func settings() string {
	var b strings.Builder
	b.WriteString("# Settings of sessionsd\n\nEvery flag is also a variable; the flag wins. `go test ./server/cmd/sessionsd -run TestSettings -update` writes this file.\n")
	root := command(io.Discard, io.Discard)
	served := map[string]bool{}
	serve, _, _ := root.Find([]string{"serve"})
	b.WriteString("\n## serve and check\n\n")
	settingsOf(&b, serve, nil)
	serve.Flags().VisitAll(func(f *pflag.Flag) { served[f.Name] = true })
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		own := false
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { own = own || !served[f.Name] && f.Name != "help" && f.Name != "version" })
		if own {
			fmt.Fprintf(&b, "\n## %s\n\n", strings.TrimPrefix(cmd.CommandPath(), "sessionsd "))
			settingsOf(&b, cmd, served)
		}
		for _, inner := range cmd.Commands() {
			walk(inner)
		}
	}
	walk(root)
	b.WriteString("\n## Variables besides those of the flags\n\n| variable | meaning |\n| --- | --- |\n")
	for _, v := range variables() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(v.name, ", ", "`, `"), v.usage)
	}
	return b.String()
}

// settingsOf writes a table of a command's flags, except for those that are known.
func settingsOf(b *strings.Builder, cmd *cobra.Command, known map[string]bool) {
	b.WriteString("| flag | variable | default | meaning |\n| --- | --- | --- | --- |\n")
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if known[f.Name] || f.Name == "help" || f.Name == "version" {
			return
		}
		variable := environmentName(f.Name)
		kind, usage := pflag.UnquoteUsage(f)
		usage = strings.TrimSuffix(usage, " [$"+variable+"]")
		flagName := "--" + f.Name
		if kind != "" {
			flagName += " " + kind
		}
		fmt.Fprintf(b, "| `%s` | `%s` | %s | %s |\n", flagName, variable, defaultOf(f), strings.ReplaceAll(usage, "|", "\\|"))
	})
}

// defaultOf is the default of a flag, where the flag's usage does not say it.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "0s", "0", "false":
		return ""
	}
	if f.Name == "db" {
		return "" // it depends on the machine
	}
	if bytes, err := strconv.ParseInt(f.DefValue, 10, 64); err == nil && bytes >= 1<<20 {
		return fmt.Sprintf("`%s` (%d MiB)", f.DefValue, bytes>>20)
	}
	return "`" + f.DefValue + "`"
}
