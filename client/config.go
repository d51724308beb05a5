package client

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The defaults of a [Client].
const (
	// DefaultBaseURL is the hosted service, the contract's first server.
	DefaultBaseURL = "https://openapi.qoder.sh/api/v1/cloud"
	// DefaultMaxRetries is how often a call is retried.
	DefaultMaxRetries = 2
	// DefaultMaxReconnects is how often in a row a stream reconnects without success, which takes about a minute.
	DefaultMaxReconnects = 10
	// DefaultTimeout bounds one attempt.
	DefaultTimeout = time.Minute
	// DefaultUserAgent is the User-Agent header.
	DefaultUserAgent = "cloud-sessions-go/1"
)

// config is what the options set. That of a Client never changes; a call changes a copy.
type config struct {
	token      string
	tokenSet   bool
	baseURL    string // ends in a slash
	http       *http.Client
	header     http.Header
	key        string
	retries    int
	reconnects int
	timeout    time.Duration
	middleware []Middleware
	userAgent  string
	clock      clock
}

// newConfig returns the defaults, except for the token and the base URL.
func newConfig() *config {
	return &config{
		http:       &http.Client{CheckRedirect: checkRedirect},
		retries:    DefaultMaxRetries,
		reconnects: DefaultMaxReconnects,
		timeout:    DefaultTimeout,
		userAgent:  DefaultUserAgent,
		clock:      systemClock(),
	}
}

// with returns c changed by opts. Even with an error the result has the secrets to remove from texts.
func (c *config) with(opts []Option) (*config, error) {
	if len(opts) == 0 {
		return c, nil
	}
	cfg := *c
	cfg.header = c.header.Clone()
	cfg.middleware = slices.Clone(c.middleware)
	var errs error
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt(&cfg); err != nil && errs == nil {
			errs = err
		}
	}
	return &cfg, errs
}

// fromEnvironment sets what the options have not set.
func (c *config) fromEnvironment(getenv func(string) string) error {
	if !c.tokenSet {
		if err := WithToken(getenv("QODER_PAT"))(c); err != nil {
			return fmt.Errorf("QODER_PAT: %w", err)
		}
	}
	if c.baseURL != "" {
		return nil
	}
	if env := getenv("QODER_BASE_URL"); env != "" {
		if err := WithBaseURL(env)(c); err != nil {
			return fmt.Errorf("QODER_BASE_URL: %w", err)
		}
		return nil
	}
	return WithBaseURL(DefaultBaseURL)(c)
}

// secretHeaders lists the headers that hold secrets.
func secretHeaders() []string {
	return []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"}
}

// authenticates reports whether requests have something that authenticates: a token, or a header in its place.
func (c *config) authenticates() bool {
	return c.token != "" || slices.ContainsFunc([]string{"Authorization", "X-Api-Key", "Cookie"}, func(name string) bool { return c.header.Get(name) != "" })
}

// secrets lists what must not appear in any text.
func (c *config) secrets() []string {
	var all []string
	if c.token != "" {
		all = append(all, c.token)
	}
	for _, name := range secretHeaders() {
		for _, value := range c.header.Values(name) {
			if _, credentials, ok := strings.Cut(value, " "); ok && credentials != "" {
				all = append(all, credentials)
			}
			if value != "" {
				all = append(all, value)
			}
		}
	}
	return all
}

// parseBaseURL validates raw and returns it with a slash at the end, for the generated code to resolve paths against. Its
// errors quote raw only where it cannot contain a secret.
func parseBaseURL(raw string) (string, error) {
	quoted := ""
	if !strings.ContainsAny(raw, "@?#") {
		quoted = fmt.Sprintf(" %q", raw)
	}
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return "", saying("base URL is empty")
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return "", saying("base URL%s is malformed: want http or https, a host and a path, such as %s",
			quoted, DefaultBaseURL)
	case u.User != nil:
		return "", saying("base URL must not contain a user name or password: use WithToken")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", saying("base URL must not contain a query or a fragment")
	}
	return strings.TrimRight(u.String(), "/") + "/", nil
}
