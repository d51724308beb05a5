package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// command returns the program's command tree.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "sessions",
		Short: "Manage the sessions of a Cloud Sessions server",
		Long: `sessions is the command line of a Cloud Sessions server: it manages sessions between an agent and a user,
and the agents and environments that sessions use.

It reads the access token from QODER_PAT and the server's URL from QODER_BASE_URL, or both from a profile that
'sessions login' has stored. To try it locally:

  export QODER_PAT=pt-try QODER_BASE_URL=http://127.0.0.1:8080/v1
  sessionsd serve --demo

The output is a table on a terminal and JSON in a pipe; -o selects another format. With -o json a list is one
array, with -o jsonl one record per line. Both are written as the records arrive.

` + describeVariables() + "\n\n" + exitCodes,
		Example: `  sessions create --agent agent_019e390add9f7bac9b6cc806db46fcbd --environment env_019e2590d33f711fabf42f2857cecd8a
  sessions list --status idle --created-after 24h
  sessions list --all -o id | xargs -n 1 sessions archive
  sessions get sess_019e3bb1e8c171fd9abbb1477ffb84cc | jq .usage`,
		Args:          unknownCommand,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("{{.Version}}\n")
	a.register(root)
	root.AddGroup(&cobra.Group{ID: "sessions", Title: "Sessions:"}, &cobra.Group{ID: "needs", Title: "Resources that sessions use:"})
	for _, cmd := range a.sessionCommands() {
		cmd.GroupID = "sessions"
		root.AddCommand(cmd)
	}
	for _, cmd := range []*cobra.Command{a.agents(), a.environments(), a.keys(), a.work(), a.files(), a.memory(), a.vaults(), a.credentials(), a.models()} {
		cmd.GroupID = "needs"
		root.AddCommand(cmd)
	}
	long := group("sessions", "The commands on sessions, also available at the top level", a.sessionCommands()...)
	long.Hidden = true // the top level has them as well
	root.AddCommand(long, a.login(), a.logout(), a.profiles(), a.contract(), a.worker(), versionCommand())
	a.understood(root)
	a.fitHelp(root)
	return root
}

// fitHelp makes help fit the terminal, except for examples, which are there to be copied.
func (a *app) fitHelp(root *cobra.Command) {
	width := 0
	if a.out.terminal {
		width = a.out.width
	}
	// A command that holds others is of no use by itself.
	usage := strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1)
	root.SetUsageTemplate(strings.ReplaceAll(usage, "Flags.FlagUsages", fmt.Sprintf("Flags.FlagUsagesWrapped %d", width)))
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		cmd.Long = reflow(cmd.Long, width)
		help(cmd, args)
	})
}

// reflow breaks the lines of the paragraphs of a text anew, so that they have a width at most; 0 leaves them. Paragraphs with
// indented lines, such as lists and examples, keep theirs.
func reflow(text string, width int) string {
	if width == 0 {
		return text
	}
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if !strings.Contains("\n"+p, "\n ") {
			paragraphs[i] = wrap(strings.Fields(p), width)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

// wrap joins words to lines of a width at most.
func wrap(words []string, width int) string {
	var b strings.Builder
	left := 0
	for i, word := range words {
		switch {
		case i == 0:
			left = width
		case len(word) < left:
			b.WriteByte(' ')
			left--
		default:
			b.WriteByte('\n')
			left = width
		}
		b.WriteString(word)
		left -= len(word)
	}
	return b.String()
}

// arguments wants what cmd's Use names after the command: a word for each argument, in brackets one that
// may be left out, "..." after one that may come again.
func arguments(cmd *cobra.Command, args []string) error {
	names := strings.Fields(cmd.Use)[1:]
	last := len(names) - 1
	switch {
	case len(args) < len(names) && !strings.HasPrefix(names[len(args)], "["):
		return fmt.Errorf("missing argument %s", strings.TrimSuffix(names[len(args)], "..."))
	case len(args) > len(names) && (last < 0 || !strings.HasSuffix(names[last], "...")):
		return fmt.Errorf("unexpected argument %q", args[len(names)])
	}
	return nil
}

// understood notes, when a command begins, that the command line was understood.
func (a *app) understood(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			return run(cmd, args)
		}
	}
	for _, inner := range cmd.Commands() {
		a.understood(inner)
	}
}

// group returns a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: unknownCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	return cmd
}

// unknownCommand refuses arguments where a command is expected.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ")
	}
	return fmt.Errorf("%s", text)
}

// operationAnnotation names the operation of the contract that a command calls.
const operationAnnotation = "operation"

// keyFlag is the flag of a write's idempotency key.
const keyFlag = "idempotency-key"

// addKey gives cmd the flag that makes a write safe to repeat.
func addKey(cmd *cobra.Command) {
	cmd.Flags().String(keyFlag, "", "idempotency `KEY`; repeating the command with it within 24 h returns the first response")
	_ = cmd.Flags().SetAnnotation(keyFlag, paramAnnotation, []string{"Idempotency-Key"})
}

// options are the options of a call that cmd's flags ask for.
func options(cmd *cobra.Command) []client.Option {
	if key := cmd.Flags().Lookup(keyFlag); key != nil && key.Changed {
		return []client.Option{client.WithIdempotencyKey(key.Value.String())}
	}
	return nil
}

// perform makes one call and shows its response.
func perform[T any](a *app, cmd *cobra.Command, v view[T], call func(ctx context.Context, c *client.Client, opts ...client.Option) (*T, error)) error {
	record, err := response(a, cmd, call)
	if err != nil {
		return err
	}
	return show(a, v, record)
}

// performAll makes one call and shows the records of its response.
func performAll[T any](a *app, cmd *cobra.Command, v view[T], call func(ctx context.Context, c *client.Client, opts ...client.Option) ([]T, error)) error {
	records, err := response(a, cmd, call)
	if err != nil {
		return err
	}
	return showAll(a, v, records)
}

// response makes one call, with the options that cmd's flags ask for.
func response[T any](a *app, cmd *cobra.Command, call func(ctx context.Context, c *client.Client, opts ...client.Option) (T, error)) (response T, err error) {
	c, err := a.connect(cmd.Context())
	if err != nil {
		return response, err
	}
	defer a.err.spin("waiting for the server")()
	return call(cmd.Context(), c, options(cmd)...)
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of sessions and of Go",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
}

// version names the program, its version and that of Go.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "sessions (devel)"
	}
	return fmt.Sprintf("sessions %s %s", info.Main.Version, info.GoVersion)
}
