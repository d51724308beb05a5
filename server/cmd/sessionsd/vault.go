package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/seal"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/vault"
)

// vaultKeyVariable is the environment variable with the text of a key file, for servers without a file.
const vaultKeyVariable = "SESSIONSD_VAULT_KEY"

func vaultCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "vault",
		Short: "Manage the key that secrets of vaults are encrypted under",
		Long: `The secrets of vaults are encrypted in the database, under a key in a file that only its owner can read. On SQLite
the server creates that file next to the database. On PostgreSQL the operator creates it with 'sessionsd vault new-key'
and gives it to every replica, with --vault-key-file or as the text of $` + vaultKeyVariable + `.

Keep a copy of the key apart from the copies of the database: without the key the secrets are lost.`,
	}
	cmd.AddCommand(newKeyCommand(), rotateKeyCommand())
	return cmd
}

func newKeyCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "new-key",
		Short:   "Create a key file",
		Long:    "Creates a key file with a fresh key. An existing file is not replaced: it may be needed.",
		Example: "  sessionsd vault new-key --vault-key-file /etc/sessions/vault.key",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return errors.New("--vault-key-file is required")
			}
			ring, err := seal.New()
			if err == nil {
				err = ring.CreateFile(file)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "created %s with key %s\n", file, ring.Primary())
			return err
		},
	}
	registerKeyFile(cmd.Flags(), &file)
	return describeEnvironment(cmd)
}

func rotateKeyCommand() *cobra.Command {
	var flags tokenFlags
	var file string
	var prepare bool
	cmd := &cobra.Command{
		Use:   "rotate-key",
		Short: "Encrypt all secrets under a fresh key",
		Long: `Adds a fresh key to the key file, encrypts all secrets under it, and removes the old key from the file when nothing
needs it any longer. Servers may run meanwhile: a server reads its key file again when it meets a key that it does not
know. The command may be interrupted: repeat it, and it continues.

Where servers on other machines have copies of the key file, or have it in $` + vaultKeyVariable + `, do it in three steps:

  1. sessionsd vault rotate-key --prepare    adds the fresh key to the file, and uses the old one
  2. Copy the file to every machine; restart the servers that have its text in the variable.
  3. sessionsd vault rotate-key              encrypts the secrets; then copy the file once more

Until step 2 is done at a server, after step 3 it answers requests that need secrets with 503.`,
		Example: "  sessionsd vault rotate-key --db sqlite:/var/lib/sessions/sessions.db",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				file = server.DefaultVaultKeyFile(flags.db.name)
			}
			if file == "" {
				return errors.New("--vault-key-file is required")
			}
			return flags.withStore(cmd.Context(), func(db store.Store) error {
				if prepare {
					key, err := vault.Prepare(cmd.Context(), db, file)
					if err == nil {
						_, err = fmt.Fprintf(cmd.OutOrStdout(), "prepared key %s in %s\n", key, file)
					}
					return err
				}
				total := 0
				err := vault.Rotate(cmd.Context(), db, file, func(done int) { total = done })
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "encrypted %d secrets under a fresh key, which %s now has alone\n", total, file)
				}
				return err
			})
		},
	}
	flags.db.register(cmd.Flags())
	registerKeyFile(cmd.Flags(), &file)
	cmd.Flags().BoolVar(&prepare, "prepare", false, "only add the fresh key to the file, and do not use it yet")
	return describeEnvironment(cmd)
}

func registerKeyFile(flags *pflag.FlagSet, file *string) {
	flags.StringVar(file, "vault-key-file", "", "`FILE` with the key that secrets of vaults are encrypted under; next to a SQLite file by default, none to refuse secrets")
}
