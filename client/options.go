package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Option sets one thing: for a client when passed to [New], for one call when passed to a method. New or the call reports
// an invalid value as [ErrInvalidRequest].
type Option func(*config) error

// RoundTripFunc sends one request and returns the response. It is an [http.RoundTripper], so that a function can be the
// transport of an [http.Client].
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f RoundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Middleware wraps the sending of a request; see [WithMiddleware].
type Middleware func(next RoundTripFunc) RoundTripFunc

// WithToken sets the personal access token, sent as "Authorization: Bearer …". Surrounding space is removed; an empty
// token means none.
func WithToken(token string) Option {
	return func(c *config) error {
		c.token, c.tokenSet = strings.TrimSpace(token), true
		if !printable(c.token) || strings.Contains(c.token, " ") {
			return saying("token must be printable ASCII without spaces")
		}
		return nil
	}
}

// WithBaseURL sets the URL that the contract's paths are appended to, such as http://127.0.0.1:8080/api/v1/cloud. It must
// have the scheme http or https and a host, and no user name, query or fragment.
func WithBaseURL(baseURL string) Option {
	return func(c *config) (err error) {
		c.baseURL, err = parseBaseURL(baseURL)
		return err
	}
}

// WithHTTPClient sets the client that sends requests; its Transport, Jar and Timeout are used. Its CheckRedirect is not:
// only reads follow redirects, and only within one scheme and host. Prefer [WithTimeout] to its Timeout. For a server with a
// certificate of a private authority, its Transport is an [http.Transport] whose TLSClientConfig has that authority in
// RootCAs.
func WithHTTPClient(hc *http.Client) Option {
	return func(c *config) error {
		if hc == nil {
			return saying("WithHTTPClient: the client is nil")
		}
		own := *hc
		own.CheckRedirect = checkRedirect
		c.http = &own
		return nil
	}
}

// WithHeader sends a header with every request, instead of another one of the same name. Authorization replaces the
// token; with X-Api-Key or Cookie there need not be one. Idempotency-Key is the same as [WithIdempotencyKey].
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
			return saying("WithHeader: %q is not a header name", name)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return saying("WithHeader: the value of %s contains a control character", name)
		}
		c.header.Set(name, value)
		return nil
	}
}

// idempotencyKey matches the keys that the contract allows.
var idempotencyKey = regexp.MustCompile(idempotencyKeyPattern)

// WithIdempotencyKey names one write: for 24 hours after its success a repeat of it, even from another process, gets the
// first response and does nothing twice. A key of a write that succeeded is an [ErrConflict] for a different request.
// Without this option a write gets a random key. It is for calls only and has no effect on reads.
func WithIdempotencyKey(key string) Option {
	return func(c *config) error {
		if !idempotencyKey.MatchString(key) {
			return saying("idempotency key " + idempotencyKeyRule)
		}
		c.key = key
		return nil
	}
}

// WithMaxRetries sets how often a failed call is retried, [DefaultMaxRetries] by default; 0 turns retries off. It must not
// be negative.
func WithMaxRetries(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return saying(fmt.Sprintf("WithMaxRetries: %d is negative", n))
		}
		c.retries = n
		return nil
	}
}

// WithMaxReconnects sets how often in a row a stream reconnects without success before it fails, [DefaultMaxReconnects] by
// default; 0 ends a stream with its first connection. A connection is a success when it brings an event or lasts 5
// seconds. It must not be negative.
func WithMaxReconnects(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return saying(fmt.Sprintf("WithMaxReconnects: %d is negative", n))
		}
		c.reconnects = n
		return nil
	}
}

// WithTimeout bounds one attempt, from connecting to the last byte of the response, [DefaultTimeout] by default; 0 means
// no bound. For a stream it bounds the time until the response begins and then each silence. It must not be negative. To
// bound a call with its retries, or a stream, use the context.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return saying(fmt.Sprintf("WithTimeout: %v is negative", d))
		}
		c.timeout = d
		return nil
	}
}

// WithMiddleware adds functions around every attempt, the first one outermost, inside those added before. A middleware
// sees the request as it is sent, including the token, and may change it: each attempt has its own copy.
func WithMiddleware(middleware ...Middleware) Option {
	return func(c *config) error {
		if slices.ContainsFunc(middleware, func(m Middleware) bool { return m == nil }) {
			return saying("WithMiddleware: a middleware is nil")
		}
		c.middleware = append(c.middleware, middleware...)
		return nil
	}
}

// WithPropagation calls propagate with the context of the call and the headers of every attempt, to which it may add those that
// name the caller's trace: of OpenTelemetry,
//
//	client.WithPropagation(func(ctx context.Context, header http.Header) {
//		otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(header))
//	})
//
// The package otelclient does this, and gives each attempt a span.
func WithPropagation(propagate func(ctx context.Context, header http.Header)) Option {
	return func(c *config) error {
		if propagate == nil {
			return errors.New("WithPropagation: the function is nil")
		}
		return WithMiddleware(func(next RoundTripFunc) RoundTripFunc {
			return func(req *http.Request) (*http.Response, error) {
				propagate(req.Context(), req.Header)
				return next(req)
			}
		})(c)
	}
}

// WithUserAgent sets the User-Agent header, [DefaultUserAgent] by default.
func WithUserAgent(userAgent string) Option {
	return func(c *config) error {
		if userAgent == "" || !printable(userAgent) {
			return saying("WithUserAgent: want printable ASCII")
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
