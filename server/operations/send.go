package operations

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// tooManyTurns is one turn more than an account may have. Its text is for callers.
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
		s, appended, err := h.events.Append(ctx, session, func(s *store.Session) ([]event.New, error) {
			return h.accept(s, inputs)
		})
		if err != nil {
			return err
		}
		runs := false
		for _, e := range appended {
			runs = runs || e.Type == event.StatusRunning
			if event.BySender(e.Type) {
				sent = append(sent, e)
			}
		}
		if !runs {
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

// accept changes the session as the caller's events ask for, and returns them with the server's own in the order of the
// log: a session.status_running where a turn starts or continues, and the result of a tool use that is denied.
func (h *handler) accept(s *store.Session, inputs []types.EventInput) (events []event.New, err error) {
	running := func(e event.New) bool { return e.Type == event.StatusRunning }
	for i, input := range inputs {
		e, err := h.newEvent(i, input)
		if err != nil {
			return nil, err
		}
		var accepted []event.New
		switch e.Type {
		case event.Interrupt:
			accepted, err = h.interrupt(s, e)
		case string(turn.UserMessage), string(turn.DefineOutcome):
			if slices.ContainsFunc(events, running) {
				return nil, requestError(i, "", "Only one event of a request may start a turn; send this one once the turn has ended.")
			}
			accepted, err = h.startTurn(s, e)
		default:
			accepted, err = h.resolve(s, i, e)
		}
		if err != nil {
			return nil, err
		}
		events = append(events, accepted...)
	}
	return events, nil
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

// startTurn begins a turn with e (decision "Order of a turn"). What an earlier turn waits for no longer counts.
func (h *handler) startTurn(s *store.Session, e event.New) ([]event.New, error) {
	if err := lifecycle.Advance(s, lifecycle.OnMessage, h.now()); err != nil {
		return nil, err
	}
	s.Turn.ID, s.Turn.Pending = h.store.NewID("turn"), nil
	e.TurnID = s.Turn.ID
	return []event.New{{Type: event.StatusRunning, TurnID: s.Turn.ID}, e}, nil
}

// interrupt stops the turn that runs or waits for the caller.
func (h *handler) interrupt(s *store.Session, e event.New) ([]event.New, error) {
	e.TurnID = s.Turn.ID
	if err := lifecycle.Advance(s, lifecycle.OnInterrupt, h.now()); err != nil {
		return nil, err
	}
	if !s.Status.Busy() {
		s.Turn.ID, s.Turn.Pending = "", nil
	}
	return []event.New{e}, nil
}

// resolve removes the tool use that e, the i-th event of a request, responds to from those that the turn waits for. With
// the last of them the turn continues.
func (h *handler) resolve(s *store.Session, i int, e event.New) ([]event.New, error) {
	if err := lifecycle.Advance(s, lifecycle.OnEvent, h.now()); err != nil {
		return nil, err
	}
	param, id, kinds := "tool_use_id", e.Payload.ToolUseID, []string{event.AgentToolUse, event.AgentMCPToolUse}
	if e.Type == string(turn.CustomToolResult) {
		param, id, kinds = "custom_tool_use_id", e.Payload.CustomToolUseID, []string{event.AgentCustomTool}
	}
	at := slices.IndexFunc(s.Turn.Pending, func(use store.PendingAction) bool { return use.EventID == id && slices.Contains(kinds, use.Type) })
	if at < 0 {
		message := fmt.Sprintf("'%s' is not the id of an %s that waits for a %s.", param, strings.Join(kinds, " or "), e.Type)
		return nil, requestError(i, "."+param, message)
	}
	events := []event.New{e}
	if e.Payload.Result == types.ToolConfirmationResultDeny {
		events = append(events, event.FailedUse(s.Turn.Pending[at], denial(e.Payload.DenyMessage)))
	}
	s.Turn.Pending = slices.Delete(slices.Clone(s.Turn.Pending), at, at+1)
	if len(s.Turn.Pending) == 0 {
		events = append(events, event.New{Type: event.StatusRunning})
		if err := lifecycle.Advance(s, lifecycle.OnMessage, h.now()); err != nil {
			return nil, err
		}
	}
	for i := range events {
		events[i].TurnID = s.Turn.ID
	}
	return events, nil
}

// denial returns the result of a tool use that a user has denied, whether or not they gave a reason.
func denial(reason *string) string {
	if text := value(reason); text != "" {
		return text
	}
	return "The user did not allow this tool use."
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

// requestError returns a request error about the i-th event of a request.
func requestError(i int, path, message string) error {
	return &contract.RequestError{Param: fmt.Sprintf("events[%d]%s", i, path), Message: message}
}
