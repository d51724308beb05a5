package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client/contractdrift"
	"github.com/cloud-sessions/sessions/client/recording"
)

// contractDrift returns the command that compares recordings.
func (a *app) contractDrift() *cobra.Command {
	return &cobra.Command{
		Use:   "drift BEFORE [AFTER]",
		Short: "Compare two recordings, or a recording with the contract",
		Long: `drift compares two recordings that 'sessions contract proxy --record' has written, and reports what appeared, vanished or
changed its type: operations, statuses, headers, fields and kinds of events. Values are not compared. With one recording it
reports where that violates the contract that this program was built with.

It exits with 1 if anything changed.`,
		Example: `  sessions contract drift yesterday.txt today.txt
  sessions contract drift today.txt`,
		Args: arguments,
		RunE: func(_ *cobra.Command, args []string) error { return a.runDrift(args) },
	}
}

func (a *app) runDrift(args []string) error {
	var recordings []*recording.Recording
	for _, name := range args {
		r, err := recording.Load(name)
		if err != nil {
			return usageError{pathError("read", err)}
		}
		recordings = append(recordings, r)
	}
	var changes []contractdrift.Change
	var err error
	if len(recordings) == 1 {
		changes, err = contractdrift.Check(recordings[0])
	} else {
		changes, err = contractdrift.Compare(recordings[0], recordings[1])
	}
	if err != nil {
		return err
	}
	if len(changes) > 0 || a.form() != formatTable {
		if err := showAll(a, changeView(), changes); err != nil {
			return err
		}
	}
	if len(changes) > 0 {
		return fmt.Errorf("%s", counted(len(changes), "difference"))
	}
	a.remark("no difference")
	return nil
}

func changeView() view[contractdrift.Change] {
	return view[contractdrift.Change]{
		id: func(c *contractdrift.Change) string { return c.Operation },
		columns: []column[contractdrift.Change]{
			{name: "OPERATION", text: func(c *contractdrift.Change) string { return c.Operation }},
			{name: "STATUS", text: func(c *contractdrift.Change) string {
				if c.Status == 0 {
					return ""
				}
				return strconv.Itoa(c.Status)
			}},
			{name: "CHANGE", whole: true, text: func(c *contractdrift.Change) string { return c.Message }},
		},
	}
}
