package dispatch_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/dispatch"
)

// stale is a store whose turns come with a session as it was before.
type stale struct {
	store.Store
	was store.Session
}

func (s stale) WorkTurns(ctx context.Context, workers int, work func(context.Context, store.TurnRef) bool) error {
	return s.Store.WorkTurns(ctx, workers, func(ctx context.Context, t store.TurnRef) bool {
		t.As = &s.was
		return work(ctx, t)
	})
}

// TestATurnIsStoppedBeforeItBegins has a turn that is interrupted after it was queued and before its worker listens: the runner is
// stopped before it learns that it may store nothing.
func TestATurnIsStoppedBeforeItBegins(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	b.say("go")
	was, err := b.store.GetSession(t.Context(), b.session.Account, b.session.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = b.log.Append(t.Context(), b.session, func(s *store.Session) ([]event.New, error) {
		return []event.New{{Type: event.Interrupt, TurnID: s.Turn.ID}}, lifecycle.Advance(s, lifecycle.OnInterrupt, time.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
	b.startWith(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
		for out.Keep(ctx, json.RawMessage("1")) == nil {
			time.Sleep(time.Millisecond)
		}
		if ctx.Err() == nil {
			t.Error("the runner was not stopped")
		}
		return turn.EndTurn, ctx.Err()
	}), func(o *dispatch.Options) { o.Store = stale{b.store, was} })
	b.types()
}
