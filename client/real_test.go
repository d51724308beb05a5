package client_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store/sqlitetest"
	"github.com/cloud-sessions/sessions/server/turn"
)

// realServer is a server of the repository, on SQLite on disk, behind TCP.
type realServer struct {
	*httptest.Server
	*client.Client
	session client.SessionID // of the demo's agent
}

// startReal starts a server whose agent plays server/turn's example of a script.
func startReal(t *testing.T, change ...func(*server.Config)) *realServer {
	t.Helper()
	script, err := turn.LoadScript("../server/turn/testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := server.Config{DB: sqlitetest.Database(t), Demo: true, DemoToken: token, Runner: script.Runner(nil)}
	for _, c := range change {
		c(&config)
	}
	s, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		_ = s.Close()
		web.CloseClientConnections()
		web.Close()
	})
	r := &realServer{Server: web, Client: newClient(t, client.WithToken(token), client.WithBaseURL(web.URL+"/v1"))}
	r.session = r.newSession(t)
	return r
}

func (r *realServer) newSession(t *testing.T) client.SessionID {
	t.Helper()
	session, err := r.Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: server.DemoAgent}, EnvironmentID: server.DemoEnvironment, DeltaFlushIntervalMS: new(int32(50)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return session.ID
}

// weather is a tool of the script's.
type weather struct {
	City string `json:"city" jsonschema:"the city's name"`
	Days int    `json:"days,omitempty"`
}

func weatherTool(call func(weather) (string, error)) client.Tool {
	return client.NewTool("get_weather", "The weather.", func(_ context.Context, in weather) (string, error) { return call(in) })
}

// said lists what was said and why a turn stopped.
func conversation(events []client.Event) (lines []string) {
	for _, e := range events {
		switch v := e.Value.(type) {
		case client.AgentMessageEvent:
			lines = append(lines, e.Text())
		case client.UserCustomToolResultEvent:
			lines = append(lines, "result: "+v.Content.Text())
			if v.IsError {
				lines[len(lines)-1] += " (error)"
			}
		case client.UserToolConfirmationEvent:
			lines = append(lines, string(v.Result))
		case client.SessionErrorEvent:
			lines = append(lines, "error: "+v.Error.Message)
		case client.SessionStatusIdleEvent:
			lines = append(lines, "idle: "+string(v.StopReason.Type))
		}
	}
	return lines
}

// A turn runs to its end, with the program's tools and decisions.
func TestRun(t *testing.T) {
	r := startReal(t)
	sunny := weatherTool(func(in weather) (string, error) {
		if in != (weather{"Oslo", 1}) {
			return "", errors.New("that is not what the script asks for")
		}
		return "sunny", nil
	})
	allow := func(context.Context, client.AgentToolUseEvent) error { return nil }
	for _, tc := range []struct {
		name, message string
		params        *client.RunParams
		want          []string
	}{
		{"an answer", "hello", nil, []string{"I have no answer to: hello", "idle: end_turn"}},
		{"a tool", "weather?", &client.RunParams{Tools: []client.Tool{sunny}},
			[]string{"Let me look outside.", "idle: requires_action", "result: sunny", "The weather: sunny.", "idle: end_turn"}},
		{"a tool that fails", "weather?", &client.RunParams{Tools: []client.Tool{weatherTool(func(weather) (string, error) { return "", errors.New("no window") })}},
			[]string{"Let me look outside.", "idle: requires_action", "result: no window (error)", "The weather: no window.", "idle: end_turn"}},
		{"a tool that panics", "weather?", &client.RunParams{Tools: []client.Tool{weatherTool(func(weather) (string, error) { panic("no glasses") })}},
			[]string{"Let me look outside.", "idle: requires_action", "result: the tool panicked: no glasses (error)", "The weather: the tool panicked: no glasses.", "idle: end_turn"}},
		{"a tool with nothing to say", "weather?", &client.RunParams{Tools: []client.Tool{weatherTool(func(weather) (string, error) { return "", nil })}},
			[]string{"Let me look outside.", "idle: requires_action", "result: ", "The weather: .", "idle: end_turn"}},
		{"a tool that says NUL", "weather?", &client.RunParams{Tools: []client.Tool{weatherTool(func(weather) (string, error) { return "a\x00b\xff", nil })}},
			[]string{"Let me look outside.", "idle: requires_action", "result: a\ufffdb\ufffd", "The weather: a\ufffdb\ufffd.", "idle: end_turn"}},
		{"another input", "weather?", &client.RunParams{Tools: []client.Tool{
			client.NewTool("get_weather", "", func(context.Context, struct {
				City string `json:"city"`
				Days string `json:"days"`
			}) (string, error) {
				return "never called", nil
			})}},
			[]string{"Let me look outside.", "idle: requires_action",
				`result: the input does not satisfy the schema of the tool: validating root: validating /properties/days: type: 1 has type "integer", want "string" (error)`,
				`The weather: the input does not satisfy the schema of the tool: validating root: validating /properties/days: type: 1 has type "integer", want "string".`, "idle: end_turn"}},
		{"a tool of the caller's", "weather?", nil, []string{"Let me look outside.", "idle: requires_action"}},
		{"a tool of another name", "weather?", &client.RunParams{Tools: []client.Tool{
			client.NewTool("get_time", "", func(context.Context, struct{}) (string, error) { return "", nil })}},
			[]string{"Let me look outside.", "idle: requires_action"}},
		{"allowed", "delete build", &client.RunParams{Confirm: allow}, []string{"idle: requires_action", "allow", "Done.", "idle: end_turn"}},
		{"denied", "delete build", &client.RunParams{Confirm: func(_ context.Context, use client.AgentToolUseEvent) error {
			return errors.New("not " + use.Name)
		}}, []string{"idle: requires_action", "deny", "I leave it, as you say: not Bash.", "idle: end_turn"}},
		{"nobody to ask", "delete build", nil, []string{"idle: requires_action"}},
		{"cut short", "be verbose", nil, []string{"And so on, and", "idle: max_tokens"}},
		{"failed", "fail", nil, []string{"error: the model is overloaded", "idle: error"}},
		{"broken", "panic", nil, []string{"error: The agent failed. Send the message again.", "idle: error"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			events, err := readAll(r.Sessions.Run(t.Context(), r.newSession(t), tc.message, tc.params))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, conversation(events)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The caller resolves what Run cannot, and the same turn continues.
func TestRunEvents(t *testing.T) {
	r := startReal(t)
	events, err := readAll(r.Sessions.Run(t.Context(), r.session, "weather?", nil))
	if err != nil {
		t.Fatal(err)
	}
	stop := events[len(events)-1].Value.(client.SessionStatusIdleEvent).StopReason
	more, err := readAll(r.Sessions.RunEvents(t.Context(), r.session, []client.EventInput{
		client.NewEventInput(client.UserCustomToolResultInput{CustomToolUseID: stop.EventIDs[0], Content: &client.Content{"rain"}}),
	}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"The weather: rain.", "idle: end_turn"}, conversation(more)); diff != "" {
		t.Error(diff)
	}
	if first, last := events[0], more[len(more)-1]; first.TurnID != last.TurnID || first.TurnID == "" {
		t.Errorf("turns %s and %s", first.TurnID, last.TurnID)
	}
}

// A program that stops in the middle of a run resumes it by the key of the message: nothing is sent or resolved
// twice, and no tool is called twice whose result was sent.
func TestARunIsTakenUpAgain(t *testing.T) {
	r := startReal(t)
	calls := 0
	params := &client.RunParams{Tools: []client.Tool{weatherTool(func(weather) (string, error) { calls++; return "sunny", nil })}}
	run := func() iter.Seq2[client.Event, error] {
		return r.Sessions.Run(t.Context(), r.session, "weather?", params, client.WithIdempotencyKey("k"))
	}
	whole, err := readAll(run())
	if err != nil {
		t.Fatal(err)
	}
	again, err := readAll(run())
	if diff := cmp.Diff(names(whole), names(again)); diff != "" || err != nil || calls != 1 {
		t.Errorf("%d calls, %v: %s", calls, err, diff)
	}

	session := r.newSession(t)
	for stop := 1; ; stop++ {
		n := 0
		for _, err := range r.Sessions.Run(t.Context(), session, "weather?", params, client.WithIdempotencyKey("k2")) {
			if n++; err != nil {
				t.Fatal(err)
			}
			if n == stop {
				break
			}
		}
		if n < stop {
			break
		}
	}
	events, err := readAll(r.Sessions.Events.All(t.Context(), session, nil))
	want := []string{"Let me look outside.", "idle: requires_action", "result: sunny", "The weather: sunny.", "idle: end_turn"}
	if diff := cmp.Diff(want, conversation(events)); diff != "" || err != nil || calls != 2 {
		t.Errorf("%d calls, %v: %s", calls, err, diff)
	}
}

// Run fails as its requests do, and once.
func TestRunFails(t *testing.T) {
	r := startReal(t)
	_, err := readAll(r.Sessions.Run(t.Context(), "sess_1", "hello", nil))
	if e := asError(t, err); !errors.Is(err, client.ErrNotFound) || e.Op != "Sessions.Run" {
		t.Errorf("%v", err)
	}
	_, err = readAll(r.Sessions.RunEvents(t.Context(), r.session, nil, nil))
	wantText(t, err, "Sessions.RunEvents: events is empty (param events)")
	_, err = readAll(r.Sessions.Run(t.Context(), r.session, "", nil))
	if e := asError(t, err); !errors.Is(err, client.ErrInvalidRequest) || e.Status != 400 || e.Op != "Sessions.Run" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tool := weatherTool(func(weather) (string, error) { cancel(); return "", ctx.Err() })
	_, err = readAll(r.Sessions.Run(ctx, r.session, "weather?", &client.RunParams{Tools: []client.Tool{tool}}))
	if e := asError(t, err); !errors.Is(err, context.Canceled) || e.Op != "Sessions.Run" {
		t.Errorf("%v", err)
	}
}

// Events are listed in pages and filtered; a turn under way refuses a second message and can be stopped.
func TestEventsOfASession(t *testing.T) {
	r := startReal(t)
	for e, err := range r.Sessions.Run(t.Context(), r.session, "hello", nil) {
		if err != nil {
			t.Fatal(e, err)
		}
	}
	var types []string
	for e, err := range r.Sessions.Events.All(t.Context(), r.session, &client.ListEventsParams{Limit: new(int32(2))}) {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, string(e.Type))
	}
	want := []string{
		"session.status_running", "user.message", "span.model_request_start", "agent.message", "span.model_request_end", "session.status_idle",
	}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Error(diff)
	}
	page, err := r.Sessions.Events.List(t.Context(), r.session, &client.ListEventsParams{Types: []client.EventType{client.EventTypeAgentMessage}})
	if err != nil || len(page.Data) != 1 || page.Data[0].Text() != "I have no answer to: hello" {
		t.Errorf("%v, %v", page, err)
	}
	if _, err := r.Sessions.Delete(t.Context(), r.session); err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(r.Sessions.Events.Stream(t.Context(), r.session, nil)); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// A turn is stopped by a second goroutine while a first one reads it.
func TestInterrupt(t *testing.T) {
	waits, err := turn.ParseScript("waits.yaml", []byte("rules: [{steps: [say: Wait., wait: 1h]}]"))
	if err != nil {
		t.Fatal(err)
	}
	r := startReal(t, func(c *server.Config) { c.Runner = waits.Runner(nil) })
	params := &client.RunParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}
	var events []client.Event
	for e, err := range r.Sessions.Run(t.Context(), r.session, "hello", params) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
		if _, ok := e.Value.(client.AgentMessageEvent); !ok {
			continue
		}
		_, err := r.Sessions.Events.SendMessage(t.Context(), r.session, "me, too")
		if e := asError(t, err); e.Status != 409 || !errors.Is(err, client.ErrInvalidRequest) {
			t.Errorf("a second message: %v", err)
		}
		if e, err := r.Sessions.Events.Interrupt(t.Context(), r.session); err != nil || e.Type != client.EventTypeUserInterrupt {
			t.Errorf("%v, %v", e, err)
		}
	}
	if diff := cmp.Diff([]string{"Wait.", "idle: interrupted"}, conversation(events)); diff != "" {
		t.Error(diff)
	}
}

// flaky is a proxy that fails about one request in three: before the server sees it, while the response is on its way, or
// after all is done, when nothing comes back.
type flaky struct {
	*httptest.Server
	always bool // every request fails
	mu     sync.Mutex
	random *rand.Rand
	failed map[string]int
}

func startFlaky(t *testing.T, target string, seed uint64) *flaky {
	t.Helper()
	f := &flaky{random: rand.New(rand.NewPCG(seed, 0)), failed: map[string]int{}}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fate, part := f.draw()
		if fate == "before" {
			panic(http.ErrAbortHandler)
		}
		proxy := httputil.ReverseProxy{
			FlushInterval: -1, Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Scheme, r.Out.URL.Host = "http", strings.TrimPrefix(target, "http://")
			},
		}
		if fate != "" {
			// The first bytes get through, none of them for "after".
			proxy.ModifyResponse = func(resp *http.Response) error {
				if fate == "after" {
					_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1))
					panic(http.ErrAbortHandler)
				}
				resp.Body = &cutBody{resp.Body, part}
				return nil
			}
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

func (f *flaky) draw() (fate string, part int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.always && f.random.IntN(3) != 0 {
		return "", 0
	}
	fate = []string{"before", "amid", "after"}[f.random.IntN(3)]
	f.failed[fate]++
	return fate, f.random.IntN(1500)
}

// cutBody ends the connection after some bytes.
type cutBody struct {
	io.ReadCloser
	left int
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, net.ErrClosed // the proxy aborts the response
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// noWait makes retries happen at once.
func noWait() client.Option { return (&recorder{}).clock() }

func TestCreatesThroughAFlakyProxy(t *testing.T) {
	const creates, writers = 300, 8
	r := startReal(t)
	proxy := startFlaky(t, r.URL, 1)
	transport := &http.Transport{MaxIdleConnsPerHost: writers}
	defer transport.CloseIdleConnections()
	c := newClient(t, client.WithToken(token), client.WithBaseURL(proxy.URL+"/v1"), client.WithMaxRetries(30),
		client.WithHTTPClient(&http.Client{Transport: transport}))
	work := make(chan int)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			quick := noWait() // one for each goroutine: it notes its waits
			for range work {
				if _, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{
					Agent: client.AgentRef{ID: server.DemoAgent}, EnvironmentID: server.DemoEnvironment,
				}, quick); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range creates {
		work <- n
	}
	close(work)
	group.Wait()
	n := -1 // the one that startReal made
	for _, err := range r.Sessions.All(t.Context(), &client.ListSessionsParams{Limit: new(int32(100))}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	t.Logf("failed: %v", proxy.failed)
	if n != creates {
		t.Errorf("%d sessions, want %d", n, creates)
	}
	for _, fate := range []string{"before", "amid", "after"} {
		if proxy.failed[fate] < creates/20 {
			t.Errorf("only %d requests failed %s", proxy.failed[fate], fate)
		}
	}
}

// A reader behind the same proxy sees every event once, in order, and every message's pieces once.
func TestStreamsThroughAFlakyProxy(t *testing.T) {
	const turns = 20
	r := startReal(t, func(c *server.Config) { c.Runner = nil })
	proxy := startFlaky(t, r.URL, 2)
	proxy.always = true
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := newClient(t, client.WithToken(token), client.WithBaseURL(proxy.URL+"/v1"), client.WithMaxRetries(30), client.WithMaxReconnects(100),
		client.WithHTTPClient(&http.Client{Transport: transport}))
	params := &client.StreamParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}
	var got []client.Event
	var reader sync.WaitGroup
	reader.Go(func() {
		ended := 0
		for e, err := range c.Sessions.Events.Stream(t.Context(), r.session, params, noWait()) {
			if err != nil {
				t.Error(err)
				return
			}
			got = append(got, e)
			if e.Type == client.EventTypeSessionStatusIdle {
				if ended++; ended == turns {
					return
				}
			}
		}
	})
	for range turns {
		if _, err := readAll(r.Sessions.Run(t.Context(), r.session, "Tell me something that is long enough for several pieces.", nil)); err != nil {
			t.Fatal(err)
		}
	}
	reader.Wait()
	var want []string
	for e, err := range r.Sessions.Events.All(t.Context(), r.session, nil) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e.ID)
	}
	if diff := cmp.Diff(want, withoutPieces(names(got))); diff != "" {
		t.Error(diff)
	}
	said := map[client.EventID]string{}
	for _, e := range got {
		switch v := e.Value.(type) {
		case client.EventDelta:
			said[v.EventID] += e.Text()
		case client.AgentMessageEvent:
			if pieces := said[v.ID]; !strings.HasPrefix(e.Text(), pieces) {
				t.Errorf("the pieces %q are not those of %q", pieces, e.Text())
			}
		}
	}
	t.Logf("%d events, %d messages in pieces, failed: %v", len(got), len(said), proxy.failed)
}
