// Package dispatch runs the turns in the queue: it claims a turn, lets the runner work on it, stores what the runner
// says, and ends the turn, once, whatever happens in between. A caller that stops a turn changes the session's state
// in the store; the dispatcher is notified and stops the runner.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// Options configure a dispatcher. All fields are required.
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
	// Patience is how long a runner may take to stop after it was told to; then the turn ends without it.
	Patience time.Duration
}

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

	w := &work{Dispatcher: d, ref: t}
	err := d.untilDone(ctx, t, w.claim)
	if err == nil {
		err = w.play(ctx, poke)
	}
	if err == nil {
		err = d.untilDone(d.hard, t, w.finish)
	}
	return err == nil || errors.Is(err, errNotOurs) || errors.Is(err, store.ErrNotFound)
}

// The waits between attempts of a step that failed because of the database.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// untilDone repeats a step while the database fails, as long as ctx lasts.
func (d *Dispatcher) untilDone(ctx context.Context, t store.TurnRef, step func(ctx context.Context) error) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := step(ctx)
		if err == nil || errors.Is(err, errNotOurs) || errors.Is(err, store.ErrNotFound) || ctx.Err() != nil {
			return err
		}
		d.Logger.Warn("a turn's step failed", "session", t.Session.ID, "turn", t.TurnID, "error", err)
		if (turn.WallClock{}).Sleep(ctx, wait) != nil {
			return err
		}
	}
}

// history bounds the events before a turn that its runner gets.
const history = 500

// input reads what the runner starts from: the turn, and the events before it.
func (d *Dispatcher) input(ctx context.Context, session store.SessionRef, s store.Session) (turn.Input, error) {
	in := turn.Input{SessionID: s.ID, TurnID: s.Turn.ID, Agent: turn.Agent{
		ID: s.Agent.ID, Version: s.Agent.Version, Name: s.Agent.Name, Model: s.Agent.Model, System: s.Agent.System, Tools: s.Agent.Tools,
	}}
	page := store.Page{Limit: 100}
	for more := true; more && len(in.History) < history; {
		list, err := d.Store.ListEvents(ctx, session.Account, session.ID, store.EventFilter{Types: event.EntryTypes()}, page)
		if err != nil {
			return in, err
		}
		for _, e := range list.Items {
			entry, _, err := event.Entry(e)
			if err != nil {
				return in, err
			}
			if e.TurnID == s.Turn.ID {
				in.Entries = append(in.Entries, entry)
			} else {
				in.History = append(in.History, entry)
			}
			page.Cursor = e.ID
		}
		more = list.HasMore
	}
	slices.Reverse(in.Entries)
	slices.Reverse(in.History)
	return in, nil
}

// stopping reports whether the caller has told a session's turn to stop.
func stopping(s store.Session) bool {
	phase := lifecycle.PhaseOf(s)
	return phase == lifecycle.Canceling || phase == lifecycle.Interrupting
}
