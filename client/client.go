package client

import "os"

// New returns a client. Without options the token is the environment variable QODER_PAT, the base URL is QODER_BASE_URL or
// else [DefaultBaseURL], a call is attempted three times and an attempt may take a minute. New reads the environment once.
//
// A client may have no token: then its calls need [WithToken] and otherwise fail with [ErrAuthentication]. New fails with
// [ErrInvalidRequest] when an option or a variable is invalid.
func New(opts ...Option) (*Client, error) {
	cfg, err := newConfig().with(opts)
	if err == nil {
		err = cfg.fromEnvironment(os.Getenv)
	}
	if err == nil && cfg.key != "" {
		err = saying("WithIdempotencyKey is for one call: a key shared by all calls would refuse the second")
	}
	if err != nil {
		return nil, cfg.finish("client.New", err)
	}
	return newClient(cfg), nil
}
