package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/server/internal/build"
)

// command returns the program's command tree.
func command(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "sessionsd",
		Short: "Serve the Cloud Sessions API",
		Long: `sessionsd serves the Cloud Sessions API from a database of its own. Every request and every
response is validated against the API's contract.

Start with the demo account, which has the agent and the environment of the documentation's curl:

  sessionsd serve --demo

or create a token for an account of your own, before or while the server runs:

  sessionsd token create --account acme --name laptop
  sessionsd serve

Every flag has an environment variable, which its help names; the flag wins over the variable.`,
		Version:           build.Read().String(),
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags(), os.LookupEnv) },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see '%s --help'", plainValue(err), cmd.CommandPath())
	})
	root.AddCommand(serveCommand(), tokenCommand(), vaultCommand(), checkCommand(), healthcheckCommand(), backupCommand(), restoreCommand(), compactCommand(), versionCommand())
	return root
}

// environmentName is the name of a flag's environment variable.
func environmentName(flag string) string {
	return "SESSIONSD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// describeEnvironment adds the name of each flag's variable to its help.
func describeEnvironment(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage += " [$" + environmentName(f.Name) + "]" })
	return cmd
}

// fromEnvironment sets the flags that are not on the command line from their variables.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(environmentName(f.Name))
		if !ok || f.Changed || first != nil || f.Name == "help" || f.Name == "version" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			first = fmt.Errorf("$%s: %w", environmentName(f.Name), plainValue(err))
		}
	})
	return first
}

// plainValue says what a flag's value must be, where the error of a value tells how Go parses it.
func plainValue(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag, must := invalid.GetFlag(), ""
	switch flag.Value.Type() {
	case "int", "int64":
		must = "a whole number, such as " + flag.DefValue
	case "duration":
		must = "a duration, such as 30s, 5m or 720h"
	case "bool":
		must = "true or false"
	default:
		return err
	}
	return fmt.Errorf("%q is not a value of --%s, which must be %s", invalid.GetValue(), flag.Name, must)
}

// messages returns the sentences of an error, one for each that was joined, without the names of this program's packages.
func messages(err error) (all []string) {
	if joined, is := err.(interface{ Unwrap() []error }); is {
		parts := joined.Unwrap()
		if same := errors.Join(parts...); same != nil && same.Error() == err.Error() {
			for _, part := range parts {
				all = append(all, messages(part)...)
			}
			return all
		}
	}
	return []string{strings.NewReplacer("sqlstore: ", "", "blob: ", "").Replace(err.Error())}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of sessionsd, its commit and the version of Go",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "sessionsd %s\n", build.Read())
			return err
		},
	}
}
