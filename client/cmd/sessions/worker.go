package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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
		Short: "Run the tools of a self-hosted environment on this machine",
		Long: `worker runs the built-in tools (bash, read, write, edit, glob, grep) of sessions in a self-hosted environment, one
session at a time, until it is interrupted. The file tools are confined to the folder --dir, which all sessions of the
worker share. Sessions that must not see each other's files need environments of their own, with a worker and a folder each.

The files of a session are downloaded into the folder before its first tool runs, and when they are added, to their mount
path: /mnt/session/uploads/ID is FOLDER/mnt/session/uploads/ID. Its memory stores are mounted there as well, and written
back when they change. The tools accept the paths that the agent knows; without a sandbox bash needs those of this machine.
No file that the worker has not downloaded itself is replaced or removed.

bash runs only with --sandbox, in a sandbox of bubblewrap (bwrap) that sees the folder and the system's programs, without
a network; or with --no-sandbox, where commands may do everything that you may. Without either, commands are refused.

Ctrl-C stops the worker after the tool that runs, whose result is sent; another worker gets the rest. A second Ctrl-C
stops it at once: another worker runs the tool again.

The key of the environment is read from ` + keyVariable + `, or from --key-file. 'sessions keys create'
makes one. A worker needs no other token. The server is that of the other commands: --base-url, --profile,
$QODER_BASE_URL or the current profile; so is --ca-file.`,
		Example: `  environment=$(sessions environments create --name own --type self_hosted -o id)
  export ` + keyVariable + `=$(sessions keys create $environment --name laptop -o json | jq -r .key)
  mkdir -p ~/agents
  sessions worker $environment --dir ~/agents --sandbox`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := a.environmentKey(cmd, keyFile)
			if err != nil {
				return usageError{err}
			}
			o.EnvironmentID, o.Key = args[0], key
			if _, err := a.access(cmd.Context()); err != nil { // it finds the server; the key takes the place of its token
				return err
			}
			o.BaseURL = a.server
			if o.HTTP, err = trusting(a.authority); err != nil {
				return err
			}
			o.Log = slog.New(slog.NewTextHandler(a.err, nil))
			o.Report = func(line string) { fmt.Fprintln(a.err, "sessions: "+line) }
			switch {
			case sandbox:
				o.Bash = worker.Sandbox
			case noSandbox:
				o.Bash = worker.NoSandbox
			}
			w, err := worker.New(cmd.Context(), o)
			if err != nil {
				return usageError{err}
			}
			if err := a.tryKey(cmd.Context(), o); err != nil {
				return err
			}
			switch o.Bash {
			case worker.Sandbox:
			case worker.NoSandbox:
				fmt.Fprintln(a.err, "sessions: commands of agents may do everything that you may on this machine")
			default:
				fmt.Fprintln(a.err, "sessions: commands of agents are refused; --sandbox or --no-sandbox allows them")
			}
			fmt.Fprintf(a.err, "sessions: working for %s in %s; press Ctrl-C to stop\n", o.EnvironmentID, w.Dir)
			return refusedKey(w.Run(cmd.Context()))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Dir, "dir", ".", "`FOLDER` that the file tools are confined to")
	flags.BoolVar(&sandbox, "sandbox", false, "run commands in a sandbox of bubblewrap")
	flags.BoolVar(&noSandbox, "no-sandbox", false, "run commands without a sandbox: they may do everything that you may")
	flags.StringVar(&keyFile, "key-file", "", "read the key of the environment from `FILE`, or from standard input if it is -")
	flags.DurationVar(&o.MaxIdle, "max-idle", worker.DefaultMaxIdle, "how long to stay with a session that is in no turn, while others wait")
	cmd.MarkFlagsMutuallyExclusive("sandbox", "no-sandbox")
	_ = cmd.MarkFlagDirname("dir")
	_ = cmd.MarkFlagFilename("key-file")
	return cmd
}

// tryKey asks the server whether the key opens the environment's work.
func (a *app) tryKey(ctx context.Context, o worker.Options) error {
	c, err := a.connectWith(client.WithBaseURL(o.BaseURL), client.WithToken(o.Key))
	if err != nil {
		return err
	}
	_, err = c.Environments.Work.GetStats(ctx, o.EnvironmentID)
	return refusedKey(err)
}

// deniedError is a refusal of a key.
type deniedError struct{ message string }

func (e *deniedError) Error() string { return e.message }

// refusedKey makes of an error that says that the key does not open the environment one that says what to change. It
// returns other errors unchanged.
func refusedKey(err error) error {
	status, message := 0, ""
	if failure, ok := errors.AsType[*client.Error](err); ok {
		status, message = failure.Status, failure.Message
	} else if refused, ok := errors.AsType[*worker.RefusedError](err); ok {
		status, message = refused.Status, refused.Message
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return &deniedError{fmt.Sprintf("the key does not open the work of this environment; change $%s or --key-file, or the argument ENVIRONMENT (%d: %s)",
			keyVariable, status, strings.TrimSuffix(message, "."))}
	}
	return err
}

// environmentKey returns the key of an environment. Commands that the worker runs do not inherit it.
func (a *app) environmentKey(cmd *cobra.Command, file string) (string, error) {
	key := os.Getenv(keyVariable)
	if file != "" {
		data, err := a.readText(cmd.Context(), file)
		if err != nil {
			return "", fmt.Errorf("--key-file: %w", err)
		}
		key = string(data)
	}
	if key = strings.TrimSpace(key); key == "" {
		return "", errors.New("set " + keyVariable + " to the key of the environment, or --key-file to a file that holds it")
	}
	switch {
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("the key in $" + keyVariable + " or --key-file must be one line of printable ASCII without spaces; it is the 'key' that 'sessions keys create' prints")
	case strings.HasPrefix(key, "pt-env-"):
	case key == os.Getenv("QODER_PAT"), strings.HasPrefix(key, "pt-"):
		return "", errors.New("$" + keyVariable + " or --key-file has an access token of the account, which opens too much; 'sessions keys create' makes a key that opens only the environment's work")
	}
	return key, nil
}
