package client

import (
	"context"
	"iter"
	"slices"
)

// RunParams are the parameters of [SessionService.Run].
type RunParams struct {
	// Deltas are the types of events to get in pieces, too; see [StreamParams.Deltas].
	Deltas []DeltaType
	// Tools are called when the agent uses them, one after the other, by the goroutine that ranges over the events,
	// and their results are sent to it. See [NewTool].
	Tools []Tool
	// Confirm decides on the uses of tools that the agent must ask for: nil allows one, an error denies it and its text
	// tells the agent why. With a nil Confirm nobody decides.
	Confirm func(ctx context.Context, use AgentToolUseEvent) error
}

// Run sends a message and yields what follows in the session up to the end of the turn, which is a
// [SessionStatusIdleEvent]. Its stop reason says how the turn ended: a failed one has a [SessionErrorEvent] before and
// is no error of Run. A nil params stands for none. An error is yielded once, at the end.
//
// When the agent waits for the results of params.Tools or for params.Confirm, Run answers and goes on. When it waits for
// anything else, Run ends with a stop reason [StopReasonRequiresAction], and [SessionService.RunEvents] goes on with the
// caller's answer.
//
// Leaving the loop, or an end of ctx, does not stop the turn: see [EventService.Interrupt]. Its errors are those of
// [EventService.Send] and [EventService.Stream].
//
// An idempotency key is the message's. With it a program that was stopped in the middle of a Run takes it up again: the
// events come again from the first, what was answered is not answered again, and the turn goes on.
func (s *SessionService) Run(ctx context.Context, id SessionID, message string, params *RunParams, opts ...Option) iter.Seq2[Event, error] {
	return s.run(ctx, "Sessions.Run", id, []EventInput{NewUserMessage(message)}, params, opts)
}

// RunEvents is [SessionService.Run] with other events than a message, such as the answers that the agent waits for. The
// last one must start a turn or let it go on; otherwise nothing follows.
func (s *SessionService) RunEvents(ctx context.Context, id SessionID, events []EventInput, params *RunParams, opts ...Option) iter.Seq2[Event, error] {
	return s.run(ctx, "Sessions.RunEvents", id, events, params, opts)
}

// run is Run for the method op.
func (s *SessionService) run(ctx context.Context, op string, id SessionID, events []EventInput, params *RunParams, opts []Option) iter.Seq2[Event, error] {
	p := value(params)
	later := append(slices.Clone(opts), withoutIdempotencyKey)
	return func(yield func(Event, error) bool) {
		sent, err := s.Events.send(ctx, op, id, events, opts)
		if err != nil {
			yield(Event{}, err)
			return
		}
		last := sent[len(sent)-1]
		uses := map[EventID]any{}
		for event, err := range s.Events.stream(ctx, op, id, StreamParams{last.ID, p.Deltas}, later) {
			if !yield(event, err) || err != nil {
				return
			}
			switch v := event.Value.(type) {
			case AgentCustomToolUseEvent:
				uses[v.ID] = v
			case AgentToolUseEvent:
				uses[v.ID] = v
			case SessionStatusIdleEvent:
				if v.TurnID != last.TurnID {
					continue
				}
				goesOn, err := s.answer(ctx, op, id, v, uses, p, later)
				if err != nil {
					yield(Event{}, err)
				}
				if err != nil || !goesOn {
					return
				}
			}
		}
	}
}

// answer sends the answers that a turn stopped for, as far as params has them, and reports whether the turn goes on.
func (s *SessionService) answer(ctx context.Context, op string, id SessionID, stop SessionStatusIdleEvent, uses map[EventID]any, params RunParams, opts []Option) (goesOn bool, err error) {
	if stop.StopReason.Type != StopReasonRequiresAction || len(params.Tools) == 0 && params.Confirm == nil {
		return false, nil
	}
	waiting, err := s.waiting(ctx, op, id, stop, opts)
	if err != nil {
		return false, err
	}
	goesOn = true
	for _, use := range waiting {
		answer, ok := params.answer(ctx, uses[use])
		if !ok {
			goesOn = false
			continue
		}
		if _, err := s.Events.send(ctx, op, id, []EventInput{answer}, opts); err != nil {
			return false, err
		}
	}
	return goesOn, nil
}

// waiting lists the uses of tools that a turn stopped for, without those that are answered since.
func (s *SessionService) waiting(ctx context.Context, op string, id SessionID, stop SessionStatusIdleEvent, opts []Option) ([]EventID, error) {
	uses := slices.Clone(stop.StopReason.EventIDs)
	answers := []EventType{EventTypeUserCustomToolResult, EventTypeUserToolConfirmation}
	for event, err := range s.Events.All(ctx, id, &ListEventsParams{AfterID: &stop.ID, Types: answers}, opts...) {
		if failure, ok := err.(*Error); ok {
			failure.Op = op
			return nil, failure
		}
		uses = slices.DeleteFunc(uses, func(use EventID) bool {
			switch v := event.Value.(type) {
			case UserCustomToolResultEvent:
				return v.CustomToolUseID == use
			case UserToolConfirmationEvent:
				return v.ToolUseID == use
			}
			return false
		})
	}
	return uses, nil
}

// answer is the answer to a use of a tool; ok is false when it is the caller's to give.
func (p RunParams) answer(ctx context.Context, use any) (answer EventInput, ok bool) {
	switch v := use.(type) {
	case AgentCustomToolUseEvent:
		i := slices.IndexFunc(p.Tools, func(t Tool) bool { return t.name == v.Name })
		if i < 0 {
			return answer, false
		}
		return p.Tools[i].answer(ctx, v), true
	case AgentToolUseEvent:
		if p.Confirm == nil {
			return answer, false
		}
		confirmation := UserToolConfirmationInput{ToolUseID: v.ID, Result: ToolConfirmationAllow}
		if err := p.Confirm(ctx, v); err != nil {
			confirmation.Result, confirmation.DenyMessage = ToolConfirmationDeny, new(err.Error())
		}
		return NewEventInput(confirmation), true
	}
	return answer, false
}

// withoutIdempotencyKey undoes WithIdempotencyKey, for the writes that follow the one that it is for.
func withoutIdempotencyKey(c *config) error {
	c.key = ""
	return nil
}
