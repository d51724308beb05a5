package turntest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cloud-sessions/sessions/server/turn"
)

// Settle is the action on a use that a turn waits for: a turn.CustomToolResult, or a
// turn.ToolConfirmation for a built-in or MCP tool. Its UseID is filled in by Play.
type Settle func(use turn.Entry) turn.Entry

// Allow confirms every built-in and MCP tool and gives every custom one the result "result of NAME".
func Allow(use turn.Entry) turn.Entry {
	if use.Kind != turn.CustomToolUse {
		return turn.Entry{Kind: turn.ToolConfirmation}
	}
	return turn.Entry{Kind: turn.CustomToolResult, Text: "result of " + use.Name}
}

// Deny denies every built-in and MCP tool, with the text "not NAME", and fails every custom one with it.
func Deny(use turn.Entry) turn.Entry {
	if use.Kind != turn.CustomToolUse {
		return turn.Entry{Kind: turn.ToolConfirmation, Denied: true, Text: "not " + use.Name}
	}
	return turn.Entry{Kind: turn.CustomToolResult, Failed: true, Text: "not " + use.Name}
}

// maxCalls is how often Play calls a runner for one turn.
const maxCalls = 1000

// Play runs a complete turn into rec, which must be new: whenever the turn stops for actions it settles them
// all, in order, gives the uses that a worker runs the result "a worker's result of NAME", and calls the runner again as the Runner's contract says. It returns what the last call
// returned. An error of its own reports that the runner violates that contract: it stops for an action without
// a use that waits, ends while one does, or does not end within 1000 calls.
func Play(ctx context.Context, r turn.Runner, in turn.Input, rec *Recorder, settle Settle) (turn.Outcome, error) {
	in.Entries = slices.Clone(in.Entries)
	seen := 0
	for range maxCalls {
		outcome, err := r.Run(ctx, in, rec)
		if err != nil {
			return "", err
		}
		calls := rec.Calls()[seen:]
		seen += len(calls)
		in.Entries = append(in.Entries, entries(calls)...)
		waiting, worker := waits(calls), byWorker(calls)
		switch {
		case outcome != turn.RequiresAction && len(waiting) > 0:
			return "", fmt.Errorf("the turn ended with %q while %v wait", outcome, waiting)
		case outcome != turn.RequiresAction:
			return outcome, nil
		case len(waiting) == 0:
			return "", errors.New("the turn stopped for an action, but no use waits for one")
		}
		for _, use := range in.Entries {
			if !slices.Contains(waiting, use.ID) || use.ID == "" {
				continue
			}
			if use.Ask || use.Kind == turn.CustomToolUse {
				action := settle(use)
				action.UseID = use.ID
				in.Entries = append(in.Entries, action)
				if action.Denied {
					continue
				}
			}
			if slices.Contains(worker, use.ID) {
				in.Entries = append(in.Entries, turn.Entry{Kind: turn.ToolResult, UseID: use.ID, Text: "a worker's result of " + use.Name})
			}
		}
	}
	return "", fmt.Errorf("the turn did not end within %d calls", maxCalls)
}

// byWorker returns the ids of the uses in calls that a worker runs.
func byWorker(calls []Call) (ids []string) {
	for _, c := range calls {
		if c.Method == UseWorkerTool {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// waits returns the ids of the uses in calls that wait for an action.
func waits(calls []Call) []string {
	var ids []string
	for _, c := range calls {
		if c.Method == UseCustomTool || c.Method == UseWorkerTool || c.uses() && c.Ask {
			ids = append(ids, c.ID)
		}
	}
	return ids
}
