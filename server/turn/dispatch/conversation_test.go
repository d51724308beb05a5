package dispatch_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/dispatch"
)

// converse fills the log with turns of two messages.
func (b *bed) converse(turns int) {
	b.Helper()
	_, _, err := b.log.Append(b.Context(), b.session, func(*store.Session) (events []event.New, err error) {
		for n := range turns {
			for _, kind := range []turn.EntryKind{turn.UserMessage, turn.AgentMessage} {
				events = append(events, event.New{Type: string(kind), TurnID: fmt.Sprint("turn_", n), Payload: event.Payload{Content: event.Content(fmt.Sprint(n))}})
			}
		}
		return events, nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// TestTheHistoryIsReadWhenTheRunnerAsks runs turns after a long conversation: of one that does not ask, hardly more than the
// message is read.
func TestTheHistoryIsReadWhenTheRunnerAsks(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	b.converse(200)
	counted := &reads{Store: b.store}
	var past []turn.Entry
	var own []string
	b.startWith(answering(func(ctx context.Context, in turn.Input, _ turn.Sink) (_ turn.Outcome, err error) {
		own = append(own, in.Message())
		if in.Message() == "remember" {
			past, err = in.Past(ctx)
			again, _ := in.Past(ctx)
			if diff := cmp.Diff(past, again); diff != "" {
				t.Error(diff)
			}
		}
		return turn.EndTurn, err
	}), func(o *dispatch.Options) { o.Store = counted; o.TurnTimeout = time.Hour })
	b.say("go")
	b.types()
	if read := counted.bytes.Load(); read > 200 {
		t.Errorf("%d bytes were read", read)
	}
	b.say("remember")
	b.types()
	if diff := cmp.Diff([]string{"go", "remember"}, own); diff != "" {
		t.Error(diff)
	}
	if len(past) != 401 || past[0].Text != "0" || past[399].Text != "199" || past[400].Text != "go" {
		t.Errorf("%d events of the history", len(past))
	}
}

// TestAnAbandonedRunnerReadsNothing asks for the history when the turn has ended.
func TestAnAbandonedRunnerReadsNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	b.converse(2)
	var late turn.Input
	b.start(answering(func(_ context.Context, in turn.Input, _ turn.Sink) (turn.Outcome, error) {
		late = in
		return turn.EndTurn, nil
	}), turn.WallClock{})
	b.say("go")
	b.types()
	b.until("the turn lets go of its memory", func() bool {
		past, err := late.Past(t.Context())
		return err != nil && past == nil
	})
}

// TestWhatARunnerSaysIsStoredSoon has runners that stop after a call: what they said is in the log nevertheless.
func TestWhatARunnerSaysIsStoredSoon(t *testing.T) {
	t.Parallel()
	for kind, say := range map[string]func(context.Context, turn.Sink) error{
		event.RequestStart:  func(context.Context, turn.Sink) error { return nil },
		event.AgentThinking: func(ctx context.Context, out turn.Sink) error { return out.Thinking(ctx) },
		event.AgentMessage: func(ctx context.Context, out turn.Sink) error {
			if err := out.Say(ctx, "Hi."); err != nil {
				return err
			}
			return out.EndMessage(ctx)
		},
	} {
		t.Run(kind, func(t *testing.T) {
			b, begun, goOn := newBed(t, time.Second), make(chan struct{}), make(chan struct{})
			b.start(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
				<-begun
				err := say(ctx, out)
				<-goOn
				return turn.EndTurn, err
			}), turn.WallClock{})
			b.say("go")
			b.logged(event.RequestStart)
			close(begun)
			b.logged(kind)
			close(goOn)
			b.types()
		})
	}
}
