package turn

import (
	"cmp"
	"context"
	"strings"
	"time"
	"unicode"
)

// Echo is a Runner that repeats the message: it thinks once and replies "You said: " and the user's text,
// word by word. The same input always gives the same calls.
//
// Its tokens are words: InputTokens counts the words of the user's message, OutputTokens those of the reply,
// and each costs a hundredth of a credit. A turn that is stopped early has used nothing.
type Echo struct {
	clock Clock
	delay time.Duration
}

// EchoOptions configure an Echo.
type EchoOptions struct {
	// Delay is the time between two pieces of the reply; none if it is 0 or less.
	Delay time.Duration
	// Clock measures Delay; nil is WallClock.
	Clock Clock
}

// NewEcho returns an Echo.
func NewEcho(o EchoOptions) *Echo {
	return &Echo{clock: cmp.Or[Clock](o.Clock, WallClock{}), delay: o.Delay}
}

// Run implements Runner. It always ends the turn.
func (e *Echo) Run(ctx context.Context, in Input, out Sink) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := out.Thinking(ctx); err != nil {
		return "", err
	}
	message := in.Message()
	reply := "You said: " + message
	if strings.TrimSpace(message) == "" {
		reply = "You said nothing."
	}
	first := true
	for piece := range words(reply) {
		if !first {
			if err := e.clock.Sleep(ctx, e.delay); err != nil {
				return "", err
			}
		}
		first = false
		if err := out.Say(ctx, piece); err != nil {
			return "", err
		}
	}
	if err := out.EndMessage(ctx); err != nil {
		return "", err
	}
	used := Usage{
		InputTokens:  int64(len(strings.Fields(message))),
		OutputTokens: int64(len(strings.Fields(reply))),
	}
	used.CreditCents = used.InputTokens + used.OutputTokens
	out.Spend(used)
	return EndTurn, nil
}

// words yields text's words, each with the space around it up to the next one: joined, they are text.
func words(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, inSpace, seen := 0, false, false
		for at, r := range text {
			space := unicode.IsSpace(r)
			if inSpace && !space && seen {
				if !yield(text[start:at]) {
					return
				}
				start = at
			}
			inSpace, seen = space, seen || !space
		}
		if start < len(text) {
			yield(text[start:])
		}
	}
}
