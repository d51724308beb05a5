package dispatch_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/dispatch"
)

// TestATurnWithoutAWorkerEnds waits for a worker that never comes.
func TestATurnWithoutAWorkerEnds(t *testing.T) {
	t.Parallel()
	endsOverdue(t, "", "No worker ran the agent's tools within 2m0s.")
}

// TestATurnWhoseWorkersAreBusyEnds waits for a worker that has other work.
func TestATurnWhoseWorkersAreBusyEnds(t *testing.T) {
	t.Parallel()
	endsOverdue(t, "w", "All workers of the environment are busy: none ran the agent's tools within 30m0s.")
}

// endsOverdue tests how a turn ends that no worker runs. The environment has a worker that polls, unless it is "".
func endsOverdue(t *testing.T, worker, message string) {
	var later atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	b := newBedAt(t, time.Second, now)
	environment, err := b.store.CreateEnvironment(t.Context(), "acme", store.EnvironmentSpec{Name: "own", Config: []byte(`{"type":"self_hosted"}`)})
	if err != nil {
		t.Fatal(err)
	}
	old, err := b.store.GetSession(t.Context(), "acme", b.session.ID)
	if err != nil {
		t.Fatal(err)
	}
	session, err := b.store.CreateSession(t.Context(), "acme", store.SessionSpec{AgentID: old.Agent.ID, EnvironmentID: environment.ID})
	if err != nil {
		t.Fatal(err)
	}
	b.session.ID = session.ID
	d := dispatch.Start(dispatch.Options{
		Store: b.store, Log: b.log, Workers: 1, Clock: turn.WallClock{}, Logger: slog.New(slog.DiscardHandler),
		Now: now, WorkPatience: 2 * time.Minute, TurnTimeout: 30 * time.Minute,
		Runner: answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
			_, err := out.UseWorkerTool(ctx, "bash", nil, false)
			return turn.RequiresAction, err
		}),
	})
	b.say("go")
	b.types()
	ends := func(want int) {
		t.Helper()
		if n, err := d.EndOverdue(t.Context(), 10); n != want || err != nil {
			t.Errorf("%d turns have ended, %v", n, err)
		}
	}
	polls := func() {
		t.Helper()
		if worker == "" {
			return
		}
		poll := store.Poll{Worker: worker, Token: worker, DeliveredBefore: now()}
		if _, err := b.store.PollWork(t.Context(), "acme", environment.ID, poll); err != nil {
			t.Fatal(err)
		}
	}
	ends(0)
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	later.Store(int64(3 * time.Minute))
	if worker != "" {
		polls()
		ends(0)
	}
	later.Store(int64(time.Hour))
	polls()
	ends(1)
	ends(0)
	want := []string{
		"user.message", "span.model_request_start", "agent.tool_use", "span.model_request_end", "session.status_idle",
		"user.tool_result", "agent.tool_result", "session.error", "session.status_idle",
	}
	if diff := cmp.Diff(want, b.types()); diff != "" {
		t.Error(diff)
	}
	if got := b.last(event.SessionError).Error.Message; !strings.HasPrefix(got, message) {
		t.Error(got)
	}
	if got := b.last(event.StatusIdle).StopReason.Type; got != types.StopReasonTypeError {
		t.Error(got)
	}
	s, err := b.store.GetSession(t.Context(), "acme", session.ID)
	if err != nil || s.Turn.ID != "" || len(s.Turn.Pending) > 0 {
		t.Errorf("%+v, %v", s.Turn, err)
	}
}
