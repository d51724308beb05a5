package turn_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

func TestEchoConformance(t *testing.T) {
	t.Parallel()
	turntest.Run(t, func(*testing.T) turn.Runner { return turn.NewEcho(turn.EchoOptions{}) })
}

func TestEcho(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message string
		pieces  []string
		usage   turn.Usage
	}{
		"words": {"hello there", []string{"You ", "said: ", "hello ", "there"}, turn.Usage{InputTokens: 2, OutputTokens: 4, CreditCents: 6}},
		"space kept": {" a\n\n b\t", []string{"You ", "said:  ", "a\n\n ", "b\t"},
			turn.Usage{InputTokens: 2, OutputTokens: 4, CreditCents: 6}},
		"no spaces":   {"你好,世界", []string{"You ", "said: ", "你好,世界"}, turn.Usage{InputTokens: 1, OutputTokens: 3, CreditCents: 4}},
		"not UTF-8":   {"\xff \xfe", []string{"You ", "said: ", "\xff ", "\xfe"}, turn.Usage{InputTokens: 2, OutputTokens: 4, CreditCents: 6}},
		"nothing":     {"", []string{"You ", "said ", "nothing."}, turn.Usage{OutputTokens: 3, CreditCents: 3}},
		"only spaces": {" \n", []string{"You ", "said ", "nothing."}, turn.Usage{OutputTokens: 3, CreditCents: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			var rec turntest.Recorder
			outcome, err := turn.NewEcho(turn.EchoOptions{}).Run(t.Context(), turntest.Input(c.message), &rec)
			if err != nil || outcome != turn.EndTurn {
				t.Fatalf("outcome %q, error %v", outcome, err)
			}
			want := []turntest.Call{{Method: turntest.Thinking}}
			for _, piece := range c.pieces {
				want = append(want, turntest.Call{Method: turntest.Say, Text: piece})
			}
			want = append(want, turntest.Call{Method: turntest.EndMessage}, turntest.Call{Method: turntest.Spend, Usage: c.usage})
			if diff := cmp.Diff(want, rec.Calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if c.message != "" && strings.TrimSpace(c.message) != "" {
				if got := rec.Messages(); !slices.Equal(got, []string{"You said: " + c.message}) {
					t.Errorf("messages %q", got)
				}
			}
		})
	}
}

func TestEchoDelay(t *testing.T) {
	t.Parallel()
	var (
		clock turntest.Clock
		rec   turntest.Recorder
	)
	echo := turn.NewEcho(turn.EchoOptions{Delay: 20 * time.Millisecond, Clock: &clock})
	if _, err := echo.Run(t.Context(), turntest.Input("a b"), &rec); err != nil {
		t.Fatal(err)
	}
	if want := slices.Repeat([]time.Duration{20 * time.Millisecond}, 3); !slices.Equal(clock.Slept(), want) {
		t.Errorf("slept %v, want %v: between the four pieces", clock.Slept(), want)
	}
}
