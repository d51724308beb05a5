package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/internal/panics"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/turn"
)

// work is one turn that runs, from its claim to its end.
type work struct {
	*Dispatcher
	ref      store.TurnRef
	session  store.Session // as it was claimed
	claimed  bool
	taken    bool          // it was claimed without a write: the first one raises the lease
	lease    int64         // of the session, for this worker; sink.mu guards it while the runner works
	raised   atomic.Int64  // lease, or a greater one that is being stored
	unstored []event.New   // of the claim
	request  string        // the event of the request to the model that is under way; "" for none
	ran      time.Duration // how long the turn ran before it last waited for the caller
	sink     *sink
	spent    turn.Usage // before the sink began
	outcome  turn.Outcome
	failure  error
	began    time.Time
	first    time.Duration        // until the first piece, 0 for none; sink.mu guards it
	reason   types.StopReasonType // why it has stopped; "" while it runs
	span     tracing.Span
	hard     context.Context // Dispatcher.hard, with the span
}

// trace starts the span of a claimed turn, and returns ctx with it.
func (w *work) trace(ctx context.Context) context.Context {
	if w.Tracer == nil {
		return ctx
	}
	agent := w.session.Agent
	ctx, w.span = w.Tracer.Turn(ctx, tracing.Turn{
		ID: w.ref.TurnID, Session: w.session.ID, AgentID: agent.ID, AgentName: agent.Name, AgentVersion: agent.Version, Model: agent.Model,
		Runner: turn.NameOf(w.Runner, agent.Model), Origin: tracing.ReadOrigin(w.session.Turn.Origin),
	})
	w.hard = w.span.Into(w.hard)
	return ctx
}

// requestID returns the id of the request that started or continued the turn; "" before the turn is claimed.
func (w *work) requestID() string { return tracing.ReadOrigin(w.session.Turn.Origin).RequestID }

// log returns the log of a turn, whose lines name the turn, its session, and the request that started or continued it.
func (w *work) log() *slog.Logger {
	log := w.Logger.With("session", w.ref.Session.ID, "turn", w.ref.TurnID)
	if id := w.requestID(); id != "" {
		log = log.With("request_id", id)
	}
	if trace := tracing.ID(w.hard); trace != "" {
		log = log.With("trace_id", trace)
	}
	return log
}

// ours returns an error unless this worker has the session's turn.
func (w *work) ours(s *store.Session) error { return w.oursAt(s, w.lease) }

// oursAt is ours for the greatest lease that the worker may have.
func (w *work) oursAt(s *store.Session, lease int64) error {
	if s.Turn.ID != w.ref.TurnID || !s.Status.Busy() || w.claimed && s.Turn.Lease > lease {
		return errNotOurs
	}
	return nil
}

// claim claims the turn: from here on a worker that claimed it before can write nothing.
func (w *work) claim(ctx context.Context) (err error) {
	if !w.ref.Again {
		return w.take(ctx)
	}
	begun, err := w.begun(ctx, w.ref)
	if err != nil {
		return err
	}
	w.ref.Again, w.ref.Lost = begun, w.ref.Lost && begun // or not, when it was still waiting for a worker
	s, _, err := w.Log.Append(ctx, w.ref.Session, func(s *store.Session) (events []event.New, err error) {
		if err := w.ours(s); err != nil {
			return nil, err
		}
		s.Turn.Lease++
		if w.ref.Lost || stopping(*s) {
			return nil, nil
		}
		if w.ref.Again {
			events = append(events, event.New{Type: event.Rescheduled, TurnID: w.ref.TurnID})
		}
		return append(events, w.requestStart(s)), nil
	})
	if err == nil {
		w.claimedAs(s)
	}
	return err
}

// take is claim of a turn that no worker has had since it was queued, as far as the queue knows: the start of the request to
// the model and the lease are stored with what follows.
func (w *work) take(ctx context.Context) error {
	s, err := w.queued(ctx)
	if err != nil {
		return err
	}
	if err := w.ours(&s); err != nil {
		return err
	}
	w.claimedAs(s)
	w.taken = true
	if !stopping(s) {
		w.unstored = []event.New{w.requestStart(&s)}
	}
	return nil
}

// queued returns the session as it was when the turn was queued, or as it is by now. What has changed since is noticed when
// something is stored.
func (w *work) queued(ctx context.Context) (store.Session, error) {
	if w.ref.As != nil {
		return *w.ref.As, nil
	}
	return w.Store.GetSession(ctx, w.ref.Session.Account, w.ref.Session.ID)
}

func (w *work) claimedAs(s store.Session) {
	w.session, w.claimed, w.lease = s, true, s.Turn.Lease
	w.raised.Store(w.lease)
}

// requestStart begins a request to the model.
func (w *work) requestStart(s *store.Session) event.New {
	w.request = w.Store.NewID("evt")
	return event.New{Type: event.RequestStart, TurnID: w.ref.TurnID, Payload: event.Payload{Model: s.Agent.Model}, ID: w.request}
}

// errLost is a turn that was running when the server stopped.
var errLost = &turn.Failure{Message: "The server was restarted during the turn. Send the message again."}

// play lets the runner work on the turn. It returns an error only when the turn must be left unchanged.
func (w *work) play(ctx context.Context, poke <-chan struct{}) error {
	w.outcome, w.failure = "", nil
	w.sink = newSink(w, 0, func(error) {})
	grant := w.Budget.Open(w.ref.Session.Account)
	defer grant.Close()
	conversation := w.conversation(grant, w.ref.Session, w.ref.TurnID)
	defer conversation.close()
	entries, err := conversation.turn(ctx)
	w.sink.open = w.unanswered(entries)
	switch {
	case w.ref.Lost:
		w.failure = errLost
		return nil
	case stopping(w.session):
		return nil
	}
	if err == nil && w.TurnTimeout > 0 && (w.ref.Again || len(entries) > 1) { // otherwise the turn has just begun
		w.ran, err = w.Dispatcher.ran(ctx, w.ref)
	}
	if err != nil {
		w.failure = err
		return ctx.Err()
	}
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w.sink = newSink(w, stored(entries), stop)
	w.sink.open = w.unanswered(entries)
	w.sink.start()
	ran := make(chan result, 1) // buffered, so that an abandoned runner can return
	go func() {
		var r result
		defer func() { ran <- r }() // also when the runner ends its goroutine
		r.failure = panics.ToError(func() (err error) {
			r.outcome, err = w.run(running, w.input(entries, conversation))
			return err
		})
	}()
	abandoned := w.await(running, stop, ran, poke)
	w.sink.close()
	if abandoned {
		w.log().Warn("a runner did not stop", "patience", w.Patience)
	}
	var expired *turn.Failure
	switch {
	case w.sink.overflowed():
		w.outcome, w.failure = turn.MaxTokens, nil
		return nil
	case errors.As(context.Cause(running), &expired):
		w.failure = expired
		return nil
	case abandoned || w.failure != nil:
		if ctx.Err() != nil { // when the dispatcher stops, the turn does not: it has begun
			_ = w.sink.settle(w.hard)
		}
		return ctx.Err()
	}
	return nil
}

// input returns what the runner starts from.
func (w *work) input(entries []turn.Entry, c *conversation) turn.Input {
	agent := w.session.Agent
	return turn.Input{
		Account: w.ref.Session.Account, SessionID: w.session.ID, TurnID: w.session.Turn.ID, RequestID: w.requestID(),
		Entries: entries, History: c.history,
		Agent: turn.Agent{
			ID: agent.ID, Version: agent.Version, Name: agent.Name, Model: agent.Model, System: agent.System, Tools: agent.Tools,
			MaxInputTokens: w.MaxInputTokens[agent.Model],
		},
	}
}

// run lets the runner work, with the turn's toolboxes if it asks for them.
func (w *work) run(ctx context.Context, in turn.Input) (turn.Outcome, error) {
	var boxes []turn.Toolbox
	defer func() { closeAll(boxes) }()
	in.Rescheduled = w.ref.Again
	in.Open = func(ctx context.Context) ([]turn.Toolbox, error) {
		opened, err := w.open(ctx)
		boxes = append(boxes, opened...)
		if err == nil {
			err = w.report(ctx, opened)
		}
		return w.guarded(opened), err
	}
	return w.Runner.Run(ctx, in, w.sink)
}

// unanswered returns the uses of a turn that have no result and do not wait: the runner is to run them.
func (w *work) unanswered(entries []turn.Entry) (open []store.PendingAction) {
	answered := map[string]bool{}
	for _, e := range entries {
		answered[e.UseID] = answered[e.UseID] || e.IsResult()
	}
	for _, p := range w.session.Turn.Pending {
		answered[p.EventID] = true
	}
	for _, e := range entries {
		if e.IsUse() && !answered[e.ID] {
			open = append(open, store.PendingAction{EventID: e.ID, Type: string(e.Kind)})
		}
	}
	return open
}

// result is what a runner returned.
type result struct {
	outcome turn.Outcome
	failure error
}

// await waits for the runner, stops it when the caller has stopped the turn or a timeout has passed, and reports whether
// it abandoned the runner.
func (w *work) await(running context.Context, stop context.CancelCauseFunc, ran <-chan result, poke <-chan struct{}) (abandoned bool) {
	deadline, silence := newTimer(w.TurnTimeout, w.ran), newTimer(w.SilenceTimeout, 0)
	defer deadline.Stop()
	defer silence.Stop()
	for {
		select {
		case <-deadline.C:
			stop(turn.Failuref("The turn did not end within %s.", w.TurnTimeout))
		case <-silence.C:
			if left := w.SilenceTimeout - w.sink.silence(); left > 0 {
				silence.Reset(left)
			} else {
				stop(turn.Failuref("The agent did nothing for %s.", w.SilenceTimeout))
			}
		case r := <-ran:
			w.outcome, w.failure = r.outcome, r.failure
			return false
		case <-running.Done():
			patience := time.NewTimer(w.Patience)
			defer patience.Stop()
			select {
			case r := <-ran:
				w.outcome, w.failure = r.outcome, r.failure
				return false
			case <-patience.C:
				return true
			}
		case <-poke:
			s, err := w.Store.GetSession(running, w.ref.Session.Account, w.ref.Session.ID)
			if errors.Is(err, store.ErrNotFound) || err == nil && w.oursAt(&s, w.raised.Load()) != nil {
				stop(errNotOurs)
			} else if err == nil && stopping(s) {
				stop(errStopped)
			}
		}
	}
}

// newTimer returns a timer for what is left of a timeout after some time has passed; it never fires for a timeout of 0.
func newTimer(timeout, passed time.Duration) *time.Timer {
	if timeout <= 0 {
		return time.NewTimer(math.MaxInt64)
	}
	return time.NewTimer(timeout - passed)
}

// errContinues is a turn that stopped for actions which have all come by now.
var errContinues = errors.New("the turn continues")

// finish ends the turn, or leaves it to wait: it writes what is left to write, the state and the usage in one step. It
// returns errContinues when there is nothing left to wait for, and the turn is to be played on.
func (w *work) finish(ctx context.Context) error {
	continues, span := false, w.Store.NewID("evt")
	left, said := w.sink.last()
	s, err := w.append(ctx, said, func(s *store.Session) ([]event.New, error) {
		stop := w.stopReason(*s)
		w.reason = stop.Type
		if continues = stop.Type == types.StopReasonTypeRequiresAction && len(stop.EventIDs) == 0; continues {
			return w.nextRequest(left, span), nil
		}
		var failed []event.New
		if stop.Type != types.StopReasonTypeRequiresAction {
			failed = event.FailedUses(s, slices.Concat(w.sink.open, s.Turn.Pending), whyStopped(stop))
			s.Turn.End()
		}
		if err := lifecycle.Advance(s, lifecycle.OnTurnEnded, w.Now()); err != nil {
			return nil, err
		}
		s.Usage = s.Usage.Add(w.sink.used).Within(w.Log.Usage())
		return w.lastEvents(left, failed, stop), nil
	})
	if err == nil && continues {
		w.session, w.request, w.spent, w.ref.Again, w.unstored, w.reason = s, span, w.sink.used, false, nil, ""
		return errContinues
	}
	return err
}

// append appends events to the session's log, and publishes increments just before readers learn of the events. change is
// called with the session while this worker has its turn.
func (w *work) append(ctx context.Context, said []store.Increment, change func(s *store.Session) ([]event.New, error)) (s store.Session, err error) {
	owned := func(s *store.Session) ([]event.New, error) {
		if err := w.ours(s); err != nil {
			return nil, err
		}
		if w.taken {
			s.Turn.Lease++
			w.raised.Store(s.Turn.Lease)
		}
		return change(s)
	}
	if len(said) == 0 {
		s, _, err = w.Log.Append(ctx, w.ref.Session, owned)
	} else {
		err = w.Store.Atomically(ctx, func(ctx context.Context) error {
			for _, inc := range said {
				if err := w.Store.PublishWith(ctx, inc); err != nil {
					return err
				}
			}
			s, _, err = w.Log.Append(ctx, w.ref.Session, owned)
			return err
		})
	}
	if err == nil {
		w.lease, w.taken = s.Turn.Lease, false
	}
	return s, err
}

// nextRequest returns the events between two requests to the model: what is left of one, and the start of the next, which
// gets an id.
func (w *work) nextRequest(left []event.New, id string) []event.New {
	events := slices.Clone(left)
	if w.request != "" {
		events = append(events, event.New{Type: event.RequestEnd, TurnID: w.ref.TurnID, Payload: w.requestEnd(false)})
	}
	return append(events, event.New{
		Type: event.RequestStart, TurnID: w.ref.TurnID, Payload: event.Payload{Model: w.session.Agent.Model}, ID: id,
	})
}

// whyStopped is the result of a tool use that is open at the end of its turn.
func whyStopped(stop types.StopReason) string {
	if stop.Type == types.StopReasonTypeError {
		return "The turn failed before the tool was done."
	}
	return "The turn was stopped before the tool was done."
}

// endings bounds the attempts of endAnyhow.
const endings = 5

// endAnyhow ends a turn whose last step cannot pass, with the least that ends one: it depends on nothing that the runner
// reported or that is stored.
func (w *work) endAnyhow(cause error) (err error) {
	w.reason = types.StopReasonTypeError
	w.log().Error("a turn could not end as it should", "error", cause)
	for wait, attempt := firstRetry, 0; attempt < endings; wait, attempt = 2*wait, attempt+1 {
		if err = w.untilDone(w.hard, w.end); !cannotPass(err) || (turn.WallClock{}).Sleep(w.hard, wait) != nil {
			return err
		}
	}
	w.log().Error("a turn could not be ended", "error", err)
	return nil // trying again would not help, and would keep the worker from others
}

// end writes the ending of endAnyhow.
func (w *work) end(ctx context.Context) error {
	_, _, err := w.Log.Append(ctx, w.ref.Session, func(s *store.Session) ([]event.New, error) {
		if err := w.ours(s); err != nil {
			return nil, err
		}
		s.Turn.End()
		if err := lifecycle.Advance(s, lifecycle.OnTurnEnded, w.Now()); err != nil {
			return nil, err
		}
		return []event.New{
			{Type: event.SessionError, TurnID: w.ref.TurnID, Payload: event.Payload{Error: &types.SessionErrorDetail{
				Type: types.ErrorTypeAPIError, Message: "The end of the turn could not be stored. Send the message again.",
			}}},
			{Type: event.StatusIdle, TurnID: w.ref.TurnID, Payload: event.Payload{
				Status:     types.SessionStatusIdleEventStatusIdle,
				StopReason: &types.StopReason{Type: types.StopReasonTypeError},
				Usage:      &types.EventUsage{},
			}},
		}, nil
	})
	return err
}

// stopReason returns why the work has stopped, given the session's current state.
func (w *work) stopReason(s store.Session) types.StopReason {
	switch phase := lifecycle.PhaseOf(s); {
	case phase == lifecycle.Canceling:
		return types.StopReason{Type: types.StopReasonTypeCancelled}
	case phase == lifecycle.Interrupting:
		return types.StopReason{Type: types.StopReasonTypeInterrupted}
	case w.failure != nil:
		return types.StopReason{Type: types.StopReasonTypeError}
	case w.outcome == turn.RequiresAction && len(w.session.Turn.Pending)+w.sink.waits > 0:
		reason := types.StopReason{Type: types.StopReasonTypeRequiresAction}
		for _, p := range s.Turn.Pending {
			reason.EventIDs = append(reason.EventIDs, p.EventID)
		}
		return reason
	case w.outcome == turn.MaxTokens:
		return types.StopReason{Type: types.StopReasonTypeMaxTokens}
	}
	return types.StopReason{Type: types.StopReasonTypeEndTurn}
}

// lastEvents returns the events that end the work on a turn, after those that are left to store and the results of uses that
// failed with it.
func (w *work) lastEvents(left, results []event.New, stop types.StopReason) []event.New {
	events := slices.Concat(left, results)
	for i := range events {
		events[i].TurnID = w.ref.TurnID
	}
	add := func(kind string, p event.Payload) {
		events = append(events, event.New{Type: kind, TurnID: w.ref.TurnID, Payload: p})
	}
	failed := stop.Type == types.StopReasonTypeError
	if failed {
		add(event.SessionError, event.Payload{Error: &types.SessionErrorDetail{
			Type: types.ErrorTypeAPIError, Message: w.publicMessage(),
		}})
	}
	if w.request != "" {
		add(event.RequestEnd, w.requestEnd(failed))
	}
	usage := event.Usage(w.sink.used, w.Log.Usage())
	add(event.StatusIdle, event.Payload{Status: types.SessionStatusIdleEventStatusIdle, StopReason: &stop, Usage: usage})
	return events
}

// requestEnd is the end of the request to the model that is under way.
func (w *work) requestEnd(failed bool) event.Payload {
	return event.Payload{RequestStartID: w.request, IsError: &failed, ModelUsage: event.Usage(w.sink.requested, w.Log.Usage())}
}

// publicMessage returns the failure's text for callers: its own if it has one that is meant for them. The log of the
// process gets the complete error.
func (w *work) publicMessage() string {
	attrs := []any{"error", w.failure}
	var panicked *panics.Error
	if errors.As(w.failure, &panicked) {
		attrs = append(attrs, "stack", string(panicked.Stack))
	}
	w.log().Error("a turn failed", attrs...)
	var violation *contract.Violation
	if errors.As(w.failure, &violation) {
		return "The agent produced an event that the API does not allow."
	}
	var public interface{ Public() string }
	if !errors.As(w.failure, &public) {
		return "The agent failed. Send the message again."
	}
	return w.Log.ErrorMessage(public.Public(), "The agent failed.")
}
