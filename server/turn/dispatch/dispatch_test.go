package dispatch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/dispatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type answering func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error)

func (f answering) Run(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	return f(ctx, in, out)
}

// bed is a dispatcher over a store with one session.
type bed struct {
	*testing.T
	contract *contract.Contract
	store    store.Store
	log      *event.Log
	session  store.SessionRef
}

func newBed(t *testing.T, flush time.Duration) *bed { return newBedAt(t, flush, time.Now) }

// newBedAt is newBed with a clock for what is stored.
func newBedAt(t *testing.T, flush time.Duration, now func() time.Time) *bed {
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	none := json.RawMessage("[]")
	agent, err := db.CreateAgent(t.Context(), "acme", store.AgentSpec{Name: "a", Model: "m", Tools: none, MCPServers: none, Skills: none})
	if err != nil {
		t.Fatal(err)
	}
	environment, err := db.CreateEnvironment(t.Context(), "acme", store.EnvironmentSpec{Name: "e", Config: json.RawMessage("{}")})
	if err != nil {
		t.Fatal(err)
	}
	session, err := db.CreateSession(t.Context(), "acme", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID, DeltaFlushInterval: flush})
	if err != nil {
		t.Fatal(err)
	}
	return &bed{T: t, contract: compiled, store: db, log: event.NewLog(db, compiled), session: store.SessionRef{Account: "acme", ID: session.ID}}
}

// start starts a dispatcher that is closed at the test's end.
func (b *bed) start(runner turn.Runner, clock turn.Clock) *dispatch.Dispatcher {
	d := dispatch.Start(dispatch.Options{
		Store: b.store, Log: b.log, Runner: runner, Workers: 4, Clock: clock, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Patience: time.Second,
	})
	b.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return d
}

// say starts a turn and enqueues it.
func (b *bed) say(text string) (turnID string) {
	b.Helper()
	return b.begin(text, true)
}

// begin starts a turn. Unless it is enqueued, it is as after the death of the process that had it in its queue.
func (b *bed) begin(text string, enqueued bool) (turnID string) {
	b.Helper()
	err := b.store.Atomically(b.Context(), func(ctx context.Context) error {
		_, _, err := b.log.Append(ctx, b.session, func(s *store.Session) ([]event.New, error) {
			if err := lifecycle.Advance(s, lifecycle.OnMessage, time.Now()); err != nil {
				return nil, err
			}
			turnID = b.store.NewID("turn")
			s.Turn.ID = turnID
			return []event.New{{Type: string(turn.UserMessage), TurnID: turnID, Payload: event.Payload{Content: event.Content(text)}}}, nil
		})
		if err != nil || !enqueued {
			return err
		}
		return b.store.QueueTurn(ctx, store.TurnRef{Session: b.session, TurnID: turnID})
	})
	if err != nil {
		b.Fatal(err)
	}
	return turnID
}

// resume continues a turn that waits for the caller.
func (b *bed) resume(turnID string) {
	b.Helper()
	_, _, err := b.log.Append(b.Context(), b.session, func(s *store.Session) ([]event.New, error) {
		s.Turn.Pending = nil
		return []event.New{{Type: event.StatusRunning, TurnID: turnID}}, lifecycle.Advance(s, lifecycle.OnMessage, time.Now())
	})
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bed) enqueue(t store.TurnRef) {
	b.Helper()
	t.Session = b.session
	if err := b.store.Atomically(b.Context(), func(ctx context.Context) error { return b.store.QueueTurn(ctx, t) }); err != nil {
		b.Fatal(err)
	}
}

// types returns the types of the session's events once it is idle.
func (b *bed) types() (types []string) {
	b.Helper()
	b.until("the session is idle", func() bool {
		s, err := b.store.GetSession(b.Context(), b.session.Account, b.session.ID)
		return err == nil && !s.Status.Busy()
	})
	list, err := b.store.ListEvents(b.Context(), b.session.Account, b.session.ID, store.EventFilter{}, store.Page{Limit: 1000, Ascending: true})
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range list.Items {
		types = append(types, e.Type)
	}
	return types
}

// logged waits for an event of a type.
func (b *bed) logged(kind string) {
	b.Helper()
	b.until(kind, func() bool {
		list, err := b.store.ListEvents(b.Context(), b.session.Account, b.session.ID, store.EventFilter{Types: []string{kind}}, store.Page{Limit: 1})
		return err == nil && len(list.Items) == 1
	})
}

func (b *bed) until(what string, is func() bool) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("never: %s", what)
		}
	}
}

// handClock stands still until it is moved.
type handClock struct {
	mu      sync.Mutex
	now     time.Duration
	sleeper map[chan struct{}]time.Duration // by when it wakes up
}

func newHandClock() *handClock { return &handClock{sleeper: map[chan struct{}]time.Duration{}} }

func (c *handClock) Sleep(ctx context.Context, d time.Duration) error {
	woken := make(chan struct{})
	c.mu.Lock()
	c.sleeper[woken] = c.now + d
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.sleeper, woken)
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-woken:
		return nil
	}
}

// next returns when the next sleeper wakes up; ok is false when there is none.
func (c *handClock) next() (at time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, wakes := range c.sleeper {
		if !ok || wakes < at {
			at, ok = wakes, true
		}
	}
	return at, ok
}

func (c *handClock) move(to time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = to
	for woken, at := range c.sleeper {
		if at <= to {
			delete(c.sleeper, woken)
			close(woken)
		}
	}
}

// TestIncrementsAreGatheredForTheSessionsInterval moves the clock by hand: what is said within an interval comes in
// one piece at its end, the first piece at once and the last with the message.
func TestIncrementsAreGatheredForTheSessionsInterval(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond} {
		t.Run(interval.String(), func(t *testing.T) {
			b, clock := newBed(t, interval), newHandClock()
			pieces, said := make(chan string), make(chan struct{})
			var mu sync.Mutex
			var got []string
			stop := b.store.Watch(func(s store.Signal) {
				if s.Increment != nil {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, fmt.Sprint(s.Increment.Offset, " ", s.Increment.Text))
				}
			})
			defer stop()
			increments := func() []string {
				mu.Lock()
				defer mu.Unlock()
				return append([]string(nil), got...)
			}
			want := func(all ...string) {
				t.Helper()
				if diff := cmp.Diff(all, increments()); diff != "" {
					t.Fatal(diff)
				}
			}
			b.start(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
				for piece := range pieces {
					if err := out.Say(ctx, piece); err != nil {
						return "", err
					}
					said <- struct{}{}
				}
				return turn.EndTurn, nil
			}), clock)
			b.say("go")
			say := func(piece string) { pieces <- piece; <-said }

			say("a")
			b.until("the first piece, after the events before it", func() bool { return len(increments()) == 1 })
			want("0 a")
			b.until("the flusher waits for the interval", func() bool { at, ok := clock.next(); return ok && at == interval })
			say("b")
			say("c")
			clock.move(interval - time.Millisecond)
			want("0 a")
			clock.move(interval)
			b.until("the interval's end", func() bool { return len(increments()) == 2 })
			want("0 a", "1 bc")
			b.until("the next interval", func() bool { at, ok := clock.next(); return ok && at == 2*interval })
			clock.move(2 * interval) // nothing is new
			b.until("the one after that", func() bool { at, ok := clock.next(); return ok && at == 3*interval })
			say("d")
			want("0 a", "1 bc")
			close(pieces)
			b.types()
			want("0 a", "1 bc", "3 d")
		})
	}
}

func TestALostTurnIsEnded(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	runs := make(chan struct{})
	d := dispatch.Start(dispatch.Options{ // claims the turn and stops
		Store: b.store, Log: b.log, Workers: 1, Clock: turn.WallClock{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Runner: answering(func(ctx context.Context, _ turn.Input, _ turn.Sink) (turn.Outcome, error) {
			close(runs)
			<-ctx.Done()
			return "", ctx.Err()
		}),
	})
	turnID := b.say("Hi")
	<-runs
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.start(answering(func(context.Context, turn.Input, turn.Sink) (turn.Outcome, error) {
		t.Error("it runs again")
		return "", nil
	}), turn.WallClock{})
	err := b.store.Atomically(t.Context(), func(ctx context.Context) error {
		return b.store.QueueTurn(ctx, store.TurnRef{Session: b.session, TurnID: turnID, Again: true, Lost: true})
	})
	if err != nil {
		t.Fatal(err)
	}
	types := b.types()
	if diff := cmp.Diff([]string{"session.error", "session.status_idle"}, types[len(types)-2:]); diff != "" {
		t.Error(diff)
	}
}

func TestALongMessageBecomesSeveral(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	text := strings.Repeat("é", 800_000) // of two bytes each
	b.start(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
		if err := out.Say(ctx, "x"+text); err != nil {
			return "", err
		}
		return turn.EndTurn, out.Say(ctx, "\x00\xff") // neither can be stored
	}), turn.WallClock{})
	b.say("go")
	b.types()
	list, err := b.store.ListEvents(t.Context(), b.session.Account, b.session.ID, store.EventFilter{Types: []string{event.AgentMessage}}, store.Page{Limit: 10, Ascending: true})
	if err != nil {
		t.Fatal(err)
	}
	var joined strings.Builder
	for _, e := range list.Items {
		entry, _, err := event.Entry(e)
		if err != nil {
			t.Fatal(err)
		}
		joined.WriteString(entry.Text)
	}
	if len(list.Items) != 2 || joined.String() != "x"+text+"\uFFFD" {
		t.Errorf("%d messages of %d bytes", len(list.Items), joined.Len())
	}
}

// TestAZombieWritesNothing dispatches a turn to a second worker while the first continues.
func TestAZombieWritesNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	type call struct {
		in  turn.Input
		out turn.Sink
		end chan turn.Outcome
	}
	calls := make(chan call)
	b.start(answering(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
		c := call{in, out, make(chan turn.Outcome)}
		calls <- c
		return <-c.end, nil
	}), turn.WallClock{})
	turnID := b.say("go")
	first := <-calls
	if err := first.out.Thinking(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.logged(event.AgentThinking)
	err := b.store.Atomically(t.Context(), func(ctx context.Context) error {
		return b.store.QueueTurn(ctx, store.TurnRef{Session: b.session, TurnID: turnID, Again: true})
	})
	if err != nil {
		t.Fatal(err)
	}
	second := <-calls
	b.until("the first worker can write no longer", func() bool { return first.out.Thinking(t.Context()) != nil })
	if err := second.out.Say(t.Context(), "Mine."); err != nil {
		t.Error(err)
	}
	first.end <- turn.EndTurn
	second.end <- turn.EndTurn
	want := []string{
		"user.message", "span.model_request_start", "agent.thinking", "session.status_rescheduled", "span.model_request_start",
		"agent.message", "span.model_request_end", "session.status_idle",
	}
	if diff := cmp.Diff(want, b.types()); diff != "" {
		t.Error(diff)
	}
}

// TestCloseLeavesTurnsRunning stops a dispatcher in mid-turn: the session still has its turn.
func TestCloseLeavesTurnsRunning(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	started := make(chan struct{})
	d := dispatch.Start(dispatch.Options{
		Store: b.store, Log: b.log, Workers: 1, Clock: turn.WallClock{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Patience: time.Second,
		Runner: answering(func(ctx context.Context, _ turn.Input, _ turn.Sink) (turn.Outcome, error) {
			close(started)
			<-ctx.Done()
			return "", ctx.Err()
		}),
	})
	b.say("go")
	<-started
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := b.store.GetSession(t.Context(), b.session.Account, b.session.ID)
	if err != nil || s.Status != store.StatusProcessing || s.Turn.ID == "" {
		t.Errorf("%+v, %v", s, err)
	}
}

// snapshot is a store whose turns come with the session as it was, as from a queue that several processes share.
type snapshot struct {
	store.Store
	session store.Session
}

// WorkTurns implements store.Turns.
func (s snapshot) WorkTurns(ctx context.Context, workers int, work func(context.Context, store.TurnRef) bool) error {
	return s.Store.WorkTurns(ctx, workers, func(ctx context.Context, t store.TurnRef) bool {
		t.As = &s.session
		return work(ctx, t)
	})
}

// TestATurnIsOfTheWorkerThatWritesFirst dispatches a turn to two workers as if neither knew of the other, as after a crash of
// the database that lost what it knew of the first.
func TestATurnIsOfTheWorkerThatWritesFirst(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	turnID := b.begin("go", false)
	s, err := b.store.GetSession(t.Context(), b.session.Account, b.session.ID)
	if err != nil {
		t.Fatal(err)
	}
	b.store = snapshot{b.store, s}
	var both sync.WaitGroup
	both.Add(2)
	wrote := make(chan error, 2)
	b.start(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
		both.Done()
		both.Wait()
		err := out.EndRequest(ctx)
		wrote <- err
		return turn.EndTurn, err
	}), turn.WallClock{})
	for range 2 {
		b.enqueue(store.TurnRef{TurnID: turnID})
	}
	if first, second := <-wrote, <-wrote; (first == nil) == (second == nil) {
		t.Errorf("want one of the workers to write, got %v and %v", first, second)
	}
	want := []string{"user.message", "span.model_request_start", "span.model_request_end", "session.status_idle"}
	if diff := cmp.Diff(want, b.types()); diff != "" {
		t.Error(diff)
	}
}
