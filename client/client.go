package client

import (
	"errors"
	"os"
)

// Client gives access to the operations of the contract, one field for each of its tags. Make one with
// [New]. It may be used by several goroutines at once; it starts none of its own and needs no closing.
type Client struct {
	// Sessions holds the operations on sessions.
	Sessions *SessionService
	// Agents holds the operations on agents.
	Agents *AgentService
	// Environments holds the operations on environments.
	Environments *EnvironmentService
	// Models holds the operations on models.
	Models *ModelService

	// config is a pointer so that printing a Client prints no token.
	config *config
}

// New returns a client. Without options the token is the environment variable QODER_PAT, the base URL
// is QODER_BASE_URL or else [DefaultBaseURL], a call is tried three times and an attempt may take a
// minute. The environment is read here, once.
//
// A client without a token is allowed: its calls need [WithToken] and fail with [ErrAuthentication]
// without it. New itself fails, with [ErrInvalidRequest], when an option or a variable is malformed.
func New(opts ...Option) (*Client, error) {
	cfg, err := newConfig().with(opts)
	if err == nil {
		err = cfg.fromEnvironment(os.Getenv)
	}
	if err == nil && cfg.key != "" {
		err = errors.New("WithIdempotencyKey is for one call: a key shared by all calls would refuse the second")
	}
	if err != nil {
		return nil, cfg.finish("client.New", err)
	}
	c := &Client{config: cfg}
	c.Sessions = &SessionService{c: c, Events: &EventService{c}, Resources: &SessionResourceService{c}}
	c.Agents = &AgentService{c}
	c.Environments = &EnvironmentService{c}
	c.Models = &ModelService{c}
	return c, nil
}
