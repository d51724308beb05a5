package operations

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tracing"
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
// start or continue. The result of a tool use that has one already is not stored: the stored one is returned in its place.
func (h *handler) send(ctx context.Context, session store.SessionRef, inputs []types.EventInput) (sent []event.Stored, err error) {
	err = h.store.Atomically(ctx, func(ctx context.Context) error {
		repeated := map[int]event.Stored{} // by their place among inputs
		for {
			sent, err = h.append(ctx, session, inputs, repeated)
			var answered *notOpenError
			if !errors.As(err, &answered) || answered.event.Type != event.WorkerToolResult {
				return err
			}
			earlier, findErr := h.resultOf(ctx, session, answered.event.Payload.ToolUseID)
			if findErr != nil || earlier == nil {
				return cmp.Or(findErr, err)
			}
			repeated[answered.index] = *earlier
		}
	})
	return sent, err
}

// append is send for events of which some have been stored earlier.
func (h *handler) append(ctx context.Context, session store.SessionRef, inputs []types.EventInput, repeated map[int]event.Stored) ([]event.Stored, error) {
	var accepted []acceptedEvent
	s, appended, err := h.events.Append(ctx, session, func(s *store.Session) (events []event.New, err error) {
		before := s.Turn
		accepted, err = h.accept(request.From(ctx).Scope, s, inputs, repeated)
		for _, e := range accepted {
			events = append(events, e.New)
			switch {
			case e.Type != event.StatusRunning:
			case s.Turn.ID == before.ID:
				s.Turn.Origin = tracing.Continued(ctx, before.Origin)
			default:
				s.Turn.Origin = tracing.Started(ctx)
			}
		}
		return events, err
	})
	if err != nil {
		return nil, err
	}
	sent := make([]event.Stored, len(inputs))
	for i, e := range repeated {
		sent[i] = e
	}
	runs := false
	for i, e := range accepted {
		runs = runs || e.Type == event.StatusRunning
		if e.input >= 0 {
			sent[e.input] = appended[i]
		}
	}
	if !runs {
		return sent, nil
	}
	return sent, h.enqueue(ctx, store.TurnRef{Session: session, TurnID: s.Turn.ID, As: &s})
}

// resultsPerPage is how many results resultOf reads at a time.
const resultsPerPage = 20

// resultOf returns the stored user.tool_result of a tool use, nil for none.
func (h *handler) resultOf(ctx context.Context, session store.SessionRef, use string) (*event.Stored, error) {
	after, err := h.store.EventPosition(ctx, session.Account, session.ID, use)
	if errors.Is(err, store.ErrUnknownCursor) {
		return nil, nil
	}
	filter := store.EventFilter{AfterPosition: after, Types: []string{event.WorkerToolResult}}
	page := store.Page{Limit: resultsPerPage, Ascending: true}
	for more := err == nil; more; {
		list, err := h.store.ListEvents(ctx, session.Account, session.ID, filter, page)
		if err != nil {
			return nil, err
		}
		for _, e := range list.Items {
			page.Cursor = e.ID
			if p, err := event.Read(e); err != nil || p.ToolUseID != use {
				continue
			}
			found, err := h.events.Encode(e)
			return &found, err
		}
		more = list.HasMore
	}
	return nil, err
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
	if err := h.store.QueueTurn(ctx, t); err != nil {
		return err
	}
	if info := request.From(ctx); info.Log != nil { // so that the lines of the turn can be found from those of the request
		info.Log.InfoContext(ctx, "turn queued", "request_id", info.ID, "session", t.Session.ID, "turn", t.TurnID)
	}
	return nil
}

// acceptedEvent is an event to append.
type acceptedEvent struct {
	event.New
	// input is the place of the event among those of the request; -1 for one of the server's own.
	input int
}

// accept changes the session as the caller's events ask for, as far as the scope of its token allows, and returns them with
// the server's own in the order of the log: a session.status_running where a turn starts or continues, and the results of
// tool uses that nobody runs. It leaves out those that were stored before.
func (h *handler) accept(scope store.TokenScope, s *store.Session, inputs []types.EventInput, repeated map[int]event.Stored) (events []acceptedEvent, err error) {
	running := func(e acceptedEvent) bool { return e.Type == event.StatusRunning }
	for i, input := range inputs {
		e, err := h.newEvent(i, input)
		if err != nil {
			return nil, err
		}
		if err := auth.MaySend(scope, e.Type); err != nil {
			return nil, err
		}
		if _, before := repeated[i]; before {
			continue
		}
		var accepted []event.New // one of which is e
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
		for _, a := range accepted {
			place := -1
			if a.ID == e.ID {
				place = i
			}
			events = append(events, acceptedEvent{a, place})
		}
	}
	return events, nil
}

// newEvent returns the event that the i-th input of a request becomes, with its id and without its turn.
func (h *handler) newEvent(i int, input types.EventInput) (event.New, error) {
	kind, payload, err := h.payload(i, input)
	return event.New{Type: kind, Payload: payload, ID: h.store.NewID("evt")}, err
}

// payload returns the type and the payload of the event that the i-th input of a request becomes.
func (h *handler) payload(i int, input types.EventInput) (kind string, p event.Payload, err error) {
	switch v := input.AsAny().(type) {
	case types.UserMessageInput:
		return string(turn.UserMessage), event.Payload{Content: &v.Content}, nil
	case types.UserDefineOutcomeInput:
		description, err := outcome(i, v)
		return string(turn.DefineOutcome), event.Payload{
			OutcomeID: h.store.NewID("outc"), Description: description, Rubric: v.Rubric, MaxIterations: v.MaxIterations,
		}, err
	case types.UserInterruptInput:
		return event.Interrupt, event.Payload{}, nil
	case types.UserToolConfirmationInput:
		return string(turn.ToolConfirmation), event.Payload{ToolUseID: v.ToolUseID, Result: v.Result, DenyMessage: v.DenyMessage}, nil
	case types.UserCustomToolResultInput:
		return string(turn.CustomToolResult), event.Payload{
			CustomToolUseID: v.CustomToolUseID, Content: event.Content(value(v.Content)...), IsError: new(value(v.IsError)),
		}, nil
	case types.UserToolResultInput:
		texts := h.events.ResultTexts(value(v.Content))
		return event.WorkerToolResult, event.Payload{ToolUseID: v.ToolUseID, Content: event.Content(texts...), IsError: new(value(v.IsError))}, nil
	}
	return "", event.Payload{}, fmt.Errorf("the contract has an event that the server does not accept: %T", input.AsAny())
}

// What the model reads of tool uses that an event of the caller's has ended.
const (
	abandoned   = "The user has sent another message instead of waiting for the tool."
	interrupted = "The turn was stopped before the tool was done."
)

// startTurn begins a turn with e (decision "Order of a turn"). What an earlier turn waits for no longer counts.
func (h *handler) startTurn(s *store.Session, e event.New) ([]event.New, error) {
	if err := lifecycle.Advance(s, lifecycle.OnMessage, h.now()); err != nil {
		return nil, err
	}
	events := inTurn(s.Turn.ID, event.FailedUses(s, s.Turn.Pending, abandoned))
	s.Turn.ID, s.Turn.Pending = h.store.NewID("turn"), nil
	return append(events, inTurn(s.Turn.ID, []event.New{{Type: event.StatusRunning}, e})...), nil
}

// inTurn returns events as those of a turn.
func inTurn(id string, events []event.New) []event.New {
	for i := range events {
		events[i].TurnID = id
	}
	return events
}

// interrupt stops the turn that runs or waits. One that waits ends here.
func (h *handler) interrupt(s *store.Session, e event.New) ([]event.New, error) {
	id, events := s.Turn.ID, []event.New{e}
	if err := lifecycle.Advance(s, lifecycle.OnInterrupt, h.now()); err != nil {
		return nil, err
	}
	if id != "" && !s.Status.Busy() {
		events = append(events, event.FailedUses(s, s.Turn.Pending, interrupted)...)
		events = append(events, event.New{Type: event.StatusIdle, Payload: event.Payload{
			Status: types.SessionStatusIdleEventStatusIdle, StopReason: &types.StopReason{Type: types.StopReasonTypeInterrupted},
			Usage: &types.EventUsage{},
		}})
		s.Turn.End()
	}
	return inTurn(id, events), nil
}

// resolve takes e, the i-th event of a request, as what one of the pending tool uses waits for. A turn that waits continues
// with the last of them; one that still runs finds out by itself.
func (h *handler) resolve(s *store.Session, i int, e event.New) ([]event.New, error) {
	if err := lifecycle.Advance(s, lifecycle.OnEvent, h.now()); err != nil {
		return nil, err
	}
	if e.Type == event.WorkerToolResult && !s.SelfHosted {
		return nil, requestError(i, ".type", "Only sessions of environments of the type self_hosted accept a user.tool_result.")
	}
	at := slices.IndexFunc(s.Turn.Pending, func(use store.PendingAction) bool { return waitsFor(use, e) })
	if at < 0 {
		return nil, &notOpenError{index: i, event: e}
	}
	use := s.Turn.Pending[at]
	s.Turn.Pending = slices.Delete(slices.Clone(s.Turn.Pending), at, at+1)
	events := []event.New{e}
	switch {
	case e.Payload.Result == types.ToolConfirmationResultDeny:
		events = append(events, event.FailedUses(s, []store.PendingAction{use}, denial(e.Payload.DenyMessage))...)
	case e.Type == event.WorkerToolResult:
		events = append(events, event.New{Type: event.AgentToolResult, Payload: e.Payload})
	case use.Worker: // the worker runs it now
		use.Allowed = true
		s.Turn.Pending = slices.Insert(s.Turn.Pending, at, use)
	}
	if len(s.Turn.Pending) == 0 && !s.Status.Busy() {
		events = append(events, event.New{Type: event.StatusRunning})
		if err := lifecycle.Advance(s, lifecycle.OnMessage, h.now()); err != nil {
			return nil, err
		}
	}
	return inTurn(s.Turn.ID, events), nil
}

// waitsFor reports whether e is what a tool use waits for.
func waitsFor(use store.PendingAction, e event.New) bool {
	switch e.Type {
	case event.WorkerToolResult:
		return use.EventID == e.Payload.ToolUseID && use.Worker && use.Allowed
	case string(turn.CustomToolResult):
		return use.EventID == e.Payload.CustomToolUseID && use.Type == event.AgentCustomTool
	}
	return use.EventID == e.Payload.ToolUseID && use.Type != event.AgentCustomTool && !use.Allowed
}

// notOpenError is an event that no tool use waits for.
type notOpenError struct {
	index int // of the event in the request
	event event.New
}

func (e *notOpenError) Error() string { return e.request().Error() }

// Unwrap returns the error for the caller.
func (e *notOpenError) Unwrap() error { return e.request() }

func (e *notOpenError) request() *contract.RequestError {
	param, uses := "tool_use_id", event.AgentToolUse+" or "+event.AgentMCPToolUse
	switch e.event.Type {
	case string(turn.CustomToolResult):
		param, uses = "custom_tool_use_id", event.AgentCustomTool
	case event.WorkerToolResult:
		uses = event.AgentToolUse
	}
	return &contract.RequestError{
		Param:   fmt.Sprintf("events[%d].%s", e.index, param),
		Message: fmt.Sprintf("'%s' is not the id of an %s that waits for a %s.", param, uses, e.event.Type),
	}
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
