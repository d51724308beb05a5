// Package dispatch runs the turns in the queue: it claims a turn, lets the runner work on it, stores what the runner
// says, and ends the turn, once, whatever happens in between. A caller that stops a turn changes the session's state
// in the store; the dispatcher is notified and stops the runner.
package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/turn"
)

// DefaultMaxText is the default of Options.MaxText.
const DefaultMaxText = 8 << 20

// Options configure a dispatcher. All fields are required, except where they have a default.
type Options struct {
	Store  store.Store
	Log    *event.Log
	Runner turn.Runner
	// Workers is how many turns run at a time.
	Workers int
	// Clock measures the time between flushes of increments; Now is the time.
	Clock  turn.Clock
	Now    func() time.Time
	Logger *slog.Logger
	// MaxInputTokens has the sizes of the models' windows, by model.
	MaxInputTokens map[string]int64
	// Patience is how long a runner may take to stop after it was told to; then the turn ends without it.
	Patience time.Duration
	// TurnTimeout is how long a turn may run, SilenceTimeout how long its runner may give no sign of life; 0 for any time.
	// The time in which a turn waits for a worker or for the caller counts for neither.
	TurnTimeout, SilenceTimeout time.Duration
	// WorkPatience is how long a turn may wait for a worker, while its environment has none; see EndOverdue. A turn whose
	// environment has workers, which are busy or do nothing, may wait for TurnTimeout.
	WorkPatience time.Duration
	// MaxText is how many bytes of text a turn may store: what the agent says, and the arguments and results of its tools;
	// DefaultMaxText by default. At the bound the turn ends, with the stop reason max_tokens.
	MaxText int
	// Observe is called with each turn that has stopped; nil, the default, is not.
	Observe func(Stopped)
	// Tools open a turn's toolboxes, in this order.
	Tools []ToolSource
	// Budget bounds the memory of what runners start from; nil, the default, does not.
	Budget *budget.Budget
	// Tracer starts the spans of turns; nil, the default, starts none.
	Tracer *tracing.Tracer
}

// Stopped is a turn that has ended, or that waits for the caller or a worker.
type Stopped struct {
	// Runner is the name of the runner.
	Runner string
	// Reason is why it stopped.
	Reason types.StopReasonType
	// Ran is how long it ran, since a worker claimed it. First is the time until the first word or use of a tool; 0 for
	// neither.
	Ran, First time.Duration
	// Used is what it has used in that time.
	Used turn.Usage
}

// ToolSource opens what a session's turn has from one place: the session's files, memory stores or MCP servers. A source that
// has nothing for the session returns an empty Toolbox. An error ends the turn, so what is wrong with one tool belongs into
// Toolbox.Problems. It is called at the start of a turn and each time the turn continues.
type ToolSource func(ctx context.Context, account string, s store.Session) (turn.Toolbox, error)

// Dispatcher runs turns from Start to Close.
type Dispatcher struct {
	Options
	unwatch func()
	stop    context.CancelFunc // stops the running turns
	hard    context.Context    // bounds the steps that end turns
	abandon context.CancelFunc
	worked  chan struct{} // closed when no turn is running

	mu      sync.Mutex
	running map[store.SessionRef]chan struct{} // each receives when the session's state has changed
}

// Start starts a dispatcher.
func Start(o Options) *Dispatcher {
	o.MaxText = cmp.Or(o.MaxText, DefaultMaxText)
	d := &Dispatcher{Options: o, worked: make(chan struct{}), running: map[store.SessionRef]chan struct{}{}}
	ctx := context.Background()
	ctx, d.stop = context.WithCancel(ctx)
	d.hard, d.abandon = context.WithCancel(context.Background())
	d.unwatch = o.Store.Watch(d.signal)
	go func() {
		defer close(d.worked)
		if err := o.Store.WorkTurns(ctx, o.Workers, d.work); err != nil {
			o.Logger.Error("turns are not dispatched", "error", err)
		}
	}()
	return d
}

// Close stops the running turns, which stay in the queue for another process or the next start, and waits for them
// until ctx ends.
func (d *Dispatcher) Close(ctx context.Context) error {
	d.stop()
	defer d.unwatch()
	defer d.abandon()
	select {
	case <-d.worked:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("turns were still running: %w", ctx.Err())
	}
}

// Running returns how many turns are running.
func (d *Dispatcher) Running() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.running)
}

// signal wakes the worker of a session whose state has changed.
func (d *Dispatcher) signal(s store.Signal) {
	if s.Increment != nil || !s.State && s.Session != (store.SessionRef{}) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for session, poke := range d.running {
		if session == s.Session || s.Session == (store.SessionRef{}) {
			nudge(poke)
		}
	}
}

func nudge(poke chan struct{}) {
	select {
	case poke <- struct{}{}:
	default:
	}
}

// errNotOurs is a turn that has ended, or that another worker has claimed.
var errNotOurs = errors.New("the turn belongs to another worker")

// errStopped is a turn that the caller stopped.
var errStopped = errors.New("the turn was stopped")

// work runs a turn until it ends or waits for the caller. It returns false for a turn that must be dispatched again.
func (d *Dispatcher) work(ctx context.Context, t store.TurnRef) (done bool) {
	poke := make(chan struct{}, 1)
	d.mu.Lock()
	d.running[t.Session] = poke
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.running[t.Session] == poke {
			delete(d.running, t.Session)
		}
	}()

	w := &work{Dispatcher: d, ref: t, began: time.Now(), hard: d.hard}
	err := w.untilDone(ctx, w.claim)
	if err == nil {
		ctx = w.trace(ctx)
		defer w.span.End()
	}
	for err == nil {
		if err = w.play(ctx, poke); err == nil {
			err = w.untilDone(w.hard, w.finish)
		}
		if !errors.Is(err, errContinues) {
			break
		}
		err = nil
	}
	if cannotPass(err) && ctx.Err() == nil && d.hard.Err() == nil {
		err = w.endAnyhow(err)
	}
	if err == nil {
		w.stopped()
	}
	return err == nil || errors.Is(err, errNotOurs) || errors.Is(err, store.ErrNotFound)
}

// stopped logs and counts a turn that has stopped.
func (w *work) stopped() {
	if w.reason == "" { // it was left to another worker
		return
	}
	w.sink.mu.Lock()
	s := Stopped{
		Runner: turn.NameOf(w.Runner, w.session.Agent.Model), Reason: w.reason, Ran: time.Since(w.began), First: w.first, Used: w.sink.used,
	}
	w.sink.mu.Unlock()
	w.span.Stopped(string(s.Reason), s.Used, w.failure)
	w.log().Info("turn stopped", "runner", s.Runner, "reason", s.Reason,
		"duration", s.Ran, "first_piece", s.First, "input_tokens", s.Used.InputTokens, "output_tokens", s.Used.OutputTokens)
	if w.Observe != nil {
		w.Observe(s)
	}
}

// cannotPass reports whether a step has failed in a way that another attempt does not change.
func cannotPass(err error) bool {
	return err != nil && !errors.Is(err, errNotOurs) && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnavailable)
}

// The waits between attempts of a step that failed because of the database.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// untilDone repeats a step while the database is not available, as long as ctx lasts.
func (w *work) untilDone(ctx context.Context, step func(ctx context.Context) error) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := step(ctx)
		if !errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		w.log().Warn("a turn's step failed", "error", err)
		if (turn.WallClock{}).Sleep(ctx, wait) != nil {
			return err
		}
	}
}

// stored returns how many bytes of text a turn has stored.
func stored(entries []turn.Entry) (bytes int) {
	for _, e := range entries {
		switch e.Kind {
		case turn.AgentMessage, turn.ToolUse, turn.ToolResult, turn.MCPToolUse, turn.MCPToolResult, turn.CustomToolUse:
			bytes += len(e.Text) + len(e.Input)
		}
	}
	return bytes
}

// spans returns a page of a session's requests to the model, newest first, each as its end and its start, and of what
// started, continued or rescheduled a turn.
func (d *Dispatcher) spans(ctx context.Context, session store.SessionRef, limit int) ([]store.Event, error) {
	filter := store.EventFilter{Types: []string{event.StatusRunning, event.Rescheduled, event.RequestStart, event.RequestEnd}}
	list, err := d.Store.ListEvents(ctx, session.Account, session.ID, filter, store.Page{Limit: limit})
	return list.Items, err
}

// begun reports whether a worker has begun to run a turn since the turn was last enqueued.
func (d *Dispatcher) begun(ctx context.Context, t store.TurnRef) (bool, error) {
	newest, err := d.spans(ctx, t.Session, 1)
	return len(newest) > 0 && newest[0].TurnID == t.TurnID && newest[0].Type != event.StatusRunning, err
}

// maxSpans bounds how far back ran looks.
const maxSpans = 500

// ran returns how long a turn has run before it last waited for the caller: each time from its first request to the model
// to the end of its last, or until its process died.
func (d *Dispatcher) ran(ctx context.Context, t store.TurnRef) (sum time.Duration, err error) {
	events, err := d.spans(ctx, t.Session, maxSpans)
	if err != nil {
		return 0, err
	}
	var start, end time.Time // of a period: of its first request, of its last
	var died store.Event     // what began the period after one whose process died
	count := func() (err error) {
		switch {
		case died.ID != "" && !start.IsZero():
			var lasted time.Duration
			lasted, err = d.unfinished(ctx, t, start, died)
			sum += lasted
		case !end.IsZero():
			sum += end.Sub(start)
		}
		start, end, died = time.Time{}, time.Time{}, store.Event{}
		return err
	}
	for _, e := range events { // newest first
		if e.TurnID != t.TurnID {
			break
		}
		switch {
		case e.Type == event.RequestEnd && end.IsZero():
			end = e.CreatedAt
		case e.Type == event.RequestStart:
			start = e.CreatedAt
		case e.Type == event.StatusRunning, e.Type == event.Rescheduled:
			if err := count(); err != nil {
				return 0, err
			}
			if e.Type == event.Rescheduled {
				died = e
			}
		}
	}
	err = count()
	return sum, err
}

// unfinished returns how long a period lasted whose process died: until the next one began, but of the silence before that
// at most SilenceTimeout. The rest the turn has waited for a process.
func (d *Dispatcher) unfinished(ctx context.Context, t store.TurnRef, start time.Time, next store.Event) (time.Duration, error) {
	list, err := d.Store.ListEvents(ctx, t.Session.Account, t.Session.ID, store.EventFilter{}, store.Page{Limit: 1, Cursor: next.ID})
	if err != nil {
		return 0, err
	}
	last := start // that the run, or the caller during it, wrote
	for _, e := range list.Items {
		if e.CreatedAt.After(last) {
			last = e.CreatedAt
		}
	}
	silence := next.CreatedAt.Sub(last)
	if d.SilenceTimeout > 0 {
		silence = min(silence, d.SilenceTimeout)
	}
	return last.Sub(start) + silence, nil
}

// stopping reports whether the caller has told a session's turn to stop.
func stopping(s store.Session) bool {
	phase := lifecycle.PhaseOf(s)
	return phase == lifecycle.Canceling || phase == lifecycle.Interrupting
}
