package turntest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runner is a turn.Runner made of a function.
type runner func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error)

func (r runner) Run(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	return r(ctx, in, out)
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var rec turntest.Recorder
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	check(rec.Thinking(ctx))
	check(rec.Say(ctx, "a"))
	check(rec.Say(ctx, "b"))
	rec.Spend(turn.Usage{InputTokens: 1})
	first, err := rec.UseTool(ctx, "Read", []byte(`{"a":1}`), true)
	check(err)
	check(rec.ToolResult(ctx, first, "text", true))
	check(rec.EndMessage(ctx))
	third, err := rec.UseMCPTool(ctx, "library", "find.book", []byte(`{}`), false)
	check(err)
	check(rec.EndRequest(ctx))
	check(rec.MCPToolResult(ctx, third, "found", false))
	check(rec.Problem(ctx, "no"))
	check(rec.BeginRequest(ctx))
	second, err := rec.UseCustomTool(ctx, "get", []byte(`{}`))
	check(err)
	rec.Spend(turn.Usage{InputTokens: 2})
	check(rec.Say(ctx, "c"))

	want := []turn.Entry{
		{Kind: turn.AgentMessage, Text: "ab"},
		{Kind: turn.ToolUse, ID: "evt_000001", Name: "Read", Input: []byte(`{"a":1}`), Ask: true},
		{Kind: turn.ToolResult, UseID: "evt_000001", Text: "text", Failed: true},
		{Kind: turn.MCPToolUse, ID: "evt_000002", MCPServer: "library", Name: "find.book", Input: []byte(`{}`)},
		{Kind: turn.MCPToolResult, UseID: "evt_000002", Text: "found"},
		{Kind: turn.CustomToolUse, ID: "evt_000003", Name: "get", Input: []byte(`{}`)},
		{Kind: turn.AgentMessage, Text: "c"},
	}
	if diff := cmp.Diff(want, rec.Entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if first != "evt_000001" || second != "evt_000003" {
		t.Errorf("ids %q and %q", first, second)
	}
	if got := rec.Messages(); !slices.Equal(got, []string{"ab", "c"}) {
		t.Errorf("messages %q", got)
	}
	if got := rec.Usage(); got != (turn.Usage{InputTokens: 3}) {
		t.Errorf("usage %+v", got)
	}
	if n := len(rec.Calls()); n != 15 || rec.Refused() != 0 {
		t.Errorf("%d calls and %d refused, want 15 and 0", n, rec.Refused())
	}
}

func TestRecorderFails(t *testing.T) {
	t.Parallel()
	var rec turntest.Recorder
	over := errors.New("over")
	rec.FailAfter(1, over)
	if err := rec.Say(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	rec.Spend(turn.Usage{})
	if err := rec.Say(t.Context(), "b"); err != over {
		t.Errorf("error %v, want the given one", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := rec.Thinking(ctx); err != context.Canceled {
		t.Errorf("error %v, want the context's", err)
	}
	if len(rec.Calls()) != 2 || rec.Refused() != 2 {
		t.Errorf("calls %v and %d refused, want 2 and 2", rec.Calls(), rec.Refused())
	}
}

func TestRecorderBlocks(t *testing.T) {
	t.Parallel()
	var rec turntest.Recorder
	blocked := rec.BlockAfter(0)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- rec.Say(ctx, "a") }()
	<-blocked
	if n := len(rec.Calls()); n != 0 {
		t.Errorf("%d calls, want none", n)
	}
	cancel()
	if err := <-result; err != context.Canceled {
		t.Errorf("error %v, want the context's", err)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	var clock turntest.Clock
	ctx, cancel := context.WithCancel(t.Context())
	if err := clock.Sleep(ctx, time.Hour); err != nil {
		t.Error(err)
	}
	cancel()
	if err := clock.Sleep(ctx, 0); err != context.Canceled {
		t.Errorf("error %v, want the context's", err)
	}
	if got := clock.Slept(); !slices.Equal(got, []time.Duration{time.Hour, 0}) {
		t.Errorf("slept %v", got)
	}
}

func TestPlay(t *testing.T) {
	t.Parallel()
	// The runner uses a custom and a built-in tool at once, and tells what it finds when it is called again.
	var again []turn.Entry
	r := runner(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
		if len(in.Entries) > 1 {
			again = in.Entries[1:]
			return turn.EndTurn, nil
		}
		_, err := out.UseCustomTool(ctx, "get", []byte(`{}`))
		if err == nil {
			_, err = out.UseTool(ctx, "Bash", []byte(`{}`), true)
		}
		return turn.RequiresAction, err
	})
	uses := []turn.Entry{
		{Kind: turn.CustomToolUse, ID: "evt_000001", Name: "get", Input: []byte(`{}`)},
		{Kind: turn.ToolUse, ID: "evt_000002", Name: "Bash", Input: []byte(`{}`), Ask: true},
	}
	for name, c := range map[string]struct {
		settle turntest.Settle
		want   []turn.Entry
	}{
		"allow": {turntest.Allow, []turn.Entry{
			{Kind: turn.CustomToolResult, UseID: "evt_000001", Text: "result of get"},
			{Kind: turn.ToolConfirmation, UseID: "evt_000002"},
		}},
		"deny": {turntest.Deny, []turn.Entry{
			{Kind: turn.CustomToolResult, UseID: "evt_000001", Text: "not get", Failed: true},
			{Kind: turn.ToolConfirmation, UseID: "evt_000002", Text: "not Bash", Denied: true},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			outcome, err := turntest.Play(t.Context(), r, turntest.Input("hi"), &turntest.Recorder{}, c.settle)
			if err != nil || outcome != turn.EndTurn {
				t.Errorf("outcome %q with error %v", outcome, err)
			}
			if diff := cmp.Diff(slices.Concat(uses, c.want), again); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlayErrors(t *testing.T) {
	t.Parallel()
	use := func(ctx context.Context, out turn.Sink, outcome turn.Outcome) (turn.Outcome, error) {
		_, err := out.UseCustomTool(ctx, "get", []byte(`{}`))
		return outcome, err
	}
	for name, c := range map[string]struct {
		run  runner
		want string
	}{
		"error": {func(context.Context, turn.Input, turn.Sink) (turn.Outcome, error) {
			return turn.EndTurn, errors.New("broken")
		}, "broken"},
		"nothing waits": {func(context.Context, turn.Input, turn.Sink) (turn.Outcome, error) {
			return turn.RequiresAction, nil
		}, "no use waits for one"},
		"ends waiting": {func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
			return use(ctx, out, turn.EndTurn)
		}, `ended with "end_turn" while [evt_000001] wait`},
		"endless": {func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
			return use(ctx, out, turn.RequiresAction)
		}, "did not end within 1000 calls"},
	} {
		t.Run(name, func(t *testing.T) {
			outcome, err := turntest.Play(t.Context(), c.run, turntest.Input("hi"), &turntest.Recorder{}, turntest.Allow)
			if err == nil || !strings.Contains(err.Error(), c.want) || outcome != "" {
				t.Errorf("outcome %q with error %v, want %q", outcome, err, c.want)
			}
		})
	}
}
