package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

// yesFlag is the flag of a command that is not to be asked about.
const yesFlag = "yes"

// isFinal reports whether a command does what no other command undoes: nothing archived or deleted comes back. Such commands
// ask, and no others.
func isFinal(cmd *cobra.Command) bool {
	switch cmd.Name() {
	case "archive", "redact":
		return true
	case "delete":
		return cmd.Annotations[operationAnnotation] != "deleteSessionResource" // the file can be added again
	}
	return false
}

// addYes gives cmd the flag that answers the question of confirm.
func addYes(cmd *cobra.Command) {
	cmd.Flags().BoolP(yesFlag, "y", false, "do not ask; without a terminal nothing is asked")
}

// errDeclined is an action that was not confirmed.
var errDeclined = errors.New("not confirmed; nothing was changed")

// confirm asks a person at a terminal whether to run a command that is final.
func (a *app) confirm(cmd *cobra.Command, args []string) error {
	if yes, _ := cmd.Flags().GetBool(yesFlag); yes || !isFinal(cmd) || !a.typed || !a.err.terminal {
		return nil
	}
	reply, _, err := a.ask(cmd.Context(), readLines(a.in), cmd.Short+": "+strings.Join(args, " ")+"? [y/N] ")
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(reply)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}

// ask prompts a person at a terminal for a line, and returns the next of lines; ok is false at the end of the input.
func (a *app) ask(ctx context.Context, lines <-chan string, prompt string) (line string, ok bool, err error) {
	if a.typed && a.err.terminal {
		_ = a.err.writeStyled(styledText{bold, oneLine(prompt)})
	}
	select {
	case line, ok = <-lines:
		return line, ok, nil
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
}
