package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/dispatch"
	"github.com/cloud-sessions/sessions/server/usage"
)

// startWith starts a dispatcher whose options change has changed; it is closed at the test's end.
func (b *bed) startWith(runner turn.Runner, change func(o *dispatch.Options)) {
	o := dispatch.Options{
		Store: b.store, Log: b.log, Runner: runner, Workers: 4, Clock: turn.WallClock{}, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Patience: 50 * time.Millisecond,
	}
	change(&o)
	d := dispatch.Start(o)
	b.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
}

// last returns the payload of the session's newest event of a type, once the session is idle.
func (b *bed) last(kind string) event.Payload {
	b.Helper()
	b.types()
	list, err := b.store.ListEvents(b.Context(), b.session.Account, b.session.ID, store.EventFilter{Types: []string{kind}}, store.Page{Limit: 1})
	if err != nil || len(list.Items) == 0 {
		b.Fatalf("no %s: %v", kind, err)
	}
	p, err := event.Read(list.Items[0])
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func (b *bed) usage() store.Usage {
	b.Helper()
	s, err := b.store.GetSession(b.Context(), b.session.Account, b.session.ID)
	if err != nil {
		b.Fatal(err)
	}
	return s.Usage
}

// spending is a runner that reports the usages and ends.
func spending(usages ...turn.Usage) turn.Runner {
	return answering(func(_ context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
		for _, u := range usages {
			out.Spend(u)
		}
		return turn.EndTurn, nil
	})
}

func everywhere(tokens, cents int64) turn.Usage {
	return turn.Usage{
		InputTokens: tokens, OutputTokens: tokens, CacheReadInputTokens: tokens,
		CacheCreation5m: tokens, CacheCreation1h: tokens, CreditCents: cents,
	}
}

// TestUsageIsBroughtWithinTheContract reports usage at and beyond every bound: the turn ends, and the events and the
// session have the nearest value that the contract allows.
func TestUsageIsBroughtWithinTheContract(t *testing.T) {
	t.Parallel()
	const most, cents = int64(9007199254740991), int64(100_000_000_000) // of the contract
	for name, c := range map[string]struct {
		spent []turn.Usage
		want  turn.Usage
	}{
		"at the bounds":       {[]turn.Usage{everywhere(most, cents)}, everywhere(most, cents)},
		"one more":            {[]turn.Usage{everywhere(most+1, cents+1)}, everywhere(most, cents)},
		"negative":            {[]turn.Usage{everywhere(-1, -1)}, turn.Usage{}},
		"least":               {[]turn.Usage{everywhere(math.MinInt64, math.MinInt64)}, turn.Usage{}},
		"negative after some": {[]turn.Usage{everywhere(7, 7), everywhere(-5, -5)}, everywhere(7, 7)},
		"most":                {[]turn.Usage{everywhere(math.MaxInt64, math.MaxInt64)}, everywhere(most, cents)},
		"a sum over int64":    {[]turn.Usage{everywhere(math.MaxInt64, math.MaxInt64), everywhere(math.MaxInt64, math.MaxInt64)}, everywhere(most, cents)},
		"a sum of two":        {[]turn.Usage{everywhere(most, cents), everywhere(most, cents)}, everywhere(most, cents)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, time.Second)
			if got := b.log.Usage(); got != (usage.Bounds{Tokens: most, Cents: cents}) {
				t.Errorf("the contract's bounds are %+v", got)
			}
			b.start(spending(c.spent...), turn.WallClock{})
			for range 2 { // the sums of the session are bounded as well
				b.say("go")
				if got := b.last(event.StatusIdle).StopReason.Type; got != types.StopReasonTypeEndTurn {
					t.Errorf("stop reason %s", got)
				}
				want := &types.EventUsage{
					InputTokens: c.want.InputTokens, OutputTokens: c.want.InputTokens, CacheReadInputTokens: c.want.InputTokens,
					CacheCreationInputTokens: min(2*c.want.InputTokens, most), Credits: float64(c.want.CreditCents) / 100,
				}
				if diff := cmp.Diff(want, b.last(event.StatusIdle).Usage); diff != "" {
					t.Error(diff)
				}
			}
			if diff := cmp.Diff(c.want.Add(c.want).Within(b.log.Usage()), b.usage()); diff != "" {
				t.Errorf("the session's usage: %s", diff)
			}
		})
	}
}

// TestWhatARunnerReportsIsBroughtWithinTheContract uses tools with names, arguments and results that the contract does
// not allow.
func TestWhatARunnerReportsIsBroughtWithinTheContract(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	long := strings.Repeat("x", 1_000_001)
	b.start(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
		for name, input := range map[string]string{
			"": "", "a b\x1b[31m\u202eü\xff": "{\"a\":\"\xff\\u0000\"}", strings.Repeat("n", 200): `{}`,
		} {
			id, err := out.UseTool(ctx, name, json.RawMessage(input), false)
			if err != nil {
				return "", err
			}
			if err := out.ToolResult(ctx, id, "\x00\xff"+long, false); err != nil {
				return "", err
			}
		}
		return turn.EndTurn, nil
	}), turn.WallClock{})
	b.say("go")
	if got := b.last(event.StatusIdle).StopReason.Type; got != types.StopReasonTypeEndTurn {
		t.Errorf("stop reason %s", got)
	}
	list, err := b.store.ListEvents(t.Context(), b.session.Account, b.session.ID, store.EventFilter{Types: []string{event.AgentToolUse}}, store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list.Items {
		p, err := event.Read(e)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, p.Name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"_", "a_b__31m___", strings.Repeat("n", 128)}, names); diff != "" {
		t.Error(diff)
	}
}

// TestAUseThatCannotBeStoredEndsTheTurn uses tools with arguments that cannot be brought within the contract.
func TestAUseThatCannotBeStoredEndsTheTurn(t *testing.T) {
	t.Parallel()
	many, err := json.Marshal(func() map[string]int {
		m := map[string]int{}
		for i := range 257 {
			m[strings.Repeat("k", i+1)] = i
		}
		return m
	}())
	if err != nil {
		t.Fatal(err)
	}
	for _, input := range []string{"null", "[]", "{", `"a"`, strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), string(many), `{"a":"` + strings.Repeat("x", 1<<20) + `"}`} {
		b := newBed(t, time.Second)
		b.start(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
			_, err := out.UseCustomTool(ctx, "get", json.RawMessage(input))
			return turn.RequiresAction, err
		}), turn.WallClock{})
		b.say("go")
		if got := b.last(event.SessionError).Error.Message; !strings.HasPrefix(got, "The agent used the tool get with arguments") {
			t.Errorf("%.20q: %s", input, got)
		}
	}
}

// TestMoreUsesThanTheContractAllows uses one custom tool more than a stop reason may name.
func TestMoreUsesThanTheContractAllows(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	b.start(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
		for range 6 {
			if _, err := out.UseCustomTool(ctx, "get", nil); err != nil {
				return "", err
			}
		}
		return turn.RequiresAction, nil
	}), turn.WallClock{})
	turnID := b.begin("go", false)
	err := b.store.Atomically(b.Context(), func(ctx context.Context) error {
		_, err := b.store.UpdateSession(ctx, b.session.Account, b.session.ID, func(s *store.Session) error {
			for range 995 {
				s.Turn.Pending = append(s.Turn.Pending, store.PendingAction{EventID: b.store.NewID("evt"), Type: event.AgentCustomTool})
			}
			return nil
		})
		if err != nil {
			return err
		}
		return b.store.QueueTurn(ctx, store.TurnRef{Session: b.session, TurnID: turnID})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.last(event.SessionError).Error.Message; got != "The agent used more than 1000 tools at once." {
		t.Error(got)
	}
}

// brokenEnds is a store that fails to append the last events of a turn, except for its least ending after some attempts.
type brokenEnds struct {
	store.Store
	err   error
	least int // attempts at the least ending that fail
}

func (s *brokenEnds) AppendEvents(ctx context.Context, account, session string, change func(*store.Session) ([]store.NewEvent, error)) (store.Session, []store.Event, error) {
	return s.Store.AppendEvents(ctx, account, session, func(v *store.Session) ([]store.NewEvent, error) {
		events, err := change(v)
		if err != nil || len(events) == 0 || events[len(events)-1].Type != event.StatusIdle {
			return events, err
		}
		if least := events[0].Type == event.SessionError && len(events) == 2; !least {
			return nil, s.err
		} else if s.least > 0 {
			s.least--
			return nil, s.err
		}
		return events, nil
	})
}

// TestALastStepThatCannotPass ends turns whose last step always fails, whether or not the database fails at first.
func TestALastStepThatCannotPass(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"violation": errors.New("it cannot pass"), "database": context.DeadlineExceeded} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, time.Second)
			b.log = event.NewLog(&brokenEnds{Store: b.store, err: err, least: 2}, b.contract)
			b.start(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
				out.Spend(everywhere(1, 1))
				return turn.EndTurn, out.Say(ctx, "Hi.")
			}), turn.WallClock{})
			b.say("go")
			got := slices.DeleteFunc(b.types(), func(kind string) bool { return kind == event.RequestStart }) // stored before, or not at all
			if diff := cmp.Diff([]string{"user.message", "session.error", "session.status_idle"}, got); diff != "" {
				t.Error(diff)
			}
			idle := b.last(event.StatusIdle)
			if idle.StopReason.Type != types.StopReasonTypeError || *idle.Usage != (types.EventUsage{}) {
				t.Errorf("%+v, %+v", idle.StopReason, idle.Usage)
			}
			b.say("again") // the session takes messages
			b.types()
		})
	}
}

// TestAStepIsRepeatedWhileTheDatabaseIsUnavailable proves that a complete ending is written once it can be.
func TestAStepIsRepeatedWhileTheDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	fails := 3
	b.log = event.NewLog(&unavailableEnds{Store: b.store, fails: &fails}, b.contract)
	b.start(spending(), turn.WallClock{})
	b.say("go")
	if got := b.last(event.StatusIdle).StopReason.Type; got != types.StopReasonTypeEndTurn || fails != 0 {
		t.Errorf("%s after %d failures", got, 3-fails)
	}
}

// unavailableEnds is a store that is not available for some attempts to end a turn.
type unavailableEnds struct {
	store.Store
	fails *int
}

func (s *unavailableEnds) AppendEvents(ctx context.Context, account, session string, change func(*store.Session) ([]store.NewEvent, error)) (store.Session, []store.Event, error) {
	return s.Store.AppendEvents(ctx, account, session, func(v *store.Session) ([]store.NewEvent, error) {
		events, err := change(v)
		if err == nil && len(events) > 0 && events[len(events)-1].Type == event.StatusIdle && *s.fails > 0 {
			*s.fails--
			return nil, store.ErrUnavailable
		}
		return events, err
	})
}

// TestTimeoutsEndTurns runs runners that hang, some of which ignore their context: each turn ends with an error.
func TestTimeoutsEndTurns(t *testing.T) { // by the clock: alone
	for name, c := range map[string]struct {
		change func(o *dispatch.Options)
		run    func(ctx context.Context, out turn.Sink, idle <-chan struct{}) // which is closed when the session is idle
		want   string
	}{
		"silent": {
			func(o *dispatch.Options) { o.SilenceTimeout = 50 * time.Millisecond },
			func(ctx context.Context, _ turn.Sink, _ <-chan struct{}) { <-ctx.Done() },
			"The agent did nothing for 50ms.",
		},
		"silent, and deaf": {
			func(o *dispatch.Options) { o.SilenceTimeout = 50 * time.Millisecond },
			func(_ context.Context, _ turn.Sink, idle <-chan struct{}) { <-idle },
			"The agent did nothing for 50ms.",
		},
		"long": {
			func(o *dispatch.Options) {
				o.TurnTimeout, o.SilenceTimeout = 300*time.Millisecond, 150*time.Millisecond
			},
			func(ctx context.Context, out turn.Sink, _ <-chan struct{}) {
				for ctx.Err() == nil {
					out.Alive()
					time.Sleep(time.Millisecond)
				}
			}, "The turn did not end within 300ms.",
		},
		"long, and deaf": {
			func(o *dispatch.Options) { o.TurnTimeout = 50 * time.Millisecond },
			func(_ context.Context, out turn.Sink, idle <-chan struct{}) {
				for {
					_ = out.Thinking(context.Background())
					select {
					case <-idle:
						return
					case <-time.After(time.Millisecond):
					}
				}
			}, "The turn did not end within 50ms.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, time.Second)
			idle, returned := make(chan struct{}), make(chan struct{})
			b.startWith(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
				defer close(returned)
				c.run(ctx, out, idle)
				return turn.EndTurn, ctx.Err()
			}), c.change)
			b.say("go")
			if got := b.last(event.SessionError).Error.Message; got != c.want {
				t.Error(got)
			}
			if got := b.last(event.StatusIdle).StopReason.Type; got != types.StopReasonTypeError {
				t.Error(got)
			}
			close(idle)
			<-returned
		})
	}
}

// TestTheTimeOfATurnIsThatOfItsRuns continues a turn that has run for most of its time: what it waits does not count,
// what it ran before does.
func TestTheTimeOfATurnIsThatOfItsRuns(t *testing.T) { // by the clock: alone
	b := newBed(t, time.Second)
	b.startWith(answering(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
		if len(in.Entries) > 1 {
			<-ctx.Done()
			return "", ctx.Err()
		}
		time.Sleep(300 * time.Millisecond)
		_, err := out.UseCustomTool(ctx, "get", nil)
		return turn.RequiresAction, err
	}), func(o *dispatch.Options) { o.TurnTimeout = 800 * time.Millisecond })
	turnID := b.say("go")
	b.types()
	time.Sleep(600 * time.Millisecond)
	began := time.Now()
	b.resume(turnID)
	b.enqueue(store.TurnRef{TurnID: turnID})
	if got := b.last(event.SessionError).Error.Message; got != "The turn did not end within 800ms." {
		t.Error(got)
	}
	if took := time.Since(began); took < 200*time.Millisecond || took > 700*time.Millisecond {
		t.Errorf("it ran for %s more", took)
	}
}

// TestRunsThatDiedCount continues a turn whose processes have died: their runs count up to their last event and the
// silence after it, as far as a runner may be silent; that there was no process does not.
func TestRunsThatDiedCount(t *testing.T) { // by the clock: alone
	for name, c := range map[string]struct {
		said    []time.Duration // when each run said something, 0 for nothing
		dead    time.Duration   // from a run's last event, or its start, to the next one
		expires bool
	}{
		"a long silence":         {[]time.Duration{0}, 100 * time.Hour, false},
		"long runs":              {[]time.Duration{25 * time.Minute, 25 * time.Minute}, 5 * time.Minute, true},
		"silences":               {slices.Repeat([]time.Duration{0}, 6), 11 * time.Minute, true},
		"fewer silences":         {slices.Repeat([]time.Duration{0}, 5), 11 * time.Minute, false},
		"short silences":         {slices.Repeat([]time.Duration{0}, 6), time.Minute, false},
		"runs, then no process":  {[]time.Duration{45 * time.Minute}, 100 * time.Hour, false},
		"more, then no process":  {[]time.Duration{51 * time.Minute}, 100 * time.Hour, true},
		"nothing has run before": {nil, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			now := time.Now()
			pass := func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				now = now.Add(d)
			}
			b := newBedAt(t, time.Second, func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return now
			})
			turnID := b.begin("go", false)
			add := func(kind string, p event.Payload) {
				t.Helper()
				_, _, err := b.log.Append(t.Context(), b.session, func(*store.Session) ([]event.New, error) {
					return []event.New{{Type: kind, TurnID: turnID, Payload: p}}, nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			for i, said := range c.said {
				if i > 0 {
					add(event.Rescheduled, event.Payload{})
				}
				add(event.RequestStart, event.Payload{Model: "m"})
				if pass(said); said > 0 {
					add(event.AgentMessage, event.Payload{Content: event.Content("a")})
				}
				pass(c.dead)
			}
			wait, want := 100*time.Millisecond, types.StopReasonTypeEndTurn
			if c.expires {
				wait, want = 5*time.Second, types.StopReasonTypeError
			}
			b.startWith(answering(func(ctx context.Context, _ turn.Input, _ turn.Sink) (turn.Outcome, error) {
				select {
				case <-ctx.Done():
				case <-time.After(wait):
				}
				return turn.EndTurn, ctx.Err()
			}), func(o *dispatch.Options) { o.TurnTimeout, o.SilenceTimeout = time.Hour, 10*time.Minute })
			b.enqueue(store.TurnRef{TurnID: turnID, Again: true})
			if got := b.last(event.StatusIdle).StopReason.Type; got != want {
				t.Errorf("stop reason %s", got)
			}
		})
	}
}

// TestCharactersThatNeedEscapes says and reports much text whose JSON is several times as long: it is stored, a long
// message as several.
func TestCharactersThatNeedEscapes(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	const most = (2<<20 - 4<<10) / 6
	long := strings.Repeat("\x1b", most+1000)
	b.start(answering(func(ctx context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
		if err := out.Say(ctx, long); err != nil {
			return "", err
		}
		id, err := out.UseTool(ctx, "t", nil, false)
		if err != nil {
			return "", err
		}
		return turn.EndTurn, out.ToolResult(ctx, id, long, false)
	}), turn.WallClock{})
	b.say("go")
	if got := b.last(event.StatusIdle).StopReason.Type; got != types.StopReasonTypeEndTurn {
		t.Errorf("stop reason %s", got)
	}
	list, err := b.store.ListEvents(t.Context(), b.session.Account, b.session.ID, store.EventFilter{Types: []string{event.AgentMessage, string(turn.ToolResult)}}, store.Page{Limit: 10, Ascending: true})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, e := range list.Items {
		entry, _, err := event.Entry(e)
		if err != nil || strings.Trim(entry.Text, "\x1b") != "" {
			t.Fatalf("%v, %.20q", err, entry.Text)
		}
		sizes = append(sizes, len(entry.Text))
	}
	if diff := cmp.Diff([]int{most, 1000, most}, sizes); diff != "" {
		t.Error(diff)
	}
}

// reads is a store that counts the bytes of events that are read.
type reads struct {
	store.Store
	bytes atomic.Int64
}

func (r *reads) ListEvents(ctx context.Context, account, session string, filter store.EventFilter, page store.Page) (store.List[store.Event], error) {
	list, err := r.Store.ListEvents(ctx, account, session, filter, page)
	for _, e := range list.Items {
		r.bytes.Add(int64(len(e.Payload)))
	}
	return list, err
}

// TestTheHistoryIsBoundedInBytes runs a turn after messages of 12 MB: its runner gets the newest of them, and not many
// more are read.
func TestTheHistoryIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	b := newBed(t, time.Second)
	const size = 900_000
	for i := range 13 { // three more than are read
		payload := json.RawMessage(`{"content":[{"type":"text","text":"` + strings.Repeat(string(rune('a'+i)), size) + `"}]}`)
		_, _, err := b.store.AppendEvents(t.Context(), b.session.Account, b.session.ID, func(*store.Session) ([]store.NewEvent, error) {
			return []store.NewEvent{{Type: string(turn.UserMessage), TurnID: "turn_old", Payload: payload}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	counted := &reads{Store: b.store}
	var got strings.Builder
	b.startWith(answering(func(ctx context.Context, in turn.Input, _ turn.Sink) (turn.Outcome, error) {
		past, err := in.Past(ctx)
		for _, e := range past {
			got.WriteByte(e.Text[0])
		}
		return turn.EndTurn, err
	}), func(o *dispatch.Options) { o.Store = counted })
	b.say("go")
	b.types()
	if diff := cmp.Diff("efghijklm", got.String()); diff != "" {
		t.Error(diff)
	}
	if read := counted.bytes.Load(); read > store.PageBytes+2*size {
		t.Errorf("%d bytes were read", read)
	}
}

// TestAFloodEndsATurn runs runners that say more than a turn may store, and do not stop when they are told to.
func TestAFloodEndsATurn(t *testing.T) {
	t.Parallel()
	const most = 100_000
	for name, flood := range map[string]func(ctx context.Context, out turn.Sink) error{
		"text":     func(ctx context.Context, out turn.Sink) error { return out.Say(ctx, strings.Repeat("é", 700)) },
		"thinking": func(ctx context.Context, out turn.Sink) error { return out.Thinking(ctx) },
		"tools": func(ctx context.Context, out turn.Sink) error {
			_, err := out.UseTool(ctx, "t", json.RawMessage(`{"a":"`+strings.Repeat("x", 900)+`"}`), false)
			return err
		},
		"results": func(ctx context.Context, out turn.Sink) error {
			return out.ToolResult(ctx, "evt_1", strings.Repeat("x", 900), false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, time.Second)
			b.startWith(answering(func(_ context.Context, _ turn.Input, out turn.Sink) (turn.Outcome, error) {
				for range 2000 {
					_ = flood(context.Background(), out)
				}
				return turn.EndTurn, nil
			}), func(o *dispatch.Options) { o.MaxText = most })
			b.say("go")
			if got := b.last(event.StatusIdle).StopReason.Type; got != types.StopReasonTypeMaxTokens {
				t.Errorf("stop reason %s", got)
			}
			list, err := b.store.ListEvents(t.Context(), b.session.Account, b.session.ID, store.EventFilter{}, store.Page{Limit: 1000})
			if err != nil {
				t.Fatal(err)
			}
			size := 0
			for _, e := range list.Items {
				size += len(e.Payload) + 200 // about what an event takes in addition
			}
			if size < most/8 || size > most+100_000 {
				t.Errorf("%d events of %d bytes", len(list.Items), size)
			}
			if said := list.Items[2]; name == "text" && len(said.Payload) < most { // all that there was room for
				t.Errorf("a message of %d bytes", len(said.Payload))
			}
		})
	}
}

// TestATurnThatNeverBeganIsRun dispatches turns as after the death of the process that had them in its queue: those that
// no worker had begun run as if nothing had happened, also when they were to continue.
func TestATurnThatNeverBeganIsRun(t *testing.T) {
	t.Parallel()
	for _, ref := range []store.TurnRef{{Again: true, Lost: true}, {Again: true}} {
		b := newBed(t, time.Second)
		b.start(answering(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
			if len(in.Entries) > 1 {
				return turn.EndTurn, nil
			}
			_, err := out.UseCustomTool(ctx, "get", nil)
			return turn.RequiresAction, err
		}), turn.WallClock{})
		ref.TurnID = b.begin("go", false)
		b.enqueue(ref)
		want := []string{"user.message", "span.model_request_start", "agent.custom_tool_use", "span.model_request_end", "session.status_idle"}
		if diff := cmp.Diff(want, b.types()); diff != "" {
			t.Error(diff)
		}
		b.resume(ref.TurnID)
		b.enqueue(ref)
		want = append(want, "session.status_running", "span.model_request_start", "span.model_request_end", "session.status_idle")
		if diff := cmp.Diff(want, b.types()); diff != "" {
			t.Error(diff)
		}
	}
}
