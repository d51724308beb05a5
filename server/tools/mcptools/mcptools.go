// Package mcptools gives an agent the tools of its MCP servers. Servers are asked at a turn, through the guarded client of
// package egress, and authorised with the credentials of the session's vaults. Whatever a server does, it costs the turn a
// problem, which its callers read, or the result of a call.
package mcptools

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/egress"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// Credentials authorises requests to MCP servers.
type Credentials interface {
	// Bearer returns the token for the MCP server at a URL, from the first of an account's vaults that has one; "" when none
	// has. refused is a token that the server has refused, "" for none: then it is another one. The text of an error is for
	// callers. It is safe for concurrent use.
	Bearer(ctx context.Context, account string, vaultIDs []string, serverURL, refused string) (token string, err error)
}

// Options configure a Source. Fields without a default are required.
type Options struct {
	Contract *contract.Contract
	Egress   *egress.Client
	// Credentials authorises requests; nil authorises none.
	Credentials Credentials
	// ListTimeout is how long a server may take to be connected and to list its tools, 15 seconds by default; CallTimeout
	// how long a call of a tool may take, 2 minutes by default.
	ListTimeout, CallTimeout time.Duration
	// OpenTimeout is how long all servers of a turn together may take until their tools are known, 20 seconds by default.
	OpenTimeout time.Duration
	// Remember is how long the list of a server's tools is used again for the same account and credential, a minute by
	// default.
	Remember time.Duration
	// Budget bounds the memory of what servers send, by account; nil, the default, does not.
	Budget *budget.Budget
	Now    func() time.Time
}

// Source opens the toolboxes of turns. It is safe for concurrent use.
type Source struct {
	Options
	bounds  bounds
	lists   *cache.Cache[listKey, list]
	closing sync.WaitGroup // sessions of MCP servers that end
}

// The bounds of what a Source remembers, in bytes of tools, and of the servers that a turn asks at a time,
// each with a connection or two: as many as an agent may have.
const (
	maxRemembered = 64 << 20
	atATime       = 20
)

// New returns a source.
func New(o Options) *Source {
	o.ListTimeout = cmp.Or(o.ListTimeout, 15*time.Second)
	o.OpenTimeout = cmp.Or(o.OpenTimeout, 20*time.Second)
	o.CallTimeout = cmp.Or(o.CallTimeout, 2*time.Minute)
	o.Remember = cmp.Or(o.Remember, time.Minute)
	return &Source{Options: o, bounds: newBounds(o.Contract), lists: cache.New[listKey, list](maxRemembered)}
}

// Close waits until the sessions of closed toolboxes have ended, which takes some seconds at most. Call it once, when no
// turn runs.
func (s *Source) Close() { s.closing.Wait() }

// Open implements dispatch.ToolSource: it returns the tools of the MCP servers that the session's agent may use. It asks
// the servers at the same time, and returns soon after OpenTimeout, or after ctx ends.
func (s *Source) Open(ctx context.Context, account string, session store.Session) (turn.Toolbox, error) {
	sets, err := toolsets(session.Agent)
	if err != nil {
		return turn.Toolbox{}, err
	}
	servers := make([]*server, len(sets))
	lists := make([]list, len(sets))
	failures := make([]error, len(sets))
	ctx, cancel := context.WithTimeout(ctx, s.OpenTimeout)
	defer cancel()
	var asked sync.WaitGroup
	room := make(chan struct{}, atATime)
	for i, set := range sets {
		servers[i] = s.newServer(account, session.VaultIDs, set)
		asked.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			lists[i], failures[i] = servers[i].list(ctx)
		})
	}
	asked.Wait()
	box := turn.Toolbox{Close: func() { s.close(servers) }}
	for i, set := range sets {
		if failures[i] != nil {
			box.Problems = append(box.Problems, problem(set.name, failures[i]))
			continue
		}
		tools, problems := servers[i].offered(lists[i])
		box.Tools = append(box.Tools, tools...)
		box.Problems = append(box.Problems, problems...)
	}
	return box, nil
}

// close ends the sessions of servers, in the background: a server may take seconds to respond.
func (s *Source) close(servers []*server) {
	for _, server := range servers {
		s.closing.Go(server.close)
	}
}
