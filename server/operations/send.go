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

// tooManyTurns is one turn more than an account may have under way. Its text is fit for callers.
type tooManyTurns struct{ most int }

func (e *tooManyTurns) Error() string {
	return fmt.Sprintf("The account has %d turns under way already; wait for one to end and try again.", e.most)
}

// Problem implements problem.Error.
func (e *tooManyTurns) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeRateLimitError, Message: e.Error(), RetryAfter: time.Second}
}

// send stores all of the events or none, and returns them as stored. A turn that they start, or let go on, is put
// in line by the same transaction.
func (h *handler) send(ctx context.Context, session store.SessionRef, inputs []types.EventInput) (sent []store.Event, err error) {
	b := &batch{handler: h}
	err = h.store.Atomically(ctx, func(ctx context.Context) error {
		s, err := h.events.Append(ctx, session, func(s *store.Session, add event.Add) error {
			b.session, b.add = s, add
			for i, input := range inputs {
				if err := b.take(i, input); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || !b.starts {
			return err
		}
		busy, err := h.store.CountBusySessions(ctx, session.Account, h.maxTurns+1)
		if err == nil && busy > h.maxTurns {
			err = &tooManyTurns{h.maxTurns}
		}
		if err != nil {
			return err
		}
		return h.store.QueueTurn(ctx, store.TurnRef{Session: session, TurnID: s.Turn.ID})
	})
	return b.sent, err
}

// batch is the events of one request, on their way into a session's log.
type batch struct {
	*handler
	session *store.Session
	add     event.Add
	sent    []store.Event
	starts  bool // whether a turn is to be put in line
}

// take stores the event that is the i-th of the request.
func (b *batch) take(i int, input types.EventInput) error {
	switch v := input.AsAny().(type) {
	case types.UserMessageInput:
		return b.start(i, string(turn.UserMessage), event.Payload{Content: &v.Content})
	case types.UserDefineOutcomeInput:
		description, err := outcome(i, v)
		if err != nil {
			return err
		}
		return b.start(i, string(turn.DefineOutcome), event.Payload{
			OutcomeID: b.store.NewID("outc"), Description: description, Rubric: v.Rubric, MaxIterations: v.MaxIterations,
		})
	case types.UserInterruptInput:
		return b.interrupt()
	case types.UserToolConfirmationInput:
		return b.answer(i, "tool_use_id", v.ToolUseID, event.AgentToolUse, string(turn.ToolConfirmation),
			event.Payload{ToolUseID: v.ToolUseID, Result: v.Result, DenyMessage: v.DenyMessage})
	case types.UserCustomToolResultInput:
		return b.answer(i, "custom_tool_use_id", v.CustomToolUseID, event.AgentCustomTool, string(turn.CustomToolResult),
			event.Payload{CustomToolUseID: v.CustomToolUseID, Content: event.Content(value(v.Content)...), IsError: new(value(v.IsError))})
	}
	return fmt.Errorf("the contract has an event that the server does not take: %T", input.AsAny())
}

// start begins a turn (decision "Order of a turn"). What an earlier one waits for does not come any more.
func (b *batch) start(i int, kind string, p event.Payload) error {
	if b.starts {
		return fault(i, "", "Only one event of a request may start a turn; send this one once the turn has ended.")
	}
	if err := lifecycle.Advance(b.session, lifecycle.OnMessage, b.now()); err != nil {
		return err
	}
	b.starts = true
	b.session.Turn.ID, b.session.Turn.Pending = b.store.NewID("turn"), nil
	if _, err := b.add(event.StatusRunning, b.session.Turn.ID, event.Payload{}); err != nil {
		return err
	}
	return b.keep(kind, p)
}

// interrupt stops the turn under way, or one that waits for the caller.
func (b *batch) interrupt() error {
	if err := lifecycle.Advance(b.session, lifecycle.OnInterrupt, b.now()); err != nil {
		return err
	}
	if err := b.keep(event.Interrupt, event.Payload{}); err != nil {
		return err
	}
	if !b.session.Status.Busy() {
		b.session.Turn.ID, b.session.Turn.Pending = "", nil
	}
	return nil
}

// answer takes the caller's answer to a tool's use. Once all uses are answered, their turn goes on.
func (b *batch) answer(i int, param, use, useKind, kind string, p event.Payload) error {
	if err := lifecycle.Advance(b.session, lifecycle.OnEvent, b.now()); err != nil {
		return err
	}
	pending := slices.Clone(b.session.Turn.Pending)
	at := slices.Index(pending, store.PendingAction{EventID: use, Type: useKind})
	if at < 0 {
		return fault(i, "."+param, fmt.Sprintf("'%s' names no %s that waits for a %s.", param, useKind, kind))
	}
	if err := b.keep(kind, p); err != nil {
		return err
	}
	b.session.Turn.Pending = slices.Delete(pending, at, at+1)
	if len(b.session.Turn.Pending) > 0 {
		return nil
	}
	if err := lifecycle.Advance(b.session, lifecycle.OnMessage, b.now()); err != nil {
		return err
	}
	b.starts = true
	_, err := b.add(event.StatusRunning, b.session.Turn.ID, event.Payload{})
	return err
}

// keep stores an event of the caller's.
func (b *batch) keep(kind string, p event.Payload) error {
	e, err := b.add(kind, b.session.Turn.ID, p)
	b.sent = append(b.sent, e)
	return err
}

// outcome returns the description of an outcome, which has two names.
func outcome(i int, v types.UserDefineOutcomeInput) (string, error) {
	switch {
	case v.Description != nil && v.Content == nil:
		return *v.Description, nil
	case v.Description == nil && v.Content != nil:
		return v.Content.Text(), nil
	}
	return "", fault(i, ".description", "An outcome has either 'description' or 'content'; send one of them.")
}

// fault is a mistake in the i-th event of a request.
func fault(i int, path, message string) error {
	return &contract.RequestError{Param: fmt.Sprintf("events[%d]%s", i, path), Message: message}
}
