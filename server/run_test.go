package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// running starts a server on a free port and returns its address, what stops it, and what Run returned.
func running(t testing.TB, config server.Config) (baseURL string, stop func(), done <-chan error) {
	t.Helper()
	s, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	listening, result := make(chan string, 1), make(chan error, 1)
	go func() { result <- s.Run(ctx, func(baseURL string) { listening <- baseURL }) }()
	select {
	case baseURL = <-listening:
	case err := <-result:
		t.Fatal(err)
	}
	return baseURL, cancel, result
}

func TestRunDrainsRequestsInProgress(t *testing.T) {
	baseURL, stop, done := running(t, server.Config{Demo: true, DemoToken: "pt-demo"})
	body, feed := io.Pipe()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, baseURL+"/v1/sessions", body)
	req.Header.Set("Authorization", "Bearer pt-demo")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue")
	reading := make(chan struct{}) // closed once the server reads the body: the request is under way
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }}))
	status := make(chan int, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("the request under way: %v", err)
			status <- 0
			return
		}
		defer res.Body.Close()
		status <- res.StatusCode
	}()
	_, _ = io.WriteString(feed, pageBody[:10])
	<-reading
	stop()
	waitUntilClosed(t, baseURL)
	_, _ = io.WriteString(feed, pageBody[10:])
	_ = feed.Close()
	if got := <-status; got != 201 {
		t.Errorf("the request under way got %d", got)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestRunGivesUpAfterTheTimeout(t *testing.T) {
	baseURL, stop, done := running(t, server.Config{Demo: true, DemoToken: "pt-demo", ShutdownTimeout: 50 * time.Millisecond})
	conn, err := net.Dial("tcp", strings.TrimPrefix(baseURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer pt-demo\r\nContent-Type: application/json\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n{")
	if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue"))); err != nil { // once it reads the body
		t.Fatal(err)
	}
	stop()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "still under way after 50ms") {
		t.Errorf("Run: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestRunSaysWhyItCannotListen(t *testing.T) {
	s, err := server.New(t.Context(), server.Config{Addr: "127.0.0.1:99999"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), "cannot listen") {
		t.Errorf("Run: %v", err)
	}
}

func TestNewRefusesBadConfigs(t *testing.T) {
	for want, config := range map[string]server.Config{
		`unknown feature "m4"; known is "m3"`:                     {Features: []string{"m4"}},
		`unknown response check "off"; use "enforce" or "report"`: {ResponseCheck: "off"},
		`the demo token must start with "pt-" and hold`:           {Demo: true, DemoToken: "secret"},
		"the demo token has 23 characters; on 0.0.0.0:0,":         {Demo: true, DemoToken: "pt-45678901234567890123", Addr: "0.0.0.0:0"},
		"sqlite:": {DB: "mysql://localhost"},
		`the hosts of MCP servers: "https://a" is not a host`: {MCPAllow: []string{"b", "https://a"}},
		"the time of an MCP server's tool must be positive":   {MCPTimeout: -1},
		"the heartbeat of streams must be positive":           {Heartbeat: -1},
		`the origins of browsers: "https://a/" is not the`:    {CORSOrigins: []string{"*", "https://a/"}},
		`the origins of browsers: "null" is not the`:          {CORSOrigins: []string{"null"}},
		`the origins of browsers: "https://A" is not the`:     {CORSOrigins: []string{"https://A"}},
	} {
		s, err := server.New(t.Context(), config)
		if err == nil {
			_ = s.Close()
			t.Errorf("%+v was accepted", config)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

// waitUntilClosed returns once the server accepts no new connections.
func waitUntilClosed(t *testing.T, baseURL string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(baseURL, "http://"))
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Fatal("the server still accepts connections")
}
