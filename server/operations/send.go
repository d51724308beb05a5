package operations

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// tooManyTurns is one turn more than an account may have under way. Its text is for callers.
type tooManyTurns struct{ most int }

func (e *tooManyTurns) Error() string {
	return fmt.Sprintf("The account has %d turns under way already; wait for one to end and try again.", e.most)
}

// Problem implements problem.Error.
func (e *tooManyTurns) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeRateLimitError, Message: e.Error(), RetryAfter: time.Second}
}

// send stores all of the events or none, and returns them as stored. The same transaction enqueues the turn that they
// start or continue.
func (h *handler) send(ctx context.Context, session store.SessionRef, inputs []types.EventInput) (sent []event.Stored, err error) {
	err = h.store.Atomically(ctx, func(ctx context.Context) error {
		starts := false
		s, appended, err := h.events.Append(ctx, session, func(s *store.Session) (events []event.New, err error) {
			events, starts, err = h.accept(s, inputs)
			return events, err
		})
		if err != nil {
			return err
		}
		sent = slices.DeleteFunc(appended, func(e event.Stored) bool { return e.Type == event.StatusRunning })
		if !starts {
			return nil
		}
		return h.enqueue(ctx, store.TurnRef{Session: session, TurnID: s.Turn.ID})
	})
	return sent, err
}

// enqueue enqueues a turn, unless the account has too many.
func (h *handler) enqueue(ctx context.Context, t store.TurnRef) error {
	busy, err := h.store.CountBusySessions(ctx, t.Session.Account, h.maxTurns+1)
	if err != nil {
		return err
	}
	if busy > h.maxTurns {
		return &tooManyTurns{h.maxTurns}
	}
	return h.store.QueueTurn(ctx, t)
}

// accept changes the session as the caller's events ask for. It returns them with the server's own, in the order of the
// log, and whether a turn has to be enqueued.
func (h *handler) accept(s *store.Session, inputs []types.EventInput) (events []event.New, starts bool, err error) {
	for i, input := range inputs {
		e, err := h.newEvent(i, input)
		if err != nil {
			return nil, false, err
		}
		running := event.New{Type: event.StatusRunning}
		switch e.Type {
		case event.Interrupt:
			e.TurnID = s.Turn.ID
			err = h.interrupt(s)
			events = append(events, e)
		case string(turn.UserMessage), string(turn.DefineOutcome):
			if starts {
				return nil, false, requestError(i, "", "Only one event of a request may start a turn; send this one once the turn has ended.")
			}
			starts, err = true, h.startTurn(s)
			running.TurnID, e.TurnID = s.Turn.ID, s.Turn.ID
			events = append(events, running, e)
		default:
			var last bool
			last, err = h.takeResult(s, i, e)
			e.TurnID, running.TurnID = s.Turn.ID, s.Turn.ID
			events = append(events, e)
			if last {
				starts = true
				events = append(events, running)
			}
		}
		if err != nil {
			return nil, false, err
		}
	}
	return events, starts, nil
}

// newEvent returns the event that the i-th input of a request becomes, without its turn.
func (h *handler) newEvent(i int, input types.EventInput) (event.New, error) {
	switch v := input.AsAny().(type) {
	case types.UserMessageInput:
		return event.New{Type: string(turn.UserMessage), Payload: event.Payload{Content: &v.Content}}, nil
	case types.UserDefineOutcomeInput:
		description, err := outcome(i, v)
		return event.New{Type: string(turn.DefineOutcome), Payload: event.Payload{
			OutcomeID: h.store.NewID("outc"), Description: description, Rubric: v.Rubric, MaxIterations: v.MaxIterations,
		}}, err
	case types.UserInterruptInput:
		return event.New{Type: event.Interrupt}, nil
	case types.UserToolConfirmationInput:
		return event.New{Type: string(turn.ToolConfirmation), Payload: event.Payload{
			ToolUseID: v.ToolUseID, Result: v.Result, DenyMessage: v.DenyMessage,
		}}, nil
	case types.UserCustomToolResultInput:
		return event.New{Type: string(turn.CustomToolResult), Payload: event.Payload{
			CustomToolUseID: v.CustomToolUseID, Content: event.Content(value(v.Content)...), IsError: new(value(v.IsError)),
		}}, nil
	}
	return event.New{}, fmt.Errorf("the contract has an event that the server does not accept: %T", input.AsAny())
}

// startTurn begins a turn (decision "Order of a turn"). What an earlier turn waits for no longer counts.
func (h *handler) startTurn(s *store.Session) error {
	if err := lifecycle.Advance(s, lifecycle.OnMessage, h.now()); err != nil {
		return err
	}
	s.Turn.ID, s.Turn.Pending = h.store.NewID("turn"), nil
	return nil
}

// interrupt stops the turn that runs or waits for the caller.
func (h *handler) interrupt(s *store.Session) error {
	if err := lifecycle.Advance(s, lifecycle.OnInterrupt, h.now()); err != nil {
		return err
	}
	if !s.Status.Busy() {
		s.Turn.ID, s.Turn.Pending = "", nil
	}
	return nil
}

// takeResult removes the tool use that the i-th event of a request responds to from those that the turn waits for. It
// reports whether it was the last, so that the turn continues.
func (h *handler) takeResult(s *store.Session, i int, e event.New) (last bool, err error) {
	if err := lifecycle.Advance(s, lifecycle.OnEvent, h.now()); err != nil {
		return false, err
	}
	param, use := "tool_use_id", store.PendingAction{EventID: e.Payload.ToolUseID, Type: event.AgentToolUse}
	if e.Type == string(turn.CustomToolResult) {
		param, use = "custom_tool_use_id", store.PendingAction{EventID: e.Payload.CustomToolUseID, Type: event.AgentCustomTool}
	}
	at := slices.Index(s.Turn.Pending, use)
	if at < 0 {
		return false, requestError(i, "."+param, fmt.Sprintf("'%s' is not the id of an %s that waits for a %s.", param, use.Type, e.Type))
	}
	s.Turn.Pending = slices.Delete(slices.Clone(s.Turn.Pending), at, at+1)
	if len(s.Turn.Pending) > 0 {
		return false, nil
	}
	return true, lifecycle.Advance(s, lifecycle.OnMessage, h.now())
}

// outcome returns the description of an outcome, which has two names.
func outcome(i int, v types.UserDefineOutcomeInput) (string, error) {
	switch {
	case v.Description != nil && v.Content == nil:
		return *v.Description, nil
	case v.Description == nil && v.Content != nil:
		return v.Content.Text(), nil
	}
	return "", requestError(i, ".description", "An outcome has either 'description' or 'content'; send one of them.")
}

// requestError is a request error in the i-th event of a request.
func requestError(i int, path, message string) error {
	return &contract.RequestError{Param: fmt.Sprintf("events[%d]%s", i, path), Message: message}
}
