package turntest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/turn"
)

// soon is how long a runner may take to return after its context ended.
const soon = 10 * time.Second

// Input returns a turn that begins with message, as the suite plays it: the agent has the name "gopher",
// the model "test", a system text, and one custom tool named get_weather.
func Input(message string) turn.Input {
	return turn.Input{
		SessionID: "sess_01", TurnID: "turn_01",
		Agent: turn.Agent{
			ID: "agent_01", Version: 1, Name: "gopher", Model: "test", System: "Be brief.",
			Tools: json.RawMessage(`[{"type":"custom","name":"get_weather","description":"The weather of a city.",` +
				`"input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]`),
		},
		Entries: []turn.Entry{{Kind: turn.UserMessage, ID: "evt_user", Text: message}},
	}
}

// Toolbox returns the tools that the suite's turns have in addition: look_up, which the server runs, the tool find.book of
// the MCP server library, and bash, which a worker runs. Each of the first two fails when its input has {"fail": true}, and returns "result of NAME" otherwise.
func Toolbox() turn.Toolbox {
	run := func(name string) func(ctx context.Context, input json.RawMessage) (turn.Output, error) {
		return func(ctx context.Context, input json.RawMessage) (turn.Output, error) {
			var in struct{ Fail bool }
			if err := json.Unmarshal(input, &in); err != nil {
				return turn.Output{}, err
			}
			return turn.Output{Text: "result of " + name, Failed: in.Fail}, ctx.Err()
		}
	}
	schema := json.RawMessage(`{"type":"object","properties":{"fail":{"type":"boolean"}}}`)
	return turn.Toolbox{Tools: []turn.Tool{
		{Name: "look_up", Description: "Looks something up.", InputSchema: schema, Repeatable: true, Run: run("look_up")},
		{Name: "bash", Description: "Runs a command.", InputSchema: schema},
		{Name: "find.book", MCPServer: "library", Description: "Finds a book.", InputSchema: schema, Run: run("find.book")},
	}}
}

// Run tests that the runners of the factory conform to turn.Runner. They must always run the turns of Input with Toolbox,
// with any message, in the same way; a runner that uses tools should use get_weather and those of Toolbox.
// The factory returns a new runner at every call and leaves its cleanup to t.
func Run(t *testing.T, factory func(t *testing.T) turn.Runner) {
	t.Helper()
	s := suite{factory: factory, input: input("Hello, gopher! How is the weather?")}
	t.Run("Ends", s.ends)
	t.Run("Repeats", s.repeats)
	t.Run("StopsWithSink", s.stopsWithSink)
	t.Run("StopsWithContext", s.stopsWithContext)
	t.Run("StopsWithTool", s.stopsWithTool)
	t.Run("StartsNothingLate", s.startsNothingLate)
	t.Run("Concurrent", s.concurrent)
}

// input returns the input of a turn of the suite.
func input(message string) turn.Input {
	in := Input(message)
	in.Toolboxes = []turn.Toolbox{Toolbox()}
	return in
}

type suite struct {
	factory func(t *testing.T) turn.Runner
	input   turn.Input
}

// play plays a turn that must end without an error, and returns its calls.
func play(t *testing.T, r turn.Runner, in turn.Input) []Call {
	t.Helper()
	var rec Recorder
	if _, err := Play(t.Context(), r, in, &rec, Allow); err != nil {
		t.Fatalf("Run: %v", err)
	}
	return rec.Calls()
}

// ends tests that the turn ends, and that what went out is well-formed.
func (s suite) ends(t *testing.T) {
	calls := play(t, s.factory(t), s.input)
	open := map[string]Method{}
	ended := false // whether the latest request has ended
	for i, c := range calls {
		if c.uses() {
			var object map[string]any
			if err := json.Unmarshal([]byte(c.Input), &object); err != nil || object == nil {
				t.Errorf("call %d: the input of %s is %q, want a JSON object", i, c.Name, c.Input)
			}
			open[c.ID] = c.Method
		}
		switch c.Method {
		case ToolResult, MCPToolResult:
			if of := map[Method]Method{ToolResult: UseTool, MCPToolResult: UseMCPTool}; open[c.ID] != of[c.Method] {
				t.Errorf("call %d: %s of %q, which is not such a use without a result", i, c.Method, c.ID)
			}
			delete(open, c.ID)
		case Spend:
			if u := c.Usage; min(u.InputTokens, u.OutputTokens, u.CacheReadInputTokens,
				u.CacheCreation5m, u.CacheCreation1h, u.CreditCents) < 0 {
				t.Errorf("call %d: negative usage %+v", i, u)
			}
		case EndRequest:
			ended = true
		case BeginRequest:
			if !ended {
				t.Errorf("call %d: %s while a request is under way", i, c.Method)
			}
			ended = false
		}
	}
	for id, method := range open {
		if method == UseTool || method == UseMCPTool {
			t.Errorf("the use %s has no result", id)
		}
	}
}

// repeats tests that a runner keeps nothing between calls: it does the same as a new one.
func (s suite) repeats(t *testing.T) {
	want := play(t, s.factory(t), s.input)
	used := s.factory(t)
	play(t, used, input("Something else."))
	for range 2 {
		same(t, want, play(t, used, s.input))
	}
	// A turn may continue elsewhere: a new runner receives every call.
	same(t, want, play(t, fresh{t, s.factory}, s.input))
}

// fresh passes every call on to a runner of its own.
type fresh struct {
	t       *testing.T
	factory func(t *testing.T) turn.Runner
}

func (f fresh) Run(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	return f.factory(f.t).Run(ctx, in, out)
}

// stopsWithSink tests that the runner returns each error of its sink unchanged and makes no further calls.
func (s suite) stopsWithSink(t *testing.T) {
	r := s.factory(t)
	over := errors.New("the turn is over")
	for n := range sinkCalls(play(t, r, s.input)) {
		var rec Recorder
		rec.FailAfter(n, over)
		_, err := Play(t.Context(), r, s.input, &rec, Allow)
		if !identical(err, over) {
			t.Errorf("after %d calls: error %v, want the sink's unchanged", n, err)
		}
		if rec.Refused() != 1 {
			t.Errorf("after %d calls: %d calls failed, want 1", n, rec.Refused())
		}
	}
}

// identical compares without unwrapping.
func identical(got, want error) bool {
	return reflect.TypeOf(got) == reflect.TypeOf(want) && got == want
}

// stopsWithContext tests that the runner returns when its context ends within a call of the sink.
func (s suite) stopsWithContext(t *testing.T) {
	r := s.factory(t)
	for n := range sinkCalls(play(t, r, s.input)) {
		ctx, cancel := context.WithCancel(t.Context())
		var rec Recorder
		blocked := rec.BlockAfter(n)
		result := make(chan error, 1)
		go func() {
			_, err := Play(ctx, r, s.input, &rec, Allow)
			result <- err
		}()
		select {
		case <-blocked:
		case err := <-result:
			t.Errorf("after %d calls: ended early with error %v", n, err)
			cancel()
			continue
		}
		cancel()
		select {
		case err := <-result:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("after %d calls: error %v, want the context's", n, err)
			}
			if rec.Refused() != 1 {
				t.Errorf("after %d calls: %d calls failed, want 1", n, rec.Refused())
			}
		case <-time.After(soon):
			t.Fatalf("after %d calls: still running %s after the context ended", n, soon)
		}
	}
}

// stopsWithTool tests that the runner returns each error of a tool unchanged and makes no further calls.
func (s suite) stopsWithTool(t *testing.T) {
	r := s.factory(t)
	broken := errors.New("the tool is broken")
	in := s.input
	used := 0
	in.Toolboxes = []turn.Toolbox{Toolbox()}
	for i, t := range in.Toolboxes[0].Tools {
		if t.Run == nil {
			continue
		}
		in.Toolboxes[0].Tools[i].Run = func(context.Context, json.RawMessage) (turn.Output, error) {
			used++
			return turn.Output{}, broken
		}
	}
	var rec Recorder
	_, err := Play(t.Context(), r, in, &rec, Allow)
	if used > 1 || used == 1 && !identical(err, broken) || used == 0 && err != nil {
		t.Errorf("error %v after %d uses, want the first tool's unchanged", err, used)
	}
	if calls := rec.Calls(); used == 1 && calls[len(calls)-1].Method != EndRequest {
		t.Errorf("%s followed", calls[len(calls)-1].Method)
	}
}

// startsNothingLate tests that a context which has ended already is returned before anything is done.
func (s suite) startsNothingLate(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, ctx := range []context.Context{canceled, late} {
		var rec Recorder
		if _, err := s.factory(t).Run(ctx, s.input, &rec); !errors.Is(err, ctx.Err()) {
			t.Errorf("error %v, want %v", err, ctx.Err())
		}
		if calls := rec.Calls(); len(calls) > 0 {
			t.Errorf("calls %v, want none", calls)
		}
	}
}

// concurrent tests that turns of many sessions at once do not mix.
func (s suite) concurrent(t *testing.T) {
	const sessions = 16
	shared := s.factory(t)
	inputs := make([]turn.Input, sessions)
	want := make([][]Call, sessions)
	for i := range inputs {
		inputs[i] = input(fmt.Sprintf("Hello from session %d.", i))
		want[i] = play(t, s.factory(t), inputs[i])
	}
	var (
		wg   sync.WaitGroup
		got  [sessions]Recorder
		errs [sessions]error
	)
	for i := range inputs {
		wg.Go(func() { _, errs[i] = Play(t.Context(), shared, inputs[i], &got[i], Allow) })
	}
	wg.Wait()
	for i := range inputs {
		if errs[i] != nil {
			t.Errorf("session %d: %v", i, errs[i])
		}
		same(t, want[i], got[i].Calls())
	}
}

// sinkCalls counts the calls that FailAfter and BlockAfter count.
func sinkCalls(calls []Call) int {
	n := 0
	for _, c := range calls {
		if c.Method != Spend {
			n++
		}
	}
	return n
}

func same(t *testing.T, want, got []Call) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Errorf("calls differ\n got %+v\nwant %+v", got, want)
	}
}
