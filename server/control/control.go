// Package control lets tests in any language do with a demo server what package servertest does in Go: make the agent follow a
// script, make requests fail, and read the requests that arrived. Each test creates an account of its own, so that tests that
// run at the same time do not meet. The table in routes.go is the interface; decision "Control of a demo" says who may use it.
package control

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/turn"
)

// Account is an account of a test, and what new sessions need of it.
type Account struct {
	// ID is the name of the account, as in the server's log.
	ID string `json:"account"`
	// Token authorizes the requests of the program under test, and those of the test to the routes of its stage.
	Token string `json:"token"`
	// ExpiresAt is when Token becomes invalid.
	ExpiresAt time.Time `json:"expires_at"`
	// AgentID, EnvironmentID and MemoryStoreID identify the records that the account has from the start.
	AgentID       string `json:"agent_id"`
	EnvironmentID string `json:"environment_id"`
	MemoryStoreID string `json:"memory_store_id"`

	// TokenID names the token, to revoke it.
	TokenID string `json:"-"`
}

// Accounts create the accounts of tests, and end them.
type Accounts interface {
	// OpenAccount creates an account with the agent, the environment and the memory store of the demo's, and a token until
	// that time.
	OpenAccount(ctx context.Context, until time.Time) (Account, error)
	// CloseAccount revokes the token of an account.
	CloseAccount(ctx context.Context, a Account) error
}

// Options configure a Control. All of them are required.
type Options struct {
	// Auth finds the account of a request's token.
	Auth *auth.Authenticator
	// Accounts create and end the accounts of tests.
	Accounts Accounts
	// Demo is the demo's account, whose token creates the others.
	Demo string
	// Base is what the stages of all accounts begin with.
	Base Base
	// Secrets are the names of the properties of bodies that are secrets, as Contract.SecretsByOperation returns them.
	Secrets map[string][]string
	// Now returns the time that tokens expire by.
	Now func() time.Time
}

// The bounds of the accounts of tests.
const (
	maxAccounts = 200
	// accountLife is how long the token of an account is valid.
	accountLife = 24 * time.Hour
	// maxRecorded is how many bytes the recorded requests of an account occupy.
	maxRecorded = 1 << 20
)

// Control has a stage for the demo's account and for each account that a test has created. It is safe for concurrent use.
type Control struct {
	opts Options

	mu      sync.RWMutex
	stages  map[string]*Stage
	created map[string]Account
	opening int // accounts that are being created
}

// New returns a Control with a stage for the demo's account.
func New(o Options) *Control {
	return &Control{
		opts: o, stages: map[string]*Stage{o.Demo: NewStage(o.Base, maxRecorded)}, created: map[string]Account{},
	}
}

// stage returns the stage of an account; nil for an account that no test has created.
func (c *Control) stage(account string) *Stage {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.stages[account]
}

// StageOf returns the stage of a request's account, whichever of its tokens the request has; nil for any other request.
func (c *Control) StageOf(r *http.Request) *Stage {
	if r.Header.Get("Authorization") == "" || IsPath(r.URL.Path) {
		return nil
	}
	principal, err := c.opts.Auth.Authenticate(r.Context(), r.Header)
	if err != nil {
		return nil
	}
	return c.stage(principal.Account)
}

// Fault returns what happens to a request for an operation.
func (c *Control) Fault(r *http.Request, operation string) faults.Fault {
	if s := c.StageOf(r); s != nil {
		return s.Next(operation)
	}
	return c.opts.Base.Faults.Next(operation)
}

// Run implements turn.Runner: it passes a turn to the stage of its account.
func (c *Control) Run(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
	if s := c.stage(in.Account); s != nil {
		return s.Run(ctx, in, out)
	}
	return c.opts.Base.Runner.Run(ctx, in, out)
}

// open creates an account and its stage.
func (c *Control) open(ctx context.Context) (Account, error) {
	if err := c.reserve(); err != nil {
		return Account{}, err
	}
	a, err := c.opts.Accounts.OpenAccount(ctx, c.opts.Now().Add(accountLife))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opening--
	if err == nil {
		c.created[a.ID], c.stages[a.ID] = a, NewStage(c.opts.Base, maxRecorded)
	}
	return a, err
}

// reserve makes room for an account: those whose tokens have expired are forgotten.
func (c *Control) reserve() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, a := range c.created {
		if !c.opts.Now().Before(a.ExpiresAt) {
			delete(c.created, id)
			delete(c.stages, id)
		}
	}
	if len(c.created)+c.opening >= maxAccounts {
		return conflict("There are %d accounts of tests, the most there can be; end those that are not needed with DELETE /control/account.", maxAccounts)
	}
	c.opening++
	return nil
}

// close ends an account that a test has created.
func (c *Control) close(ctx context.Context, account string) error {
	c.mu.Lock()
	a, ok := c.created[account]
	delete(c.created, account)
	if ok {
		delete(c.stages, account)
	}
	c.mu.Unlock()
	if !ok {
		return conflict("The demo's own account stays; end an account that POST /control/accounts has created, with its token.")
	}
	return c.opts.Accounts.CloseAccount(ctx, a)
}

// recorded returns the requests of a stage as callers see them.
func (c *Control) recorded(s *Stage, operations []string) []recordedRequest {
	list := []recordedRequest{}
	for _, r := range s.Requests(operations...) {
		list = append(list, shown(r, c.opts.Secrets[r.Operation]))
	}
	return list
}
