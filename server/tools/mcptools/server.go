package mcptools

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cloud-sessions/sessions/server/egress"
	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/turn"
)

// server is an MCP server during a turn. A session with it is begun when it is first needed, and again after it has ended.
type server struct {
	*Source
	toolset
	account string
	door    *door
	client  *http.Client

	mu      sync.Mutex // serialises the beginning of sessions
	session *session   // nil for none
	closed  bool
}

// session is a session with an MCP server.
type session struct {
	*mcp.ClientSession
	end  context.CancelFunc // ends what Close leaves
	note *note              // of its beginning, and of the one response of the older transport
}

func (s *Source) newServer(account string, vaults []string, set toolset) *server {
	bearer := func(ctx context.Context, refused string) (string, error) {
		if s.Credentials == nil || len(vaults) == 0 {
			return "", nil
		}
		return s.Credentials.Bearer(ctx, account, vaults, set.url, refused)
	}
	d := &door{egress: s.Egress, bearer: bearer}
	if u, err := url.Parse(set.url); err == nil {
		d.origin = origin(u)
	}
	return &server{Source: s, toolset: set, account: account, door: d, client: &http.Client{Transport: d, CheckRedirect: egress.NoRedirects}}
}

// implementation is how this client introduces itself.
var implementation = &mcp.Implementation{Name: "cloud-sessions", Version: "1.0"}

// connected returns the session with the server, which it begins if there is none.
func (s *server) connected(ctx context.Context) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		return s.session, nil
	}
	if s.closed {
		return nil, sentence("The turn has ended.")
	}
	if u, err := url.Parse(s.url); err != nil || u.Host == "" {
		return nil, sentence("Its URL is not valid.")
	} else if err := s.Egress.Check(u); err != nil {
		return nil, sentence(err.Error())
	}
	noting, note := s.noted(ctx)
	begun, err := s.begin(noting, &mcp.StreamableClientTransport{
		Endpoint: s.url, HTTPClient: s.client, MaxRetries: 2, MaxEventSize: egress.MaxBody,
		DisableStandaloneSSE: true, // its reconnects end sessions, and only calls are made
	})
	_, status, _ := note.read()
	isOlder := err != nil && s.older && (status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusMethodNotAllowed)
	if isOlder { // so the specification of MCP tells clients to guess
		note.release()
		noting, note = s.noted(ctx)
		begun, err = s.begin(noting, &mcp.SSEClientTransport{Endpoint: s.url, HTTPClient: s.client, MaxEventSize: egress.MaxBody})
	}
	if !isOlder || err != nil {
		note.release()
	}
	if err != nil {
		return nil, reason(ctx, note, err)
	}
	begun.note = note
	s.session = begun
	return begun, nil
}

// begin begins a session. It outlives ctx, which only bounds its beginning: the older transport reads one response for as
// long as the session lasts.
func (s *server) begin(ctx context.Context, transport mcp.Transport) (*session, error) {
	living, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	client := mcp.NewClient(implementation, &mcp.ClientOptions{
		Capabilities:   &mcp.ClientCapabilities{},                  // no roots, sampling or elicitation
		MultiRoundTrip: &mcp.MultiRoundTripOptions{Disabled: true}, // a server that wants more input gets none
	})
	begun, err := client.Connect(living, transport, nil)
	if err == nil && stop() {
		return &session{ClientSession: begun, end: end}, nil
	}
	end()
	if err == nil {
		_ = begun.Close()
		err = ctx.Err()
	}
	return nil, err
}

// drop forgets a session that is no longer of use.
func (s *server) drop(dead *session) {
	s.mu.Lock()
	if s.session == dead {
		s.session = nil
	}
	s.mu.Unlock()
	s.closing.Go(dead.close)
}

// close ends the session, if there is one. No other begins afterwards.
func (s *server) close() {
	s.mu.Lock()
	last := s.session
	s.session, s.closed = nil, true
	s.mu.Unlock()
	if last != nil {
		last.close()
	}
}

func (s *session) close() {
	_ = s.Close() // tells the server, which it may miss
	s.end()
	s.note.release()
}

// call calls a tool. A session that turns out to be dead is begun anew, and the call is repeated once if it has not reached
// the tool, or if the tool is repeatable.
func (s *server) call(ctx context.Context, t listed, input json.RawMessage) (turn.Output, error) {
	within, cancel := context.WithTimeout(ctx, s.CallTimeout)
	defer cancel()
	for again := false; ; again = true {
		result, fate := s.attempt(within, t, input)
		switch {
		case ctx.Err() != nil:
			return turn.Output{}, ctx.Err()
		case result != nil:
			return s.bounds.output(result), nil
		case !again && within.Err() == nil && fate.repeatable(t):
			continue
		}
		return s.bounds.failed(fate.text()), nil
	}
}

// attempt calls a tool once.
func (s *server) attempt(ctx context.Context, t listed, input json.RawMessage) (result *mcp.CallToolResult, f fate) {
	ctx, span := tracing.MCP(ctx, "tools/call", t.name, s.url)
	defer func() {
		if result != nil && result.IsError {
			span.FailTool()
		}
		span.Fail(f.reason)
		span.End()
	}()
	session, err := s.connected(ctx)
	if err != nil {
		return nil, fate{reason: err}
	}
	noting, note := s.noted(ctx)
	defer note.release()
	result, err = session.CallTool(noting, &mcp.CallToolParams{Name: t.name, Arguments: input})
	if err == nil {
		return result, fate{}
	}
	f = fateOf(ctx, note, err)
	if f.dead {
		s.drop(session)
	}
	return nil, f
}
