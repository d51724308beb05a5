package client_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cloud-sessions/sessions/client"
)

// A peer is a stand-in for another server of this API, with what such servers were seen to send in other forms than the
// contract's. It is made for these tests and runs no agent: a message gets an echo.
type peer struct {
	// agent, environment and session are how its ids begin.
	agent, environment, session string
	// snapshot is whether a session has its agent.
	snapshot bool
	// page adds to a list what says whether records follow: next is the cursor, "" on the last page.
	page func(list map[string]any, next string)
	// missing is its 404.
	missing string
	// silent is whether it accepts events with a 202 and no body.
	silent bool
	// sse is the id of an event on the stream; nil for none.
	sse func(n int, event map[string]any) string
	// keeps is whether a deleted session can still be read.
	keeps bool
	// idle is what a status_idle event has in addition to its type.
	idle map[string]any
	// requestID is the header with the id of a request; "" for none.
	requestID string

	mu       sync.Mutex
	sessions []map[string]any
	log      []map[string]any // of the session that got a message
}

var peers = map[string]func() *peer{
	"a model object, pages by next_page, no ids on the stream": func() *peer {
		return &peer{
			agent: "agent_", environment: "env_", session: "sesn_", snapshot: true, requestID: "Request-Id",
			page: func(list map[string]any, next string) {
				list["next_page"] = any(nil)
				if next != "" {
					list["next_page"] = next
				}
			},
			missing: `{"type":"error","error":{"type":"not_found_error","message":"No such session."},"request_id":"req_9"}`,
			idle:    map[string]any{"stop_reason": map[string]any{"type": "end_turn"}},
		}
	},
	"a model object, numbers on the stream, deleted sessions stay": func() *peer {
		return &peer{
			agent: "agent_", environment: "env_", session: "sesn_", snapshot: true, keeps: true,
			page: func(list map[string]any, next string) {
				list["has_more"], list["next_page"] = next != "", next
			},
			missing: `{"error":{"message":"session not found"}}`,
			sse:     func(n int, _ map[string]any) string { return strconv.Itoa(n) },
			idle:    map[string]any{"stop_reason": map[string]any{"type": "end_turn"}},
		}
	},
	"a model object in agents, a 202 without a body, plain errors": func() *peer {
		return &peer{
			agent: "agent-", environment: "env-", session: "sess-", silent: true,
			page: func(list map[string]any, next string) {
				if next != "" {
					list["next_page"] = next
				}
			},
			missing: `{"error":"Session not found"}`,
			sse:     func(_ int, event map[string]any) string { return event["id"].(string) },
		}
	},
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if p.requestID != "" {
		w.Header().Set(p.requestID, "req_9")
	}
	resource, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v1/cloud/"), "/")
	id, action, _ := strings.Cut(rest, "/")
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	switch r.Method + " " + resource {
	case "POST agents", "GET agents":
		p.send(w, 200, map[string]any{"id": cmp.Or(id, p.agent+"1"), "type": "agent", "name": "helper", "version": 1, "model": map[string]any{"id": "ultimate", "speed": "standard"}})
	case "POST environments":
		p.send(w, 201, map[string]any{"id": p.environment + "1", "type": "environment", "name": body["name"]})
	default:
		p.serveSession(w, r, id, action, body)
	}
}

func (p *peer) serveSession(w http.ResponseWriter, r *http.Request, id, action string, body map[string]any) {
	session := p.find(id)
	switch {
	case id != "" && session == nil:
		w.WriteHeader(404)
		_, _ = w.Write([]byte(p.missing))
	case r.Method == http.MethodPost && id == "":
		session = map[string]any{"id": fmt.Sprint(p.session, len(p.sessions)+1), "type": "session", "status": "idle", "agent_id": p.agent + "1", "stats": map[string]any{"active_seconds": 0.5}}
		if p.snapshot {
			session["agent"] = map[string]any{"type": "agent", "id": p.agent + "1", "version": 1, "model": map[string]any{"id": "ultimate"}}
		}
		p.sessions = append(p.sessions, session)
		p.send(w, 201, session)
	case r.Method == http.MethodGet && id == "":
		p.list(w, r)
	case r.Method == http.MethodDelete:
		if !p.keeps {
			p.sessions = nil
		}
		p.send(w, 200, map[string]any{"id": id, "type": "session_deleted"})
	case action == "events" && r.Method == http.MethodPost:
		p.turn(w, body["events"].([]any))
	case action == "events":
		list := map[string]any{"data": p.log, "has_more": false}
		p.send(w, 200, list)
	case action == "events/stream":
		p.stream(w, r)
	case action == "archive":
		session["archived_at"] = "2026-08-04T10:00:09Z"
		p.send(w, 200, session)
	default:
		p.send(w, 200, session)
	}
}

func (p *peer) find(id string) map[string]any {
	for _, s := range p.sessions {
		if s["id"] == id {
			return s
		}
	}
	return nil
}

// list sends sessions in pages of two.
func (p *peer) list(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("page"))
	to, next := min(from+2, len(p.sessions)), ""
	if to < len(p.sessions) {
		next = strconv.Itoa(to)
	}
	list := map[string]any{"data": p.sessions[from:to]}
	p.page(list, next)
	p.send(w, 200, list)
}

// turn stores a message and what follows.
func (p *peer) turn(w http.ResponseWriter, events []any) {
	message := events[0].(map[string]any)
	store := func(event map[string]any) map[string]any {
		event["id"], event["created_at"] = fmt.Sprintf("sevt_%d", len(p.log)+1), fmt.Sprintf("2026-08-04T10:00:%02dZ", len(p.log))
		p.log = append(p.log, event)
		return event
	}
	stored := store(message)
	store(map[string]any{"type": "span.model_first_token", "model": "ultimate"}) // unknown to the contract
	store(map[string]any{"type": "agent.message", "content": message["content"]})
	idle := map[string]any{"type": "session.status_idle"}
	for name, value := range p.idle {
		idle[name] = value
	}
	store(idle)
	if p.silent {
		w.WriteHeader(202)
		return
	}
	p.send(w, 200, map[string]any{"data": []any{stored}})
}

// stream sends what follows the event that the caller names, and keeps the connection.
func (p *peer) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 1000\n\n")
	follows := false
	for n, event := range p.log {
		if follows {
			if p.sse != nil {
				fmt.Fprintf(w, "id: %s\n", p.sse(n, event))
			}
			data, _ := json.Marshal(event)
			fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event["type"], data)
		}
		follows = follows || event["id"] == r.URL.Query().Get("after_id")
	}
	_ = http.NewResponseController(w).Flush()
	p.mu.Unlock()
	<-r.Context().Done()
	p.mu.Lock()
}

func (p *peer) send(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// TestJourneysWithOtherServers makes the whole journey with each stand-in.
func TestJourneysWithOtherServers(t *testing.T) {
	for name, newPeer := range peers {
		t.Run(name, func(t *testing.T) {
			p := newPeer()
			c, _ := serve(t, p.ServeHTTP)
			journey(t, c, p)
		})
	}
}

func journey(t *testing.T, c *client.Client, p *peer) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	agent, err := c.Agents.Create(ctx, &client.CreateAgentRequest{Name: "helper", Model: "ultimate"})
	must(err)
	again, err := c.Agents.Get(ctx, agent.ID, nil)
	must(err)
	if agent.Model != "ultimate" || again.Model != "ultimate" || agent.ID != p.agent+"1" {
		t.Errorf("agents %+v and %+v", agent, again)
	}
	environment, err := c.Environments.Create(ctx, &client.CreateEnvironmentRequest{Name: "box", Config: client.NewEnvironmentConfig(client.CloudConfig{})})
	must(err)
	var session *client.Session
	for range 5 {
		session, err = c.Sessions.Create(ctx, &client.CreateSessionRequest{Agent: client.AgentRef{ID: agent.ID}, EnvironmentID: environment.ID})
		must(err)
	}
	session, err = c.Sessions.Get(ctx, session.ID)
	must(err)
	if p.snapshot != (session.Agent.Model == "ultimate") {
		t.Errorf("the session's agent %+v", session.Agent)
	}
	var ids []string
	for s, err := range c.Sessions.All(ctx, &client.ListSessionsParams{Limit: new(int32(2))}) {
		must(err)
		ids = append(ids, s.ID)
	}
	if len(ids) != 5 || ids[4] != session.ID {
		t.Errorf("the list is %v, want five", ids)
	}
	for _, text := range []string{"hello", "hello"} { // the second one is not the first
		var kinds []string
		reply := ""
		for event, err := range c.Sessions.Run(ctx, session.ID, text, nil) {
			must(err)
			kinds, reply = append(kinds, string(event.Type)), reply+event.Text()
			if idle, ok := event.Value.(client.SessionStatusIdleEvent); ok && p.idle != nil && idle.StopReason.Type != client.StopReasonTypeEndTurn {
				t.Errorf("the stop reason is %+v", idle.StopReason)
			}
		}
		if got := strings.Join(kinds, " "); reply != text || got != "span.model_first_token agent.message session.status_idle" {
			t.Errorf("the reply is %q, the events are %s", reply, got)
		}
	}
	n := 0
	for _, err := range c.Sessions.Events.All(ctx, session.ID, nil) {
		must(err)
		n++
	}
	if n != 8 {
		t.Errorf("the log has %d events", n)
	}
	archived, err := c.Sessions.Archive(ctx, session.ID)
	must(err)
	if archived.ArchivedAt == nil {
		t.Error("the session is not archived")
	}
	_, err = c.Sessions.Delete(ctx, session.ID)
	must(err)
	gone := session.ID
	if p.keeps {
		gone = "sesn_none"
	}
	if _, err := c.Sessions.Get(ctx, gone); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("after the deletion: %v", err)
	} else if p.requestID != "" && asError(t, err).RequestID != "req_9" {
		t.Errorf("%v has no request id", err)
	}
}
