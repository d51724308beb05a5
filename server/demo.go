package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
)

// The demo account has the agent and the environment of the documentation page's curl command.
const (
	DemoAccount     = "demo"
	DemoAgent       = "agent_019e390add9f7bac9b6cc806db46fcbd"
	DemoEnvironment = "env_019e2590d33f711fabf42f2857cecd8a"
)

// demoTokenLifetime is how long a token lasts that is created at the start of a demo.
const demoTokenLifetime = 30 * 24 * time.Hour

// Demo is how to use a demo server.
type Demo struct {
	// Token is the demo account's token.
	Token string
	// Expires is when the token expires; nil for a token from the configuration, which does not.
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

// seedDemo creates the demo account's agent and environment, unless they exist, and its token: the given one, or a new one
// at each start.
func seedDemo(ctx context.Context, db store.Store, token string, now func() time.Time) (*Demo, error) {
	demo := &Demo{Token: token}
	if token == "" {
		demo.Token = auth.Mint()
		demo.Expires = new(now().Add(demoTokenLifetime))
	}
	if !auth.WellFormed(demo.Token) {
		return nil, fmt.Errorf("the demo token must start with %q and hold letters, digits and -._~+/= only", auth.Prefix)
	}
	err := db.Atomically(ctx, func(ctx context.Context) error {
		_, err := db.SeedAgent(ctx, DemoAccount, demoAgent())
		if err != nil {
			return err
		}
		if _, err := db.SeedEnvironment(ctx, DemoAccount, demoEnvironment()); err != nil {
			return err
		}
		_, err = db.CreateToken(ctx, store.NewToken{Account: DemoAccount, Name: "demo", Hash: auth.Hash(demo.Token), ExpiresAt: demo.Expires})
		if errors.Is(err, store.ErrExists) {
			return nil // it was given at an earlier start already
		}
		return err
	})
	return demo, err
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
