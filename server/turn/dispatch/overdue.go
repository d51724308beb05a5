package dispatch

import (
	"context"
	"fmt"
	"slices"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/store"
)

// lateWorker is the result of a tool use that no worker ran in time.
const lateWorker = "No worker ran the tool in time."

// EndOverdue ends at most limit turns that have waited for a worker for longer than Options.WorkPatience while their
// environment had no worker, or for longer than Options.TurnTimeout while it had some. It returns how many it found.
func (d *Dispatcher) EndOverdue(ctx context.Context, limit int) (int, error) {
	now := d.Now()
	overdue := store.Overdue{UnchangedSince: now.Add(-d.WorkPatience)}
	if d.TurnTimeout > 0 {
		overdue.AnywaySince = now.Add(-max(d.TurnTimeout, d.WorkPatience))
	}
	turns, err := d.Store.OverdueTurns(ctx, overdue, limit)
	for _, turn := range turns {
		if err == nil {
			err = d.endOverdue(ctx, turn, overdue)
		}
	}
	return len(turns), err
}

// endOverdue ends a session's turn, unless it has changed since it was found.
func (d *Dispatcher) endOverdue(ctx context.Context, turn store.OverdueTurn, o store.Overdue) error {
	_, _, err := d.Log.Append(ctx, turn.Session, func(s *store.Session) ([]event.New, error) {
		waits := slices.ContainsFunc(s.Turn.Pending, func(use store.PendingAction) bool { return use.Allowed })
		if lifecycle.PhaseOf(*s) != lifecycle.Idle || !waits || s.UpdatedAt.After(o.UnchangedSince) {
			return nil, nil
		}
		message := fmt.Sprintf("No worker ran the agent's tools within %s. Start a worker for the environment and send the message again.", d.WorkPatience)
		if turn.Workers {
			message = fmt.Sprintf("All workers of the environment are busy: none ran the agent's tools within %s. Start another worker and send the message again.", max(d.TurnTimeout, d.WorkPatience))
		}
		events := append(event.FailedUses(s, s.Turn.Pending, lateWorker),
			event.New{Type: event.SessionError, Payload: event.Payload{Error: &types.SessionErrorDetail{
				Type: types.ErrorTypeAPIError, Message: message,
			}}},
			event.New{Type: event.StatusIdle, Payload: event.Payload{
				Status: types.SessionStatusIdleEventStatusIdle, StopReason: &types.StopReason{Type: types.StopReasonTypeError}, Usage: &types.EventUsage{},
			}})
		for i := range events {
			events[i].TurnID = s.Turn.ID
		}
		s.Turn.End()
		return events, nil
	})
	return err
}
