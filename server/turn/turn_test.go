package turn_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

func TestInputMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []turn.Entry
		want    string
	}{
		"none":    {nil, ""},
		"message": {[]turn.Entry{{Kind: turn.UserMessage, Text: "hi"}, {Kind: turn.AgentMessage, Text: "ho"}}, "hi"},
		"outcome": {[]turn.Entry{{Kind: turn.DefineOutcome, Text: "a goal"}}, "a goal"},
		"first":   {[]turn.Entry{{Kind: turn.UserMessage, Text: "a"}, {Kind: turn.UserMessage, Text: "b"}}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (turn.Input{Entries: c.entries}).Message(); got != c.want {
				t.Errorf("message %q, want %q", got, c.want)
			}
		})
	}
}

func TestUsageAdd(t *testing.T) {
	t.Parallel()
	u := turn.Usage{InputTokens: 1, OutputTokens: 2, CacheReadInputTokens: 3, CacheCreation5m: 4, CacheCreation1h: 5, CreditCents: 6}
	want := turn.Usage{InputTokens: 2, OutputTokens: 4, CacheReadInputTokens: 6, CacheCreation5m: 8, CacheCreation1h: 10, CreditCents: 12}
	if got := u.Add(u); got != want {
		t.Errorf("sum %+v, want %+v", got, want)
	}
}

func TestWallClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := (turn.WallClock{}).Sleep(t.Context(), time.Minute); err != nil || time.Since(start) != time.Minute {
			t.Errorf("slept %s with error %v, want 1m", time.Since(start), err)
		}
		start = time.Now()
		if err := (turn.WallClock{}).Sleep(t.Context(), -1); err != nil || time.Since(start) != 0 {
			t.Errorf("slept %s with error %v, want no time", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		err := (turn.WallClock{}).Sleep(ctx, time.Hour)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("slept %s with error %v, want 1s and the context's", time.Since(start), err)
		}
		if err := (turn.WallClock{}).Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
	})
}

// TestCanceledWhileWaiting tests that the runners that wait on the clock stop with the context's error.
func TestCanceledWhileWaiting(t *testing.T) {
	t.Parallel()
	for name, runner := range map[string]turn.Runner{
		"echo":         turn.NewEcho(turn.EchoOptions{Delay: time.Hour}),
		"script, wait": parse(t, "rules: [{steps: [{say: a}, {wait: 1h}]}]").Runner(nil),
		"script, say":  parse(t, "rules: [{steps: [{say: [a, b], every: 1h}]}]").Runner(nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				var rec turntest.Recorder
				outcome, err := runner.Run(ctx, turntest.Input("hi"), &rec)
				if !errors.Is(err, context.DeadlineExceeded) || outcome != "" || time.Since(start) != time.Minute {
					t.Errorf("outcome %q with error %v after %s, want the context's after 1m", outcome, err, time.Since(start))
				}
				if n := len(rec.Messages()); n != 1 {
					t.Errorf("%d messages, want the one begun", n)
				}
			})
		})
	}
}
