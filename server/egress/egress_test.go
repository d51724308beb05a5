package egress

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func hosts(t *testing.T, patterns ...string) Hosts {
	t.Helper()
	h, err := ParseHosts(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// client returns a client for the hosts.
func client(t *testing.T, patterns ...string) *Client {
	t.Helper()
	c := New(hosts(t, patterns...))
	t.Cleanup(c.Close)
	return c
}

// serve starts a server on loopback.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		patterns   string
		name, port string
		want       access
	}{
		{"", "mcp.example", "443", none},
		{"*", "mcp.example", "443", public},
		{"*", "127.0.0.1", "80", public}, // its address is refused when it is dialled
		{"mcp.example", "mcp.example", "443", named},
		{"mcp.example", "MCP.Example", "8443", named},
		{"mcp.example", "a.mcp.example", "443", none},
		{"mcp.example", "xmcp.example", "443", none},
		{"*.example", "mcp.example", "443", named},
		{"*.example", "a.mcp.example", "443", named},
		{"*.example", "example", "443", none},
		{"*.example", "notexample", "443", none},
		{"mcp.example:8443", "mcp.example", "8443", named},
		{"mcp.example:8443", "mcp.example", "443", none},
		{"*,mcp.example:8443", "mcp.example", "443", public},
		{"127.0.0.1:8080", "127.0.0.1", "8080", named},
		{"127.0.0.1:8080", "127.0.0.1", "8081", none},
		{"127.0.0.1", "::ffff:127.0.0.1", "80", named},
		{"::1", "::1", "80", named},
		{"[::1]:80", "0:0:0:0:0:0:0:1", "80", named},
		{"[::1]:80", "::1", "81", none},
		{"*.example", "mcp.example.evil", "443", none},
	} {
		if got := hosts(t, strings.FieldsFunc(c.patterns, func(r rune) bool { return r == ',' })...).access(c.name, c.port); got != c.want {
			t.Errorf("%q for %s port %s: want %d, got %d", c.patterns, c.name, c.port, c.want, got)
		}
	}
	for _, wrong := range []string{"", "*.", "**", "a*", "*.*", "a b", "https://a.example", "a.example/", "a.example:", "a.example:0", "a.example:65536", "a.example:+1", "[a.example]", ".a", "a.", "u@a.example", "::1:80:x", "*.:80"} {
		if h, err := ParseHosts([]string{wrong}); err == nil {
			t.Errorf("%q is taken as %v", wrong, h)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]access{
		"8.8.8.8": public, "2606:4700::1111": public,
		"127.0.0.1": named, "127.9.9.9": named, "::1": named, "10.1.2.3": named, "172.16.0.1": named, "172.31.255.255": named, "192.168.1.1": named,
		"100.64.0.1": named, "fd00::1": named,
		"172.32.0.1": public, "100.128.0.1": public,
		"169.254.169.254": none, "fe80::1": none, "0.0.0.0": none, "::": none, "224.0.0.1": none, "ff02::1": none, "255.255.255.255": none,
		"240.0.0.1": none, "192.0.2.1": none, "198.18.0.1": none, "::ffff:10.0.0.1": none, "::ffff:8.8.8.8": none,
		"64:ff9b::a00:1": none, "64:ff9b:1::1": none, "2002:a00:1::1": none, "2001::1": none, "2001:db8::1": none, "fec0::1": none,
	} {
		got := none
		switch addr := netip.MustParseAddr(address); {
		case publicOnly.SafeAddr(addr) == nil:
			got = public
		case orPrivate.SafeAddr(addr) == nil:
			got = named
		}
		if got != want {
			t.Errorf("%s: want %d, got %d", address, want, got)
		}
	}
}

func TestRequestsGoWhereTheOperatorAllows(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { asked <- r.Host })
	address := server.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	for _, c := range []struct{ patterns, host, refusal string }{
		{address, address, ""},
		{"127.0.0.1", address, ""},
		{"localhost", "localhost:" + port, ""},
		{"", address, "does not allow requests to the host"},
		{"127.0.0.1:1", address, "does not allow requests to the host"},
		{"*", address, "has an address that requests may not go to"},
		// The name is resolved, and the address is what counts.
		{"*", "localhost:" + port, "has an address that requests may not go to"},
		{"*", "[::ffff:127.0.0.1]:" + port, "has an address that requests may not go to"},
		{"0.0.0.0", "0.0.0.0:" + port, "has an address that requests may not go to"},
	} {
		resp, err := client(t, strings.Fields(c.patterns)...).Do(get(t, "http://"+c.host))
		var refusal *Refused
		switch {
		case c.refusal == "" && err != nil:
			t.Errorf("%q, %s: %v", c.patterns, c.host, err)
		case c.refusal == "":
			_ = resp.Body.Close()
			<-asked
		case !errors.As(err, &refusal) || !strings.Contains(refusal.Error(), c.refusal):
			t.Errorf("%q, %s: want a refusal, got %v", c.patterns, c.host, err)
		}
	}
	if len(asked) != 0 {
		t.Errorf("%s was asked", <-asked)
	}
}

func get(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Not even the dialer trusts that a request was checked, since a transport may be asked for another host.
func TestTheDialerRefusesHosts(t *testing.T) {
	t.Parallel()
	var refusal *Refused
	if _, err := client(t, "a.example").dial(t.Context(), "tcp", "127.0.0.1:1"); !errors.As(err, &refusal) {
		t.Errorf("want a refusal, got %v", err)
	}
	if _, err := client(t).dial(t.Context(), "tcp", "127.0.0.1"); err == nil {
		t.Error("an address without a port is dialled")
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	asked := 0
	target := serve(t, func(http.ResponseWriter, *http.Request) { asked++ })
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	})
	c := client(t, "127.0.0.1")
	for range 2 {
		r := get(t, server.URL)
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusTemporaryRedirect || asked != 0 {
			t.Errorf("status %d, and the target was asked %d times", resp.StatusCode, asked)
		}
		if cookie := r.Header.Get("Cookie"); cookie != "" {
			t.Errorf("the cookie %s was sent", cookie)
		}
	}
}

func TestSecretsGoOverHTTPS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		patterns, url string
		allowed       bool
	}{
		{"*", "https://mcp.example/", true},
		{"mcp.example", "https://mcp.example/", true},
		{"*", "http://mcp.example/", false},
		{"mcp.example", "http://mcp.example/", false},
		{"10.0.0.1", "http://10.0.0.1/", false},
		{"127.0.0.1", "http://127.0.0.1:8080/", true},
		{"localhost", "http://localhost/", true},
		{"[::1]:80", "http://[::1]/", true},
		{"*", "http://localhost/", false},
		{"", "https://mcp.example/", false},
		{"*", "ftp://mcp.example/", false},
		{"*", "https:///a", false},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if err := client(t, strings.Fields(c.patterns)...).CheckSecret(u); (err == nil) != c.allowed {
			t.Errorf("%q, %s: %v", c.patterns, c.url, err)
		}
	}
	r := get(t, "http://mcp.example/")
	r.Header.Set("Authorization", "Bearer canary")
	r.Body = io.NopCloser(strings.NewReader("x"))
	if _, err := client(t, "*").RoundTrip(r); err == nil || !strings.Contains(err.Error(), "https only") || strings.Contains(err.Error(), "canary") {
		t.Errorf("want a refusal, got %v", err)
	}
	r = get(t, "http://mcp.example/")
	var refusal *Refused
	if _, err := (Confidential{client(t, "*")}).Do(r); !errors.As(err, &refusal) {
		t.Errorf("want a refusal, got %v", err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	trusting := client(t, "127.0.0.1")
	trusting.transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	r = get(t, server.URL)
	r.Header.Set("Authorization", "Bearer canary")
	if got, err := body(Confidential{trusting}.Do(r)); got != "Bearer canary" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	var unknown *tls.CertificateVerificationError
	if _, err := body(client(t, "127.0.0.1").Do(get(t, server.URL))); !errors.As(err, &unknown) {
		t.Errorf("a certificate of nobody is accepted: %v", err)
	}
}

func body(resp *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	return string(read), err
}

func TestResponsesAreBounded(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		size := MaxBody
		switch r.URL.Path {
		case "/more":
			size++
		case "/stream":
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			size++
		case "/header":
			for range 3 {
				w.Header().Add("X-Filler", strings.Repeat("x", MaxHeader/2))
			}
		case "/long": // a header far beyond the bound ends a connection of HTTP/2 with a general error
			for range 66 {
				w.Header().Add("X-Filler", strings.Repeat("x", 1<<10))
			}
		}
		_, _ = io.WriteString(w, strings.Repeat("x", size))
	})
	c := client(t, "127.0.0.1")
	for path, want := range map[string]error{"/": nil, "/more": ErrTooLarge, "/stream": nil} {
		got, err := body(c.Do(get(t, server.URL+path)))
		if !errors.Is(err, want) || want == nil && err != nil || len(got) < MaxBody {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	if _, err := body(c.Do(get(t, server.URL+"/header"))); !errors.Is(err, ErrHeaderTooLarge) {
		t.Errorf("a header of 96 KiB: %v", err)
	}
	second := httptest.NewUnstartedServer(server.Config.Handler)
	second.EnableHTTP2 = true
	second.StartTLS()
	t.Cleanup(second.Close)
	over2 := client(t, "127.0.0.1")
	over2.transport.TLSClientConfig = second.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	over2.transport.TLSClientConfig.NextProtos = nil
	if _, err := body(over2.Do(get(t, second.URL+"/long"))); !errors.Is(err, ErrHeaderTooLarge) {
		t.Errorf("a header of 66 KiB over HTTP/2: %v", err)
	}
	if resp, err := over2.Do(get(t, second.URL+"/")); err != nil || resp.ProtoMajor != 2 {
		t.Errorf("HTTP/2: %+v, %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	stream := &bounded{ReadCloser: io.NopCloser(strings.NewReader("abc")), left: 2}
	if got, err := io.ReadAll(stream); string(got) != "ab" || !errors.Is(err, ErrTooLarge) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestProxiesAreNotUsed(t *testing.T) {
	t.Parallel()
	if c := client(t); c.transport.Proxy != nil || c.client.Jar != nil || c.client.Timeout != 0 || c.transport.ResponseHeaderTimeout <= 0 {
		t.Error("the client has a proxy, a jar or the wrong timeouts")
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	hosts, err := ParseHosts([]string{"*", "tools.example", "*.own.example:8443"})
	if err != nil {
		t.Fatal(err)
	}
	c := New(hosts)
	defer c.Close()
	for address, want := range map[string]bool{
		"https://tools.example/mcp": true, "https://a.own.example:8443": true, "https://a.own.example": false, "https://other.example": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Named(u); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
