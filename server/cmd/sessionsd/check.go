package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/server"
)

func checkCommand() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Report what a start would refuse, without starting",
		Long: `Checks the flags and variables of 'sessionsd serve', which it accepts unchanged, the files that they name, the address, the
database, the vault key and the demo's token, and asks the model endpoint for its models. It creates no database and changes no schema, and keeps nothing that it
writes.

Each line of standard output names something that is in order or, after "note:", what may have been forgotten. The exit status is 0 if a start would succeed; otherwise it
is 1, and standard error names what a start would refuse. A server that runs with the same flags is such a reason: it has
the address, and a SQLite file.`,
		Example: "  sessionsd check --db sqlite:/var/lib/sessions/sessions.db --tls-cert tls.crt --tls-key tls.key",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := flags.open(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			for _, note := range flags.runner.notes(config.Models) {
				fmt.Fprintln(cmd.OutOrStdout(), "note:", note)
			}
			if sentence := flags.runner.checkEndpoint(cmd.Context()); sentence != "" {
				fmt.Fprintln(cmd.OutOrStdout(), sentence)
			}
			err = server.Check(cmd.Context(), config, func(sentence string) { fmt.Fprintln(cmd.OutOrStdout(), sentence) })
			return errors.Join(err, checkProfiles(flags.pprofAddr))
		},
	}
	flags.register(cmd.Flags())
	return describeEnvironment(cmd)
}
