// Package egress sends the requests whose URL a caller chooses. They go only to hosts that the operator allows, and never
// to an address that the host's name should not have: the address is checked when a connection is made, after the name was
// resolved. The package imports only the standard library and the check of addresses.
package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"code.dny.dev/ssrf"
)

// The bounds of a response: its header, its body, and all of its body when it is a stream of events, in bytes.
const (
	MaxHeader = 64 << 10
	MaxBody   = 4 << 20
	maxStream = 16 << 20
)

// The bounds of a connection, in time. That of the header is generous: a tool may run before its response begins.
const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	headerTimeout    = 5 * time.Minute
)

// Client sends requests under its rules:
//
//   - They go to hosts of its Hosts. A host that only "*" allows must have a public address. A named host may also have a
//     private or loopback address. Link-local, multicast, reserved, documentation and translated (NAT64, 6to4) addresses
//     are never used.
//   - A request with the header Authorization goes over https, or to a named loopback host. See [Client.CheckSecret].
//   - Redirects are not followed: the response to a redirect is returned.
//   - No proxy is used, and no cookie is kept.
//   - A response has at most [MaxHeader] bytes of header, more are an [ErrHeaderTooLarge], and [MaxBody] bytes of body, a
//     stream of events 16 MiB. Reading beyond it is an [ErrTooLarge].
//
// A response's header must arrive within five minutes; otherwise only the request's context bounds the time. A request
// that breaks a rule is a [*Refused]. Client is also an http.RoundTripper. It is safe for concurrent use.
type Client struct {
	hosts     Hosts
	transport *http.Transport
	client    *http.Client
}

// New returns a client for the hosts.
func New(hosts Hosts) *Client {
	c := &Client{hosts: hosts}
	c.transport = &http.Transport{
		DialContext:            c.dial,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: MaxHeader,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true, // a stream of events must not wait for a block
	}
	c.client = &http.Client{Transport: c, CheckRedirect: NoRedirects}
	return c
}

// NoRedirects is the CheckRedirect of an http.Client that follows none.
func NoRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes the idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Refused is a request that breaks a rule.
type Refused struct{ reason string }

// Error returns the reason, a sentence for callers.
func (e *Refused) Error() string { return e.reason }

func refused(format string, args ...any) *Refused { return &Refused{fmt.Sprintf(format, args...)} }

// ErrTooLarge is a response whose body is larger than allowed.
var ErrTooLarge = errors.New("the response is larger than allowed")

// ErrHeaderTooLarge is a response whose header is larger than allowed.
var ErrHeaderTooLarge = errors.New("the header of the response is larger than allowed")

// isHeaderTooLarge recognises that error of http.Transport, which has a text only: of HTTP/1 and of HTTP/2.
func isHeaderTooLarge(err error) bool {
	return strings.Contains(err.Error(), "response headers exceeded") || strings.Contains(err.Error(), "response header list larger")
}

// Check returns a *Refused if no request may go to a URL, as far as that can be told without resolving its host.
func (c *Client) Check(u *url.URL) error {
	if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return refused("A URL must have the scheme https or http, and a host.")
	}
	if c.hosts.access(u.Hostname(), port(u)) == none {
		return refused("This server does not allow requests to the host '%s'; its operator can.", u.Host)
	}
	return nil
}

// CheckSecret is Check for a request with a secret, which must go over https. A loopback host that the operator names is
// excepted, since nobody sees what is sent to it.
func (c *Client) CheckSecret(u *url.URL) error {
	if err := c.Check(u); err != nil {
		return err
	}
	if u.Scheme == "https" || isLoopback(u.Hostname()) && c.hosts.access(u.Hostname(), port(u)) == named {
		return nil
	}
	return refused("A credential is sent over https only; use an https URL.")
}

// Named reports whether the operator names a URL's host, rather than allowing it with every public one.
func (c *Client) Named(u *url.URL) bool { return c.hosts.access(u.Hostname(), port(u)) == named }

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// port returns a URL's port, the default one when it has none.
func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// Do sends a request and returns the response, whose body the caller closes. The response of a redirect is returned.
func (c *Client) Do(r *http.Request) (*http.Response, error) { return c.client.Do(r) }

// Confidential sends requests that have a secret anywhere, such as in the body: [Client.CheckSecret] checks each of them.
type Confidential struct{ *Client }

// Do is [Client.Do].
func (c Confidential) Do(r *http.Request) (*http.Response, error) {
	if err := c.CheckSecret(r.URL); err != nil {
		return nil, err
	}
	return c.Client.Do(r)
}

// RoundTrip implements http.RoundTripper.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	check := c.Check
	if r.Header.Get("Authorization") != "" {
		check = c.CheckSecret
	}
	if err := check(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	resp, err := c.transport.RoundTrip(r)
	if err != nil && isHeaderTooLarge(err) {
		return nil, fmt.Errorf("%w: %w", ErrHeaderTooLarge, err)
	}
	if err != nil {
		return nil, err
	}
	limit := int64(MaxBody)
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/event-stream" {
		limit = maxStream
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: limit}
	return resp, nil
}

// The checks of the addresses of hosts: any public one, and for named hosts also private ones.
var (
	publicOnly = ssrf.New(ssrf.WithAnyPort())
	orPrivate  = ssrf.New(ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(prefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")...),
		ssrf.WithAllowedV6Prefixes(prefixes("::1/128", "fc00::/7")...))
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// dial connects to a host, at an address that the host may have.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	switch c.hosts.access(name, port) {
	case named:
		dialer.Control = orPrivate.Safe
	case public:
		dialer.Control = publicOnly.Safe
	default:
		return nil, refused("This server does not allow requests to the host '%s'; its operator can.", address)
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if errors.Is(err, ssrf.ErrProhibitedIP) {
		return nil, refused("The host '%s' has an address that requests may not go to; a private one is allowed by the operator.", name)
	}
	return conn, err
}

// bounded is a body that fails when it is larger than allowed.
type bounded struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		var more [1]byte
		if n, err := io.ReadFull(b.ReadCloser, more[:]); n == 0 {
			return 0, err
		}
		return 0, ErrTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
