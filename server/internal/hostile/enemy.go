package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// enemyToken is the token of the account that means harm; it is the demo's.
const enemyToken = "pt-hostile-0123456789abcdef0123"

// enemy is that account, with what its requests ask for.
type enemy struct {
	account
	largeSession string // the path of a session with large events
	largeAgent   string // the id of an agent of 2 MiB
	oldAgent     string // the id of an agent that was stored before agents were bounded

	mu       sync.Mutex
	statuses map[string]int
}

// prepare makes three friendly accounts with a session each, and the enemy with large records.
func prepare(ctx context.Context, base, dsn string) (friends []account, e *enemy, err error) {
	db, err := sqlstore.Open(ctx, dsn, sqlstore.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, name := range []string{"friend_a", "friend_b", "friend_c"} {
		a := account{base: base, token: "pt-" + name}
		if _, err := db.CreateToken(ctx, store.NewToken{Account: name, Name: name, Hash: auth.Hash(a.token)}); err != nil {
			return nil, nil, err
		}
		if a.session, err = a.newSession(ctx); err != nil {
			return nil, nil, err
		}
		friends = append(friends, a)
	}
	e = &enemy{account: account{base: base, token: enemyToken}, statuses: map[string]int{}}
	if e.session, err = e.newSession(ctx); err != nil {
		return nil, nil, err
	}
	if err := e.fill(ctx, db); err != nil {
		return nil, nil, err
	}
	return friends, e, nil
}

func (a account) newSession(ctx context.Context) (string, error) {
	agent, err := a.create(ctx, "/agents", `{"name":"a","model":"ultimate"}`)
	if err != nil {
		return "", err
	}
	environment, err := a.create(ctx, "/environments", `{"name":"e","config":{"type":"cloud"}}`)
	if err != nil {
		return "", err
	}
	id, err := a.create(ctx, "/sessions", fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, agent, environment))
	return "/sessions/" + id, err
}

// tools are a number of custom tools, each of about that many bytes.
func tools(n, bytes int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"type":"custom","name":"t%d","input_schema":{"type":"object","description":"%s"}}`, i, strings.Repeat("<", bytes))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// fill stores large records through the store.
func (e *enemy) fill(ctx context.Context, db *sqlstore.Store) error {
	for agent, spec := range map[*string]store.AgentSpec{
		&e.largeAgent: {Name: "large", Tools: json.RawMessage(tools(7, 250_000))},
		&e.oldAgent:   {Name: "old", Tools: json.RawMessage(tools(128, 220_000))},
	} {
		spec.Model, spec.MCPServers, spec.Skills = "ultimate", json.RawMessage("[]"), json.RawMessage("[]")
		stored, err := db.CreateAgent(ctx, server.DemoAccount, spec)
		if err != nil {
			return err
		}
		*agent = stored.ID
		for range 40 {
			if _, err := db.CreateSession(ctx, server.DemoAccount, store.SessionSpec{AgentID: stored.ID, EnvironmentID: server.DemoEnvironment}); err != nil {
				return err
			}
		}
	}
	session, err := db.CreateSession(ctx, server.DemoAccount, store.SessionSpec{AgentID: server.DemoAgent, EnvironmentID: server.DemoEnvironment})
	if err != nil {
		return err
	}
	e.largeSession = "/sessions/" + session.ID
	message := json.RawMessage(`{"content":[{"type":"text","text":"` + strings.Repeat("<", 1_000_000) + `"}]}`)
	for range 100 {
		_, _, err := db.AppendEvents(ctx, server.DemoAccount, session.ID, func(*store.Session) ([]store.NewEvent, error) {
			return []store.NewEvent{{Type: "user.message", TurnID: "turn_1", Payload: message}}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lawful gets a small session over 32 connections until ctx ends.
func (e *enemy) lawful(ctx context.Context) {
	e.loop(ctx, 32, map[string]attack{"lawful get": func(ctx context.Context, c *http.Client) (int, error) {
		status, _, err := e.do(ctx, c, http.MethodGet, e.session, "", nil)
		return status, err
	}})
}

// attack is one hostile request; it returns the status of the response, 0 for none.
type attack func(ctx context.Context, c *http.Client) (int, error)

// hostile runs all attacks over 16 connections until ctx ends.
func (e *enemy) hostile(ctx context.Context) {
	get := func(path string) attack {
		return func(ctx context.Context, c *http.Client) (int, error) {
			status, _, err := e.do(ctx, c, http.MethodGet, path, "", nil)
			return status, err
		}
	}
	post := func(path string, key func() string, body func() io.Reader) attack {
		return func(ctx context.Context, c *http.Client) (int, error) {
			status, _, err := e.do(ctx, c, http.MethodPost, path, key(), body())
			return status, err
		}
	}
	noKey, newKey := func() string { return "" }, func() string { return fmt.Sprint("k-", time.Now().UnixNano()) }
	text := func(body string) func() io.Reader { return func() io.Reader { return strings.NewReader(body) } }
	chunked := func(bytes int64) func() io.Reader {
		return func() io.Reader { return io.LimitReader(spaces{}, bytes) }
	}
	e.loop(ctx, 16, map[string]attack{
		"list of sessions, large agents": get("/sessions?limit=100"),
		"list of agents":                 get("/agents?limit=100"),
		"versions of an old agent":       get("/agents/" + e.oldAgent + "/versions?limit=100"),
		"large events":                   get(e.largeSession + "/events?limit=100"),
		"large events, not read":         e.unread(e.largeSession + "/events?limit=100"),
		"large stream, not read":         e.unread(e.largeSession + "/events/stream"),
		"a word to a large session":      post(e.largeSession+"/events", noKey, text(`{"events":[{"type":"user.message","content":"Hi"}]}`)),
		"an agent of 28 MB":              post("/agents", noKey, text(`{"name":"a","model":"m","tools":`+tools(128, 220_000)+`}`)),
		"a body of 30 MB with a key":     post(e.largeSession+"/events", newKey, text(strings.Repeat(" ", 30<<20))),
		"a body of 30 MB in chunks":      post(e.largeSession+"/events", noKey, chunked(30<<20)),
		"a body that stays away":         e.withheld,
		"a large session with a key": post("/sessions", newKey,
			text(fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, e.largeAgent, server.DemoEnvironment))),
		"headers without end": e.headers,
	})
}

// spaces is white space without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// held is how long the attacks hold a connection without using it.
const held = 3 * time.Second

// raw sends a text over a connection with a small receive buffer, and holds it without reading.
func (e *enemy) raw(ctx context.Context, text string) (int, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(e.base, "http://"))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
	case <-time.After(held):
	}
	return 0, nil
}

func (e *enemy) unread(path string) attack {
	return func(ctx context.Context, _ *http.Client) (int, error) {
		return e.raw(ctx, "GET /v1"+path+" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "+e.token+"\r\n\r\n")
	}
}

// withheld announces a large body and sends little of it.
func (e *enemy) withheld(ctx context.Context, _ *http.Client) (int, error) {
	return e.raw(ctx, "POST /v1"+e.largeSession+"/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "+e.token+
		"\r\nContent-Type: application/json\r\nContent-Length: 33554432\r\n\r\n{")
}

// headers sends much of a head that never ends.
func (e *enemy) headers(ctx context.Context, _ *http.Client) (int, error) {
	return e.raw(ctx, "GET /v1/sessions HTTP/1.1\r\nHost: a\r\nX-Large: "+strings.Repeat("a", 900_000))
}

// loop runs the attacks over and over, that many at a time, and counts what came of them.
func (e *enemy) loop(ctx context.Context, connections int, attacks map[string]attack) {
	names := slices.Sorted(maps.Keys(attacks))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	var running sync.WaitGroup
	for first := range connections {
		running.Go(func() {
			for i := first; ctx.Err() == nil; i++ {
				name := names[i%len(names)]
				status, err := attacks[name](ctx, client)
				if ctx.Err() == nil {
					e.count(name, status, err)
				}
			}
		})
	}
	running.Wait()
}

func (e *enemy) count(name string, status int, err error) {
	outcome := fmt.Sprint(status)
	if err != nil {
		outcome = "no response"
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.statuses[name+": "+outcome]++
}

// summary says what came of the enemy's requests.
func (e *enemy) summary() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(e.statuses)) {
		fmt.Fprintf(&out, "  %s: %d\n", name, e.statuses[name])
	}
	return "what came of the other account's requests (0: not read):\n" + out.String()
}
