//go:build unix

// Package deploy_test runs the proxies of proxies.md in front of a server.
package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/api/freeport"
	"github.com/cloud-sessions/sessions/api/sse"
	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/internal/needs"
)

const (
	token = "pt-deploy"
	// prompt is how long a frame may take through a proxy.
	prompt = time.Second
)

// documented returns the configuration in the code block of that language.
func documented(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("proxies.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) != 1 {
		t.Fatalf("proxies.md has %d blocks of %s", len(blocks), language)
	}
	return string(blocks[0][1])
}

// api is a server to put proxies in front of.
func api(t *testing.T) (address string) {
	t.Helper()
	s, err := server.New(t.Context(), server.Config{Demo: true, DemoToken: token})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return web.Listener.Addr().String()
}

// start runs a proxy until the test ends and returns its address. The configuration listens at :80 and passes on to
// 127.0.0.1:8080, which are replaced.
func start(t *testing.T, target, configuration string, command func(folder, config string) []string) string {
	t.Helper()
	address := freeport.Address(t)
	folder := t.TempDir()
	config := filepath.Join(folder, "config")
	configuration = strings.NewReplacer(
		"listen 80;", "listen "+address+";", "bind :80", "bind "+address, "http://:80 {", "http://"+address+" {", "127.0.0.1:8080", target,
	).Replace(configuration)
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	arguments := command(folder, config)
	program := needs.Program(t, arguments[0])
	var output bytes.Buffer
	process := exec.CommandContext(t.Context(), program, arguments[1:]...)
	process.Stdout, process.Stderr = &output, &output
	process.Env = append(os.Environ(), "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	process.Cancel = func() error { return process.Process.Signal(syscall.SIGTERM) }
	process.WaitDelay = 5 * time.Second
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Wait() // the context has ended
		if t.Failed() {
			t.Logf("%s\n%s", configuration, &output)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get("http://" + address + "/healthz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return address
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen", program)
		}
	}
}

// nginx runs nginx with a server block.
func nginx(t *testing.T, target, configuration string) string {
	t.Helper()
	return start(t, target, configuration, func(folder, config string) []string {
		user := ""
		if os.Geteuid() == 0 {
			user = "user root; "
		}
		var temporary strings.Builder
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			fmt.Fprintf(&temporary, "%s_temp_path %s; ", kind, filepath.Join(folder, kind))
		}
		main := filepath.Join(folder, "nginx.conf")
		text := fmt.Sprintf("%spid %s/pid; error_log stderr; events {} http { access_log off; gzip on; %s include %s; }", user, folder, &temporary, config)
		if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"nginx", "-p", folder, "-c", main, "-e", "stderr", "-g", "daemon off; master_process off;"}
	})
}

// haproxy runs HAProxy with a complete configuration.
func haproxy(t *testing.T, target, configuration string) string {
	t.Helper()
	return start(t, target, configuration, func(_, config string) []string { return []string{"haproxy", "-db", "-f", config} })
}

// caddy runs Caddy with a site.
func caddy(t *testing.T, target, configuration string) string {
	t.Helper()
	return start(t, target, "{\n\tadmin off\n}\n"+configuration, func(_, config string) []string {
		return []string{"caddy", "run", "--adapter", "caddyfile", "--config", config}
	})
}

// Configurations without anything for this API.
const (
	plainNginx   = "server { listen 80; location / { proxy_pass http://127.0.0.1:8080; } }"
	bufferNginx  = "server { listen 80; client_max_body_size 32m; location / { proxy_pass http://127.0.0.1:8080; proxy_buffering off; } }"
	plainHAProxy = `
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend http
    bind :80
    compression algo gzip
    default_backend sessions
backend sessions
    server one 127.0.0.1:8080
`
	plainCaddy = "http://:80 {\n\treverse_proxy 127.0.0.1:8080\n}\n"
)

// TestFramesPassProxiesAtOnce follows a stream through each proxy, with its default settings and with the documented ones.
func TestFramesPassProxiesAtOnce(t *testing.T) {
	t.Parallel()
	for name, proxy := range map[string]func(t *testing.T, target string) string{
		"nginx by default":   func(t *testing.T, target string) string { return nginx(t, target, plainNginx) },
		"nginx":              func(t *testing.T, target string) string { return nginx(t, target, documented(t, "nginx")) },
		"HAProxy by default": func(t *testing.T, target string) string { return haproxy(t, target, plainHAProxy) },
		"HAProxy":            func(t *testing.T, target string) string { return haproxy(t, target, documented(t, "haproxy")) },
		"Caddy by default":   func(t *testing.T, target string) string { return caddy(t, target, plainCaddy) },
		"Caddy":              func(t *testing.T, target string) string { return caddy(t, target, documented(t, "caddyfile")) },
		"two nginx in a row": func(t *testing.T, target string) string {
			return nginx(t, nginx(t, target, documented(t, "nginx")), plainNginx)
		},
		"two nginx in a row, the outer one without buffering": func(t *testing.T, target string) string {
			return nginx(t, nginx(t, target, plainNginx), bufferNginx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := api(t)
			followed(t, target, proxy(t, target))
		})
	}
}

// use runs a turn.
func use(t *testing.T, address string) {
	t.Helper()
	c, err := client.New(client.WithToken(token), client.WithBaseURL("http://"+address+"/v1"))
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: server.DemoAgent}, EnvironmentID: server.DemoEnvironment})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range c.Sessions.Run(t.Context(), session.ID, "Hello", nil) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// arrival is when a frame arrived.
type arrival struct {
	id   string
	when time.Time
}

// followed fails the test unless each frame of a session's stream arrives through the proxy as soon as directly.
func followed(t *testing.T, target, proxy string) {
	t.Helper()
	c, err := client.New(client.WithToken(token), client.WithBaseURL("http://"+target+"/v1"))
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: server.DemoAgent}, EnvironmentID: server.DemoEnvironment})
	if err != nil {
		t.Fatal(err)
	}
	direct, proxied := follow(t, target, session.ID), follow(t, proxy, session.ID)
	for range 3 {
		if _, err := c.Sessions.Events.SendMessage(t.Context(), session.ID, "Hello"); err != nil {
			t.Fatal(err)
		}
		for ended := false; !ended; {
			first := <-direct
			select {
			case same := <-proxied:
				if same.id != first.id || same.when.Sub(first.when) > prompt {
					t.Fatalf("%q after %s, want %q", same.id, same.when.Sub(first.when), first.id)
				}
			case <-time.After(2 * prompt):
				t.Fatalf("%q did not arrive in time", first.id)
			}
			ended = strings.HasPrefix(first.id, string(client.EventTypeSessionStatusIdle))
		}
	}
}

// follow reads a session's stream, as a caller who accepts compressed responses, and sends when each frame arrives.
func follow(t *testing.T, address, session string) <-chan arrival {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v1/sessions/"+session+"/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept-Encoding", "gzip, br, zstd")
	opened := make(chan *http.Response, 1)
	go func() {
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Error(err)
		}
		opened <- res
	}()
	var res *http.Response
	select {
	case res = <-opened:
	case <-time.After(5 * prompt):
		cancel()
		t.Fatal("the headers did not arrive in time")
	}
	t.Cleanup(func() { cancel(); _ = res.Body.Close() })
	if coding := res.Header.Get("Content-Encoding"); res.StatusCode != http.StatusOK || coding != "" {
		t.Fatalf("status %d, Content-Encoding %q", res.StatusCode, coding)
	}
	arrivals := make(chan arrival, 100)
	go func() {
		for frames := sse.NewReader(res.Body, 1<<20); ; {
			frame, err := frames.Next()
			if err != nil {
				// The test's context ends the proxy as well, maybe before it ends ctx.
				if t.Context().Err() == nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
					t.Errorf("%s: %v", address, err)
				}
				return
			}
			arrivals <- arrival{frame.Type + " " + frame.ID, time.Now()}
		}
	}()
	return arrivals
}

// TestLargeBodiesPassProxies sends large bodies through the documented proxies: the responses are the API's.
func TestLargeBodiesPassProxies(t *testing.T) {
	t.Parallel()
	for name, proxy := range map[string]func(t *testing.T, target string) string{
		"nginx":   func(t *testing.T, target string) string { return nginx(t, target, documented(t, "nginx")) },
		"HAProxy": func(t *testing.T, target string) string { return haproxy(t, target, documented(t, "haproxy")) },
		"Caddy":   func(t *testing.T, target string) string { return caddy(t, target, documented(t, "caddyfile")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := proxy(t, api(t))
			for sent, want := range map[string]int{token: http.StatusBadRequest, "pt-nobody": http.StatusUnauthorized} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v1/agents", bytes.NewReader(make([]byte, 32<<20)))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+sent)
				r.Header.Set("Content-Type", "application/json")
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if res.StatusCode != want || res.Header.Get("X-Request-Id") == "" {
					t.Errorf("%d %.200s, want %d", res.StatusCode, body, want)
				}
			}
		})
	}
}
