package client

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Option sets one thing, for a whole client when given to [New], for one call when given to a method.
// A malformed value is reported by New or by the call, as [ErrInvalidRequest].
type Option func(*config) error

// RoundTripFunc sends one request and returns its answer. It is an [http.RoundTripper] too, which makes
// a function the transport of an [http.Client].
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f RoundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Middleware wraps the sending of a request; see [WithMiddleware].
type Middleware func(next RoundTripFunc) RoundTripFunc

// WithToken sets the personal access token, sent as "Authorization: Bearer …". Space around it is cut
// off; an empty one means none.
func WithToken(token string) Option {
	return func(c *config) error {
		c.token, c.tokenSet = strings.TrimSpace(token), true
		if !printable(c.token) || strings.Contains(c.token, " ") {
			return errors.New("token must be printable ASCII without spaces")
		}
		return nil
	}
}

// WithBaseURL sets the address that the contract's paths are appended to, such as
// http://127.0.0.1:8080/api/v1/cloud. It must have the scheme http or https and a host, and neither user
// name, query nor fragment.
func WithBaseURL(baseURL string) Option {
	return func(c *config) (err error) {
		c.baseURL, err = parseBaseURL(baseURL)
		return err
	}
}

// WithHTTPClient sets the client that sends requests, for its Transport, Jar and Timeout. Its
// CheckRedirect is not used: only reads follow redirects, and only within one scheme and host. Prefer
// [WithTimeout] to its Timeout.
func WithHTTPClient(hc *http.Client) Option {
	return func(c *config) error {
		if hc == nil {
			return errors.New("WithHTTPClient: the client is nil")
		}
		own := *hc
		own.CheckRedirect = checkRedirect
		c.http = &own
		return nil
	}
}

// WithHeader sends a header with every request, in place of one of the same name. Authorization
// replaces the token; Idempotency-Key is the same as [WithIdempotencyKey].
func WithHeader(name, value string) Option {
	return func(c *config) error {
		name := http.CanonicalHeaderKey(name)
		if name == "Idempotency-Key" || name == "X-Idempotency-Key" {
			return WithIdempotencyKey(value)(c)
		}
		if c.header == nil {
			c.header = http.Header{}
		}
		if !headerName(name) {
			return fmt.Errorf("WithHeader: %q is no header name", name)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("WithHeader: the value of %s holds a control character", name)
		}
		c.header.Set(name, value)
		return nil
	}
}

// WithIdempotencyKey names one write, so that sending it again, from another process too, gets the
// first answer for 24 hours and does nothing twice. A key is 1 to 255 printable ASCII characters; used
// for another body it is an [ErrConflict]. Without this option a write gets a random key. It is for
// calls only and has no effect on reads.
func WithIdempotencyKey(key string) Option {
	return func(c *config) error {
		if len(key) == 0 || len(key) > 255 || !printable(key) {
			return errors.New("idempotency key must be 1 to 255 printable ASCII characters")
		}
		c.key = key
		return nil
	}
}

// WithMaxRetries sets how often a failed call is tried again, [DefaultMaxRetries] unless set; 0 turns
// retries off. It must not be negative.
func WithMaxRetries(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("WithMaxRetries: %d is negative", n)
		}
		c.retries = n
		return nil
	}
}

// WithMaxReconnects sets how often in a row a stream that was open connects again without success before it gives
// up, [DefaultMaxReconnects] unless set; 0 ends a stream with its first connection. A connection is a success when it
// brings an event or lasts 5 seconds. It must not be negative.
func WithMaxReconnects(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("WithMaxReconnects: %d is negative", n)
		}
		c.reconnects = n
		return nil
	}
}

// WithTimeout bounds one attempt, from connecting to the last byte of an answer that is read whole,
// [DefaultTimeout] unless set; 0 means no bound. Of a stream it bounds the time to its beginning and then each
// silence. It must not be negative. To bound a call with its retries, or a stream, use the context.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("WithTimeout: %v is negative", d)
		}
		c.timeout = d
		return nil
	}
}

// WithMiddleware adds functions around every attempt, the first one outermost, after those added
// before. A middleware sees the request as it will be sent, the token included, and may change it: each
// attempt has its own copy.
func WithMiddleware(middleware ...Middleware) Option {
	return func(c *config) error {
		if slices.ContainsFunc(middleware, func(m Middleware) bool { return m == nil }) {
			return errors.New("WithMiddleware: a middleware is nil")
		}
		c.middleware = append(c.middleware, middleware...)
		return nil
	}
}

// WithUserAgent sets the User-Agent header, [DefaultUserAgent] unless set.
func WithUserAgent(userAgent string) Option {
	return func(c *config) error {
		if userAgent == "" || !printable(userAgent) {
			return errors.New("WithUserAgent: want printable ASCII")
		}
		c.userAgent = userAgent
		return nil
	}
}

// printable reports whether s is printable ASCII only.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// headerName reports whether s is a token, RFC 9110 section 5.6.2.
func headerName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
