// Package dispatch works on the turns that sessions have in line: it takes one, lets its runner work on it, writes
// down what that says, and ends it, once, whatever happens in between. Who stops a turn changes the session's state
// in the store; dispatch hears of it and stops the runner.
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

// Options are what a dispatcher works with. All fields are required.
type Options struct {
	Store  store.Store
	Log    *event.Log
	Runner turn.Runner
	// Workers is how many turns it works on at a time.
	Workers int
	// Clock measures the time between flushes of increments; Now is the time.
	Clock  turn.Clock
	Now    func() time.Time
	Logger *slog.Logger
	// Patience is how long a runner that was told to stop may take to do so; then the turn ends without it.
	Patience time.Duration
}

// Dispatcher works on turns from Start to Close.
type Dispatcher struct {
	Options
	unwatch func()
	stop    context.CancelFunc // stops the turns under way
	hard    context.Context    // what ends turns goes on until this ends
	giveUp  context.CancelFunc
	worked  chan struct{} // closed when no turn is worked on any more

	mu      sync.Mutex
	running map[store.SessionRef]chan struct{} // each is sent to when the session's state has changed
}

// Start starts a dispatcher.
func Start(o Options) *Dispatcher {
	d := &Dispatcher{Options: o, worked: make(chan struct{}), running: map[store.SessionRef]chan struct{}{}}
	ctx := context.Background()
	ctx, d.stop = context.WithCancel(ctx)
	d.hard, d.giveUp = context.WithCancel(context.Background())
	d.unwatch = o.Store.Watch(d.signal)
	go func() {
		defer close(d.worked)
		if err := o.Store.WorkTurns(ctx, o.Workers, d.work); err != nil {
			o.Logger.Error("turns are not worked on", "error", err)
		}
	}()
	return d
}

// Close stops the turns under way, which stay in line for another process or the next start, and waits for them
// until ctx ends.
func (d *Dispatcher) Close(ctx context.Context) error {
	d.stop()
	defer d.unwatch()
	defer d.giveUp()
	select {
	case <-d.worked:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("turns were still under way: %w", ctx.Err())
	}
}

// Running returns how many turns are worked on.
func (d *Dispatcher) Running() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.running)
}

// signal pokes whoever works on a turn of a session whose state has changed.
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

// errNotOurs is a turn that has ended, or that was handed to somebody else.
var errNotOurs = errors.New("the turn is not ours any more")

// errStopped is a turn that the caller stopped.
var errStopped = errors.New("the turn was stopped")

// work works on a turn until it is at its end, or needs the caller; it returns false when it is left as it is.
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
	err := d.untilDone(ctx, t, w.take)
	if err == nil {
		err = w.play(ctx, poke)
	}
	if err == nil {
		err = d.untilDone(d.hard, t, w.finish)
	}
	return err == nil || errors.Is(err, errNotOurs) || errors.Is(err, store.ErrNotFound)
}

// How long to wait before a step that the database failed is tried again.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// untilDone tries a step again and again while the database fails, for as long as the dispatcher runs.
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

// history bounds the events before a turn that its runner is told of.
const history = 500

// input reads what the runner starts from: the turn, and what came before it.
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
