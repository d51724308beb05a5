package sdktest_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/lib/environments"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/cloud-sessions/sessions/client"
)

// workplace is a self-hosted environment, a key for its workers, and an agent with the built-in tools.
type workplace struct {
	client                  *client.Client
	environment, key, agent string
}

func newWorkplace(t testing.TB, c *client.Client) workplace {
	t.Helper()
	environment, err := c.Environments.Create(t.Context(), &client.CreateEnvironmentRequest{
		Name: "own", Config: client.NewEnvironmentConfig(client.SelfHostedConfig{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.Environments.Keys.Create(t.Context(), environment.ID, &client.CreateEnvironmentKeyRequest{Name: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	agent, err := c.Agents.Create(t.Context(), &client.CreateAgentRequest{
		Name: "coder", Model: "ultimate", Tools: []client.AgentTool{client.NewAgentTool(client.BuiltinToolset{})},
	})
	if err != nil {
		t.Fatal(err)
	}
	return workplace{c, environment.ID, *key.Key, agent.ID}
}

// session creates a session in the environment and returns its id.
func (w workplace) session(t testing.TB) string {
	t.Helper()
	session, err := w.client.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: w.agent}, EnvironmentID: w.environment})
	if err != nil {
		t.Fatal(err)
	}
	return session.ID
}

// work runs the official worker at a server until stop is called. It leaves a session that has been idle for a time.
func (w workplace) work(t testing.TB, url string, idle time.Duration, change ...func(*environments.EnvironmentWorkerOptions)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	options := environments.EnvironmentWorkerOptions{
		EnvironmentID: w.environment, EnvironmentKey: w.key, MaxIdle: &idle, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, c := range change {
		c(&options)
	}
	worker := environments.NewEnvironmentWorker(anthropic.NewClient(option.WithBaseURL(url), option.WithAPIKey("unused")), options)
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the worker: %v", err)
		}
	}
}
