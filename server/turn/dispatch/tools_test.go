package dispatch_test

import (
	"context"
	"encoding/json"
	"fmt"
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

// having starts a dispatcher whose turns have a toolbox.
func (b *bed) having(runner turn.Runner, box turn.Toolbox, change func(*dispatch.Options)) {
	b.startWith(runner, func(o *dispatch.Options) {
		o.Tools = []dispatch.ToolSource{func(context.Context, string, store.Session) (turn.Toolbox, error) { return box, nil }}
		if change != nil {
			change(o)
		}
	})
}

// payloads returns the session's events of a type, once the session is idle.
func (b *bed) payloads(kind string) (list []event.Payload) {
	b.Helper()
	b.types()
	events, err := b.store.ListEvents(b.Context(), b.session.Account, b.session.ID, store.EventFilter{Types: []string{kind}}, store.Page{Limit: 100, Ascending: true})
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range events.Items {
		p, err := event.Read(e)
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// using is a runner that uses every tool of the turn once, each after a request to the model of its own.
func using(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	tools, _, err := in.Tools(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range tools {
		out.Spend(turn.Usage{InputTokens: 1})
		use, err := t.Use(ctx, json.RawMessage(`{}`), out)
		if err != nil {
			return "", err
		}
		if err := out.EndRequest(ctx); err != nil {
			return "", err
		}
		if _, _, err := tools.Settle(ctx, []turn.Entry{use}, false, out); err != nil {
			return "", err
		}
		if err := out.BeginRequest(ctx); err != nil {
			return "", err
		}
	}
	out.Spend(turn.Usage{InputTokens: 10})
	return turn.EndTurn, out.Say(ctx, "Done.")
}

func returning(text string) func(context.Context, json.RawMessage) (turn.Output, error) {
	return func(context.Context, json.RawMessage) (turn.Output, error) { return turn.Output{Text: text}, nil }
}

// TestToolsOfATurn uses tools that work, panic, take too long, and give more than an event may have.
func TestToolsOfATurn(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	var closed atomic.Bool
	b.having(answering(using), turn.Toolbox{
		Close: func() { closed.Store(true) },
		Tools: []turn.Tool{
			{Name: "read", Run: returning("text")},
			{Name: "find.book", MCPServer: "library", Run: returning("book")},
			{Name: "panics", Run: func(context.Context, json.RawMessage) (turn.Output, error) { panic("boom") }},
			{Name: "late", TimeLimit: time.Millisecond, Run: func(ctx context.Context, _ json.RawMessage) (turn.Output, error) {
				<-ctx.Done()
				return turn.Output{}, ctx.Err()
			}},
			{Name: "long", Run: returning("\x00" + strings.Repeat("x", 9<<20))},
		},
	}, nil)
	b.say("go")
	want := []string{
		"user.message", "span.model_request_start",
		"agent.tool_use", "span.model_request_end", "agent.tool_result", "span.model_request_start",
		"agent.mcp_tool_use", "span.model_request_end", "agent.mcp_tool_result", "span.model_request_start",
		"agent.tool_use", "span.model_request_end", "agent.tool_result", "span.model_request_start",
		"agent.tool_use", "span.model_request_end", "agent.tool_result", "span.model_request_start",
		"agent.tool_use", "span.model_request_end", "agent.tool_result", "span.model_request_start",
		"agent.message", "span.model_request_end", "session.status_idle",
	}
	if diff := cmp.Diff(want, b.types()); diff != "" {
		t.Error(diff)
	}
	var results []string
	for _, p := range b.payloads(event.AgentToolResult) {
		text := p.Content.Text()
		results = append(results, fmt.Sprint(*p.IsError, " ", len(text), " ", text[:min(len(text), 40)]))
	}
	want = []string{
		"false 4 text", "true 42 The tool failed because of an error in i", "true 32 The tool did not end within 1ms.",
		"false 1000000 " + strings.Repeat("x", 40),
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Error(diff)
	}
	if use := b.payloads(event.AgentMCPToolUse)[0]; use.MCPServerName != "library" || use.Name != "find.book" {
		t.Errorf("%+v", use)
	}
	var usage []int64
	for _, p := range b.payloads(event.RequestEnd) {
		usage = append(usage, p.ModelUsage.InputTokens)
		if *p.IsError {
			t.Error("a request has failed")
		}
	}
	if diff := cmp.Diff([]int64{1, 1, 1, 1, 1, 10}, usage); diff != "" {
		t.Error(diff)
	}
	if idle := b.last(event.StatusIdle); idle.Usage.InputTokens != 15 || b.usage().InputTokens != 15 {
		t.Errorf("the turn used %d, the session %d", idle.Usage.InputTokens, b.usage().InputTokens)
	}
	if !closed.Load() {
		t.Error("the toolbox is open")
	}
}

// TestProblemsOfToolboxes reports a problem once per turn, also when the turn continues.
func TestProblemsOfToolboxes(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	b.having(answering(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
		if _, _, err := in.Tools(ctx); err != nil {
			return "", err
		}
		if err := out.Problem(ctx, "The runner sees one as well."); err != nil {
			return "", err
		}
		if len(in.Entries) > 1 {
			return turn.EndTurn, out.Say(ctx, "Done.")
		}
		_, err := out.UseCustomTool(ctx, "get", nil)
		return turn.RequiresAction, err
	}), turn.Toolbox{Problems: []string{"A server is away.", "A server is away."}}, nil)
	for range 2 {
		turnID := b.say("go")
		b.types()
		b.resume(turnID)
		b.enqueue(store.TurnRef{TurnID: turnID})
		b.until("the turn ends", func() bool {
			s, err := b.store.GetSession(b.Context(), b.session.Account, b.session.ID)
			return err == nil && s.Turn.ID == ""
		})
		if got := b.last(event.StatusIdle).StopReason.Type; got != types.StopReasonTypeEndTurn {
			t.Errorf("the turn ended with %s", got)
		}
	}
	var problems []string
	for _, p := range b.payloads(event.SessionError) {
		problems = append(problems, p.Error.Message)
	}
	want := []string{"A server is away.", "The runner sees one as well.", "A server is away.", "The runner sees one as well."}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
}

// TestAToolIsAliveWithinItsTimeLimit runs a tool for longer than an agent may be silent.
func TestAToolIsAliveWithinItsTimeLimit(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	b.having(answering(using), turn.Toolbox{Tools: []turn.Tool{{Name: "slow", Run: func(ctx context.Context, _ json.RawMessage) (turn.Output, error) {
		select {
		case <-ctx.Done():
			return turn.Output{}, ctx.Err()
		case <-time.After(800 * time.Millisecond):
			return turn.Output{Text: "slept"}, nil
		}
	}}}}, func(o *dispatch.Options) { o.SilenceTimeout = 500 * time.Millisecond })
	b.say("go")
	if got := b.last(event.StatusIdle).StopReason.Type; got != types.StopReasonTypeEndTurn {
		t.Errorf("the turn ended with %s", got)
	}
	if got := b.last(event.AgentToolResult).Content.Text(); got != "slept" {
		t.Error(got)
	}
}

// TestAToolOfALostTurn claims a turn that another process has begun: the runner learns it.
func TestAToolOfALostTurn(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	told := make(chan bool, 2)
	var calls atomic.Int32
	b.start(answering(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
		told <- in.Rescheduled
		if calls.Add(1) > 1 {
			return turn.EndTurn, nil
		}
		if _, err := out.UseTool(ctx, "write", nil, false); err != nil {
			return "", err
		}
		if err := out.EndRequest(ctx); err != nil { // no request is under way when the process dies
			return "", err
		}
		b.enqueue(store.TurnRef{TurnID: in.TurnID, Again: true})
		<-ctx.Done() // until the second call has claimed the turn
		return "", ctx.Err()
	}), turn.WallClock{})
	b.say("go")
	if <-told || !<-told {
		t.Error("the runner does not learn that the turn was rescheduled")
	}
	want := []string{
		"user.message", "span.model_request_start", "agent.tool_use", "span.model_request_end",
		"session.status_rescheduled", "span.model_request_start", "agent.tool_result", "span.model_request_end", "session.status_idle",
	}
	if diff := cmp.Diff(want, b.types()); diff != "" {
		t.Error(diff)
	}
}

// TestToolboxesThatDoNotOpen ends turns whose toolboxes never open, at the turn's timeout, and those whose source panics.
func TestToolboxesThatDoNotOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		open    dispatch.ToolSource
		timeout time.Duration
		want    string
	}{
		{func(ctx context.Context, _ string, _ store.Session) (turn.Toolbox, error) {
			<-ctx.Done()
			return turn.Toolbox{}, ctx.Err()
		}, 10 * time.Millisecond, "The turn did not end within 10ms."},
		{func(context.Context, string, store.Session) (turn.Toolbox, error) { panic("boom") }, time.Hour, "The agent failed. Send the message again."},
	} {
		b := newBed(t, time.Second)
		b.startWith(answering(using), func(o *dispatch.Options) {
			o.Tools, o.TurnTimeout = []dispatch.ToolSource{c.open}, c.timeout
		})
		b.say("go")
		b.types()
		if got := b.last(event.SessionError).Error.Message; got != c.want {
			t.Errorf("want %q, got %q", c.want, got)
		}
	}
}

// TestNothingIsOpenedForARunnerWithoutTools runs a turn of a runner that does not ask for tools.
func TestNothingIsOpenedForARunnerWithoutTools(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	var opened atomic.Bool
	b.startWith(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
		return turn.EndTurn, out.Say(ctx, "Done.")
	}), func(o *dispatch.Options) {
		o.Tools = []dispatch.ToolSource{func(context.Context, string, store.Session) (turn.Toolbox, error) {
			opened.Store(true)
			return turn.Toolbox{}, nil
		}}
	})
	b.say("go")
	b.types()
	if opened.Load() || b.last(event.StatusIdle).StopReason.Type != types.StopReasonTypeEndTurn {
		t.Error("a toolbox was opened")
	}
}
