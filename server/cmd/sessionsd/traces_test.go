package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cloud-sessions/sessions/client"
)

// headersSeen are the traceparents that a server has received.
type headersSeen struct {
	mu      sync.Mutex
	parents []string
}

func (h *headersSeen) add(r *http.Request) (before int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parents = append(h.parents, r.Header.Get("Traceparent"))
	return len(h.parents) - 1
}

func (h *headersSeen) has(parent string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.parents {
		if strings.HasPrefix(p, parent) {
			return true
		}
	}
	return false
}

// The words that the user, the model and the tools say, which no span may have.
const spoken = "spoken-words"

// tracedModel is an endpoint whose model first calls a tool of an MCP server, then one of a worker, and then speaks.
func tracedModel(t *testing.T) (url string, seen *headersSeen) {
	t.Helper()
	seen = &headersSeen{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := `{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":%q,"arguments":%q}}]}`
		deltas := []string{
			fmt.Sprintf(call, "tracker__look", `{"text":"`+spoken+`"}`), fmt.Sprintf(call, "bash", `{"command":"`+spoken+`"}`), `{"content":"` + spoken + `"}`,
		}
		n := seen.add(r)
		if n >= len(deltas) {
			t.Errorf("request %d", n)
			return
		}
		reason := []string{"tool_calls", "tool_calls", "stop"}[n]
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"id\":\"reply-%d\",\"model\":\"m-2026\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%q}]}\n\n", n, deltas[n], reason)
		fmt.Fprint(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":8}}}\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(web.Close)
	return web.URL, seen
}

// tracedTools is an MCP server with a tool.
func tracedTools(t *testing.T) (url string, seen *headersSeen) {
	t.Helper()
	seen = &headersSeen{}
	tools := mcp.NewServer(&mcp.Implementation{Name: "tracker", Version: "1"}, nil)
	mcp.AddTool(tools, &mcp.Tool{Name: "look", Description: "Looks."}, func(context.Context, *mcp.CallToolRequest, struct {
		Text string `json:"text"`
	}) (*mcp.CallToolResult, map[string]string, error) {
		return nil, map[string]string{"found": spoken}, nil
	})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return tools }, nil)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.add(r)
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		for session := range tools.Sessions() {
			_ = session.Close()
		}
		web.Close()
	})
	return web.URL, seen
}

// create posts a body and returns the id of what it created.
func create(t *testing.T, c *client.Client, path, body string) string {
	t.Helper()
	var made struct{ ID string }
	if err := c.Do(t.Context(), "POST", path, json.RawMessage(body), &made); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// TestOneTrace follows a message from the program through the server, the model, a tool of an MCP server and a work item to a
// worker, and the result of that to the end of the turn: it is one trace, with none of what was said.
func TestOneTrace(t *testing.T) {
	t.Parallel()
	got := newCollector(t)
	model, modelSaw := tracedModel(t)
	tools, toolsSaw := tracedTools(t)
	s := serve(t, append(got.environment(), "QODER_PAT="+callerToken, "OPENAI_API_KEY=sk-secret-key"), "--demo", "--db", "sqlite::memory:", "--log-format", "json",
		"--runner", "openai", "--openai-base-url", model+"/v1", "--mcp-allow", strings.TrimPrefix(tools, "http://"))
	c, ctx, end := got.client(s.baseURL, callerToken)
	environment := create(t, c, "/environments", `{"name":"own","config":{"type":"self_hosted"}}`)
	agent := create(t, c, "/agents", fmt.Sprintf(`{"name":"looker","model":"ultimate","mcp_servers":[{"type":"http","name":"tracker","url":%q}],
		"tools":[{"type":"mcp_toolset","mcp_server_name":"tracker"},{"type":"agent_toolset_20260401"}]}`, tools))
	session := create(t, c, "/sessions", fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, agent, environment))
	if _, err := c.Sessions.Events.SendMessage(ctx, session, spoken); err != nil {
		t.Fatal(err)
	}
	events := c.Sessions.Events
	until := func(reason client.StopReasonType) {
		t.Helper()
		for event, err := range events.Stream(t.Context(), session, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := event.Value.(client.SessionErrorEvent); ok {
				t.Fatal(v.Error.Message)
			}
			if v, ok := event.Value.(client.SessionStatusIdleEvent); ok && v.StopReason.Type == reason {
				return
			}
		}
	}
	until(client.StopReasonTypeRequiresAction)
	worker, err := client.New(client.WithBaseURL(s.baseURL+"/v1"), client.WithToken(callerToken)) // which traces nothing
	if err != nil {
		t.Fatal(err)
	}
	item, err := worker.Environments.Work.Poll(t.Context(), environment, &client.PollWorkParams{WorkerID: "w1"})
	if err != nil || item == nil {
		t.Fatal(item, err)
	}
	var use string
	for event, err := range worker.Sessions.Events.All(t.Context(), session, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := event.Value.(client.AgentToolUseEvent); ok {
			use = event.ID
		}
	}
	if err := worker.Do(t.Context(), "POST", "/sessions/"+session+"/events", json.RawMessage(fmt.Sprintf(
		`{"events":[{"type":"user.tool_result","tool_use_id":%q,"content":[{"type":"text","text":%q}]}]}`, use, spoken)), nil); err != nil {
		t.Fatal(err)
	}
	until(client.StopReasonTypeEndTurn)
	end()
	_ = s.Process.Signal(syscall.SIGTERM)
	s.stopped(t) // which sends what is left

	program, call := got.only("program"), got.only("Sessions.Events.SendMessage")
	sends := got.named("sendEvents")
	runs := got.named("invoke_agent looker")
	if len(sends) != 2 || len(runs) != 2 {
		t.Fatalf("%d requests, %d runs of the turn; the spans are %q", len(sends), len(runs), got.names())
	}
	chats, tool := got.named("chat ultimate"), got.only("execute_tool look")
	calls, delivery := got.only("tools/call look"), got.only("receive work")
	if len(chats) != 3 {
		t.Fatalf("%d requests to the model", len(chats))
	}
	for child, parent := range map[*span]span{
		&call: program, &sends[0]: call, &runs[0]: sends[0], &runs[1]: sends[0], &chats[0]: runs[0], &chats[1]: runs[0], &chats[2]: runs[1],
		&tool: runs[0], &calls: tool, &delivery: sends[0],
	} {
		if !child.isChildOf(parent) {
			t.Errorf("%q is not a child of %q", child.Name, parent.Name)
		}
	}
	if links := runs[1].Links; len(links) != 1 || string(links[0].SpanId) != string(sends[1].SpanId) {
		t.Errorf("the second run is linked to %v", links)
	}
	if links := delivery.Links; len(links) != 1 || !isOneOf(links[0].SpanId, got.named("pollWork")) {
		t.Errorf("the delivery is linked to %v", links)
	}
	stored := false
	for _, transaction := range got.named("transaction") {
		stored = stored || transaction.isChildOf(sends[0])
	}
	if !stored {
		t.Error("the request has no transaction")
	}
	for _, chat := range chats {
		if !modelSaw.has(chat.traceparent()) {
			t.Errorf("the model did not see %s", chat.traceparent())
		}
	}
	if !toolsSaw.has(calls.traceparent()) {
		t.Errorf("the MCP server did not see %s", calls.traceparent())
	}
	attributes := map[string]string{}
	for key, of := range map[string]span{
		"http.route": sends[0], "http.response.status_code": sends[0], "gen_ai.conversation.id": runs[0], "gen_ai.operation.name": chats[0],
		"gen_ai.response.model": chats[0], "gen_ai.response.id": chats[2], "gen_ai.usage.input_tokens": chats[0], "gen_ai.usage.cache_read.input_tokens": chats[0],
		"gen_ai.tool.name": tool, "mcp.method.name": calls, "messaging.message.id": delivery, "sessions.turn.stop_reason": runs[1], "db.system.name": got.named("transaction")[0],
	} {
		attributes[key] = of.attribute(key)
	}
	want := map[string]string{
		"http.route": "/v1/sessions/{session_id}/events", "http.response.status_code": "200", "gen_ai.conversation.id": session, "gen_ai.operation.name": "chat",
		"gen_ai.response.model": "m-2026", "gen_ai.response.id": "reply-2", "gen_ai.usage.input_tokens": "20", "gen_ai.usage.cache_read.input_tokens": "8",
		"gen_ai.tool.name": "look", "mcp.method.name": "tools/call", "messaging.message.id": item.ID, "sessions.turn.stop_reason": "end_turn", "db.system.name": "sqlite",
	}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Error(diff)
	}
	if sends[0].service != "sessionsd" {
		t.Errorf("the service is %q", sends[0].service)
	}
	for _, secret := range []string{spoken, callerToken, "sk-secret-key"} {
		if found := got.holds(secret); len(found) > 0 {
			t.Errorf("%q is in the spans %q", secret, found)
		}
	}
	checkTurnLines(t, s.stderr.String(), runs[0])
}

// checkTurnLines asserts that the lines of the turn's runs name the session, the request that led to each, and the trace.
func checkTurnLines(t *testing.T, log string, run span) {
	t.Helper()
	queued, stopped := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(log) {
		var l struct {
			Msg, Session string
			RequestID    string  `json:"request_id"`
			TraceID      string  `json:"trace_id"`
			Duration     float64 `json:"duration_seconds"`
		}
		if json.Unmarshal([]byte(line), &l) != nil {
			continue
		}
		switch l.Msg {
		case "turn queued":
			queued[l.RequestID] = true
		case "turn stopped":
			stopped[l.RequestID] = true
			if l.Session == "" || l.Duration <= 0 || !strings.Contains(run.traceparent(), l.TraceID) || l.TraceID == "" {
				t.Errorf("%s", line)
			}
		}
	}
	if diff := cmp.Diff(queued, stopped); diff != "" || len(stopped) != 2 {
		t.Errorf("the requests on the lines of the turn: %s", diff)
	}
}

func isOneOf(id []byte, spans []span) bool {
	for _, s := range spans {
		if string(s.SpanId) == string(id) {
			return true
		}
	}
	return false
}

// TestOneTraceOverReplicas sends a message to a replica whose only worker is busy: another replica runs the turn, in the trace of
// the request.
func TestOneTraceOverReplicas(t *testing.T) {
	t.Parallel()
	got := newCollector(t)
	c := startTracedCluster(t, got)
	busy, err := c.at(0).Sessions.Create(t.Context(), newSession())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.at(0).Sessions.Events.SendMessage(t.Context(), busy.ID, strings.Repeat("word ", 10_000)); err != nil {
		t.Fatal(err)
	}
	c.wait("a replica runs the turn", func() bool { return c.works(0) || c.works(1) })
	i := 0
	if c.works(1) {
		i = 1
	}
	traced, ctx, end := got.client(c.replicas[i].baseURL, clusterToken)
	session, err := traced.Sessions.Create(t.Context(), newSession())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range traced.Sessions.Run(ctx, session.ID, "Hi", nil) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.at(0).Sessions.Cancel(t.Context(), busy.ID); err != nil {
		t.Fatal(err)
	}
	end()
	for _, replica := range c.replicas {
		_ = replica.Process.Signal(syscall.SIGTERM)
		replica.stopped(t)
	}
	program := got.only("program")
	var request, run span
	for _, s := range append(got.named("sendEvents"), got.runs()...) {
		switch {
		case string(s.TraceId) != string(program.TraceId):
		case s.Name == "sendEvents":
			request = s
		default:
			run = s
		}
	}
	if request.Span == nil || run.Span == nil || !run.isChildOf(request) || run.instance == request.instance {
		t.Errorf("the request %v, the turn %v", request, run)
	}
	if got.named("transaction")[0].attribute("db.system.name") != "postgresql" {
		t.Error("the transactions are not PostgreSQL's")
	}
}

// runs returns the spans of turns.
func (c *collector) runs() (found []span) {
	for _, name := range c.names() {
		if strings.HasPrefix(name, "invoke_agent ") {
			found = append(found, c.named(name)...)
		}
	}
	return found
}

// TestAnUnreachableCollectorCostsNothing serves while nothing listens where spans are sent to, and ends in time.
func TestAnUnreachableCollectorCostsNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, []string{"QODER_PAT=" + callerToken, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY=1"}, "--demo", "--db", "sqlite::memory:")
	c := newCaller(t)
	c.baseURL = s.baseURL
	for range 20 {
		session := c.session(`"title":"x"`)
		c.must("POST", "/sessions/"+session+"/events", `{"events":[{"type":"user.message","content":"Hi"}]}`)
		c.idle(session)
	}
	began := time.Now()
	_ = s.Process.Signal(syscall.SIGTERM)
	s.stopped(t)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the end took %s", took)
	}
	if lines := strings.Count(s.stderr.String(), "spans were not sent"); lines < 1 || lines > 3 {
		t.Errorf("%d lines on spans that were not sent: %s", lines, s.stderr)
	}
}

// TestTracesNobodyCanFollow starts with variables that ask for what there is not.
func TestTracesNobodyCanFollow(t *testing.T) {
	t.Parallel()
	cmd := program(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "check", "--db", "sqlite::memory:")
	out, err := cmd.CombinedOutput()
	if err == nil || strings.TrimSpace(string(out)) != `sessionsd: OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"; use http/protobuf or http/json` {
		t.Errorf("%v: %s", err, out)
	}
}
