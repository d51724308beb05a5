package client

import (
	"context"
	"iter"
	"slices"
)

// RunParams are the parameters of [SessionService.Run].
type RunParams struct {
	// Deltas are the types of events that are also sent in pieces; see [StreamParams.Deltas].
	Deltas []DeltaType
	// Tools are called when the agent uses them, one after the other, by the goroutine that ranges over the events,
	// and their results are sent to the agent. See [NewTool].
	Tools []Tool
	// Confirm decides on the tool uses that the agent must ask for: a nil error allows one, any other denies it and its
	// text tells the agent why. With a nil Confirm no decision is sent.
	Confirm func(ctx context.Context, use AgentToolUseEvent) error
	// ConfirmMCP is Confirm for tools of the agent's MCP servers.
	ConfirmMCP func(ctx context.Context, use AgentMCPToolUseEvent) error
}

// Run sends a message and yields the events that follow in the session up to the end of the turn, a
// [SessionStatusIdleEvent]. Its stop reason tells how the turn ended: a failed turn has a [SessionErrorEvent] before it
// and is not an error of Run. A nil params stands for none. An error is yielded once, at the end.
//
// When the agent waits for results of params.Tools or decisions of params.Confirm and params.ConfirmMCP, Run sends them and
// continues. It also waits for the results of tools that a worker of a self-hosted environment runs. When the agent
// waits for anything else, Run ends with [StopReasonTypeRequiresAction], and the caller continues the turn with
// [SessionService.RunEvents].
//
// Neither leaving the loop nor the end of ctx stops the turn: see [EventService.Interrupt]. The errors of Run are those of
// [EventService.Send] and [EventService.Stream].
//
// An idempotency key applies to the message. With it a program that was stopped during a Run can resume it: the events come
// again from the first, results that were sent are not sent again, and the turn continues.
func (s *SessionService) Run(ctx context.Context, id SessionID, message string, params *RunParams, opts ...Option) iter.Seq2[Event, error] {
	return s.run(ctx, "Sessions.Run", id, []EventInput{NewUserMessage(message)}, params, opts)
}

// RunEvents is [SessionService.Run] with other events than a message, such as the results that the agent waits for. The
// last event must start or continue a turn; otherwise nothing follows.
func (s *SessionService) RunEvents(ctx context.Context, id SessionID, events []EventInput, params *RunParams, opts ...Option) iter.Seq2[Event, error] {
	return s.run(ctx, "Sessions.RunEvents", id, events, params, opts)
}

// run is RunEvents for the method op.
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
		if last.ID == "" {
			if last, err = s.Events.find(ctx, op, id, last, later); err != nil {
				yield(Event{}, err)
				return
			}
		}
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
				if v.EvaluatedPermission == EvaluatedPermissionAllow {
					uses[v.ID] = byWorker{}
				}
			case AgentMCPToolUseEvent:
				uses[v.ID] = v
			case SessionStatusIdleEvent:
				if v.TurnID != last.TurnID && v.TurnID != "" && last.TurnID != "" {
					continue
				}
				continues, err := s.resolve(ctx, op, id, v, uses, p, later)
				if err != nil {
					yield(Event{}, err)
				}
				if err != nil || !continues {
					return
				}
			}
		}
	}
}

// byWorker is a tool use that a worker responds to.
type byWorker struct{}

// resolve sends what a turn waits for, as far as params provides it, and reports whether the turn continues.
func (s *SessionService) resolve(ctx context.Context, op string, id SessionID, stop SessionStatusIdleEvent, uses map[EventID]any, params RunParams, opts []Option) (continues bool, err error) {
	if stop.StopReason.Type != StopReasonTypeRequiresAction {
		return false, nil
	}
	callers := func(use EventID) bool { return uses[use] != byWorker{} }
	if !slices.ContainsFunc(stop.StopReason.EventIDs, callers) {
		return true, nil
	}
	if len(params.Tools) == 0 && params.Confirm == nil && params.ConfirmMCP == nil {
		return false, nil
	}
	pending, err := s.pending(ctx, op, id, stop, opts)
	if err != nil {
		return false, err
	}
	continues = true
	for _, use := range slices.DeleteFunc(pending, func(use EventID) bool { return !callers(use) }) {
		resolution, ok := params.resolve(ctx, uses[use])
		if !ok {
			continues = false
			continue
		}
		if _, err := s.Events.send(ctx, op, id, []EventInput{resolution}, opts); err != nil {
			return false, err
		}
		if _, confirmed := uses[use].(AgentToolUseEvent); confirmed {
			uses[use] = byWorker{} // if it is one that a worker runs, the turn now waits for it
		}
	}
	return continues, nil
}

// pending lists the tool uses that a turn stopped for, except for those that were resolved since.
func (s *SessionService) pending(ctx context.Context, op string, id SessionID, stop SessionStatusIdleEvent, opts []Option) ([]EventID, error) {
	uses := slices.Clone(stop.StopReason.EventIDs)
	resolutions := []EventType{EventTypeUserCustomToolResult, EventTypeUserToolConfirmation}
	for event, err := range s.Events.All(ctx, id, &ListEventsParams{AfterID: &stop.ID, Types: resolutions}, opts...) {
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

// resolve returns the event that resolves a tool use; ok is false when that is left to the caller.
func (p RunParams) resolve(ctx context.Context, use any) (event EventInput, ok bool) {
	switch v := use.(type) {
	case AgentCustomToolUseEvent:
		i := slices.IndexFunc(p.Tools, func(t Tool) bool { return t.name == v.Name })
		if i < 0 {
			return event, false
		}
		return p.Tools[i].result(ctx, v), true
	case AgentToolUseEvent:
		if p.Confirm == nil {
			return event, false
		}
		return confirmation(v.ID, p.Confirm(ctx, v)), true
	case AgentMCPToolUseEvent:
		if p.ConfirmMCP == nil {
			return event, false
		}
		return confirmation(v.ID, p.ConfirmMCP(ctx, v)), true
	}
	return event, false
}

// confirmation allows a tool use, or denies it for a reason.
func confirmation(use EventID, reason error) EventInput {
	c := UserToolConfirmationInput{ToolUseID: use, Result: ToolConfirmationResultAllow}
	if reason != nil {
		c.Result, c.DenyMessage = ToolConfirmationResultDeny, new(reason.Error())
	}
	return NewEventInput(c)
}

// withoutIdempotencyKey undoes WithIdempotencyKey, for the writes that follow the one that the key is for.
func withoutIdempotencyKey(c *config) error {
	c.key = ""
	return nil
}
