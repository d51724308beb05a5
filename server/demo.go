package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/control"
	"github.com/cloud-sessions/sessions/server/store"
)

// The demo account has the agent and the environment of the documentation page's curl command, and the memory store of the
// contract's example.
const (
	DemoAccount     = "demo"
	DemoAgent       = "agent_019e390add9f7bac9b6cc806db46fcbd"
	DemoEnvironment = "env_019e2590d33f711fabf42f2857cecd8a"
	DemoMemoryStore = "memstore_019e3b0fa5cb7e0a8a40d2f7c9b1e36d"
)

const (
	// demoTokenLifetime is how long the demo's token is valid after a start.
	demoTokenLifetime = 30 * 24 * time.Hour
	// demoTokenName is the name of the tokens that demos create; a token that somebody else created keeps its expiry.
	demoTokenName = "demo"
	// guessable is how long a token of a demo must be, in characters, when others than this machine can try to guess it.
	guessable = 24
)

// Demo is how to use a demo server.
type Demo struct {
	// Token is the demo account's token.
	Token string
	// Expires is when the token expires: 30 days after the start. It is nil for a token that was created for the demo account
	// without an expiry.
	Expires *time.Time
}

// Curl returns the documentation page's curl command for a server at baseURL, ready to paste into a shell.
func (d *Demo) Curl(baseURL string) string {
	return fmt.Sprintf(`curl -X POST "%s/api/v1/cloud/sessions" \
  -H "Authorization: Bearer %s" \
  -H "Content-Type: application/json" \
  -d '{
    "agent": "%s",
    "environment_id": "%s",
    "title": "我的会话",
    "metadata": {"purpose": "customer-support"}
  }'`, baseURL, d.Token, DemoAgent, DemoEnvironment)
}

// CheckDemoToken returns an error for a token that a demo cannot use on an address: one that is malformed, and on an
// address beyond loopback one that can be guessed. An empty token, for a new one, is fine.
func CheckDemoToken(addr, token string) error {
	switch {
	case token == "":
		return nil
	case !auth.WellFormed(token):
		return fmt.Errorf("the demo token must start with %q and hold letters, digits and -._~+/= only", auth.Prefix)
	case len(token) < guessable && !loopback(addr):
		return fmt.Errorf("the demo token has %d characters; on %s, where other machines can guess it, it must have at least %d: "+
			"choose a longer one, leave it out for a new one, or listen on 127.0.0.1", len(token), addr, guessable)
	}
	return nil
}

// loopback reports whether only this machine reaches an address, host:port.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	return control.Loopback(host)
}

// seedDemo creates the demo account's agent, environment and memory store, unless they exist, and its token: the given one, or a new one
// at each start. A start extends a given token's life.
func seedDemo(ctx context.Context, db store.Store, token string, now func() time.Time) (*Demo, error) {
	demo := &Demo{Token: cmp.Or(token, auth.Mint())}
	err := db.Atomically(ctx, func(ctx context.Context) error {
		if err := seedAccount(ctx, db, DemoAccount); err != nil {
			return err
		}
		admitted, err := admitDemo(ctx, db, auth.Hash(demo.Token), now())
		demo.Expires = admitted.ExpiresAt
		return err
	})
	return demo, err
}

// seedAccount creates the demo's agent, environment and memory store in an account, unless they exist.
func seedAccount(ctx context.Context, db store.Store, account string) error {
	if _, err := db.SeedAgent(ctx, account, demoAgent()); err != nil {
		return err
	}
	if _, err := db.SeedEnvironment(ctx, account, demoEnvironment()); err != nil {
		return err
	}
	_, err := db.SeedMemoryStore(ctx, account, demoMemoryStore())
	return err
}

// admitDemo makes the token with that hash valid for the demo account, or returns an error when it cannot be.
func admitDemo(ctx context.Context, db store.Store, hash string, now time.Time) (store.Token, error) {
	expires := now.Add(demoTokenLifetime)
	created, err := db.CreateToken(ctx, store.NewToken{Account: DemoAccount, Name: demoTokenName, Hash: hash, ExpiresAt: &expires})
	if !errors.Is(err, store.ErrExists) {
		return created, err
	}
	known, err := db.TokenByHash(ctx, hash)
	switch {
	case err != nil:
		return store.Token{}, err
	case known.Account != DemoAccount:
		return store.Token{}, fmt.Errorf("the demo token belongs to the account %q; choose another one, or leave it out for a new one", known.Account)
	case known.RevokedAt != nil:
		return store.Token{}, errors.New("the demo token was revoked; choose another one, or leave it out for a new one")
	case known.Name == demoTokenName:
		return db.ExtendToken(ctx, known.ID, expires)
	case known.ExpiresAt != nil && !now.Before(*known.ExpiresAt):
		return store.Token{}, errors.New("the demo token has expired; choose another one, or leave it out for a new one")
	}
	return known, nil
}

// demoAgent is the agent of the documentation page's response, field for field.
func demoAgent() store.Agent {
	return store.Agent{
		ID:      DemoAgent,
		Version: 2,
		AgentSpec: store.AgentSpec{
			Name:        "test-agent-e2e",
			Description: "E2E 测试用 Agent",
			Model:       "ultimate",
			System:      "你是一个测试助手",
			Tools:       json.RawMessage("[]"),
			MCPServers:  json.RawMessage("[]"),
			Skills:      json.RawMessage("[]"),
		},
		CreatedAt: time.Date(2026, 5, 18, 3, 4, 33, 952256000, time.UTC),
		UpdatedAt: time.Date(2026, 5, 18, 3, 5, 28, 23697000, time.UTC),
	}
}

func demoEnvironment() store.Environment {
	created := time.Date(2026, 5, 14, 8, 20, 11, 327541000, time.UTC)
	return store.Environment{
		ID: DemoEnvironment,
		EnvironmentSpec: store.EnvironmentSpec{
			Name:   "default",
			Config: json.RawMessage(`{"type":"cloud","networking":{"type":"unrestricted"}}`),
		},
		CreatedAt: created,
		UpdatedAt: created,
	}
}

// demoMemoryStore is the memory store of the contract's example, without memories.
func demoMemoryStore() store.MemoryStore {
	created := time.Date(2026, 5, 18, 3, 1, 12, 106371000, time.UTC)
	return store.MemoryStore{
		ID: DemoMemoryStore,
		MemoryStoreSpec: store.MemoryStoreSpec{
			Name:        "User notes",
			Description: "What users have told us about themselves",
			Metadata:    map[string]string{"team": "support"},
		},
		CreatedAt: created,
		UpdatedAt: created,
	}
}
