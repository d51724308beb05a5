package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/cmd/sessions/worker"
)

// keyVariable is where the worker reads the key of its environment.
const keyVariable = "SESSIONS_ENVIRONMENT_KEY"

// worker runs the tools of a self-hosted environment.
func (a *app) worker() *cobra.Command {
	var o worker.Options
	var keyFile string
	var sandbox, noSandbox bool
	cmd := &cobra.Command{
		Use:   "worker ENVIRONMENT",
		Short: "Run the tools of a self-hosted environment's sessions on this machine",
		Long: `worker runs the built-in tools (bash, read, write, edit, glob, grep) of sessions in a self-hosted environment, one
session at a time, until it is interrupted. The file tools are confined to the folder --dir.

bash runs only with --sandbox, in a sandbox of bubblewrap (bwrap) that sees the folder and the system's programs, without
a network; or with --no-sandbox, where commands may do everything that you may. Without either, commands are refused.

The key of the environment is read from ` + keyVariable + `, or from --key-file. 'sessions keys create'
makes one. A worker needs no other token.`,
		Example: `  export SESSIONS_ENVIRONMENT_KEY=$(sessions keys create env_019e2590d33f711fabf42f2857cecd8a --name laptop -o json | jq -r .key)
  sessions worker env_019e2590d33f711fabf42f2857cecd8a --dir ~/agents --sandbox`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := a.environmentKey(cmd, keyFile)
			if err != nil {
				return usageError{err}
			}
			o.EnvironmentID, o.Key = args[0], key
			o.BaseURL = cmp.Or(a.baseURL, os.Getenv("QODER_BASE_URL"), client.DefaultBaseURL)
			o.Log = slog.New(slog.NewTextHandler(a.err, nil))
			switch {
			case sandbox:
				o.Bash = worker.Sandbox
			case noSandbox:
				o.Bash = worker.NoSandbox
				fmt.Fprintln(a.err, "sessions: commands of agents may do everything that you may on this machine")
			default:
				fmt.Fprintln(a.err, "sessions: commands of agents are refused; --sandbox or --no-sandbox allows them")
			}
			fmt.Fprintf(a.err, "sessions: working for %s in %s; press Ctrl-C to stop\n", o.EnvironmentID, o.Dir)
			return worker.Run(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Dir, "dir", ".", "`FOLDER` that the file tools are confined to")
	flags.BoolVar(&sandbox, "sandbox", false, "run commands in a sandbox of bubblewrap")
	flags.BoolVar(&noSandbox, "no-sandbox", false, "run commands without a sandbox: they may do everything that you may")
	flags.StringVar(&keyFile, "key-file", "", "read the key of the environment from `FILE`, or from standard input if it is -")
	flags.DurationVar(&o.MaxIdle, "max-idle", 0, "how long to stay with a session after a turn (default 1m0s)")
	cmd.MarkFlagsMutuallyExclusive("sandbox", "no-sandbox")
	_ = cmd.MarkFlagDirname("dir")
	_ = cmd.MarkFlagFilename("key-file")
	return cmd
}

// environmentKey returns the key of an environment. Commands that the worker runs do not inherit it.
func (a *app) environmentKey(cmd *cobra.Command, file string) (string, error) {
	key := os.Getenv(keyVariable)
	if file != "" {
		data, err := a.readFile(cmd.Context(), file)
		if err != nil {
			return "", fmt.Errorf("--key-file: %w", err)
		}
		key = string(data)
	}
	if key = strings.TrimSpace(key); key == "" {
		return "", errors.New("set " + keyVariable + " to the key of the environment, or --key-file to a file that holds it")
	}
	return key, nil
}
