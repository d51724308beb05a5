package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestProfiles asks for profiles, by the names that this machine has for itself and by another one.
func TestProfiles(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--pprof-addr", "127.0.0.1:0", "--log-format", "json")
	if got := status(t, s.baseURL+"/debug/pprof/", ""); got != 404 {
		t.Errorf("at the API's address: %d", got)
	}
	_ = s.Process.Signal(syscall.SIGTERM)
	s.stopped(t)
	printed := regexp.MustCompile(`http://[0-9.:]+/debug/pprof/`)
	if !printed.Match(s.stderr.Bytes()) {
		t.Error(s.stderr)
	}

	var log bytes.Buffer
	stop, err := serveProfiles("127.0.0.1:0", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	url := printed.FindString(log.String())
	for host, want := range map[string]int{"": 200, "localhost": 200, "[::1]:6060": 200, "evil.example": 403, "evil.example:6060": 403} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"goroutine?debug=1", nil)
		r.Host = host
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%q: %d", host, res.StatusCode)
		}
	}
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "6060"} {
		if stop, err := serveProfiles(addr, slog.New(slog.DiscardHandler)); err == nil {
			stop()
			t.Errorf("%s is accepted", addr)
		}
	}
}

// TestLogs reads the lines of a start, a request and a turn.
func TestLogs(t *testing.T) {
	t.Parallel()
	s := serve(t, []string{"QODER_PAT=" + callerToken}, "--demo", "--log-format", "json", "--db", "sqlite:x.db")
	c := clientOf(t, s)
	session, err := c.Sessions.Create(t.Context(), newSession())
	if err != nil {
		t.Fatal(err)
	}
	for event, err := range c.Sessions.Run(t.Context(), session.ID, "Hello", nil) {
		if err != nil {
			t.Fatal(err)
		}
		_ = event
	}
	status(t, s.baseURL+"/v1/"+strings.Repeat("x", 1000), "")
	_ = s.Process.Signal(syscall.SIGTERM)
	s.stopped(t)
	lines := map[string]map[string]any{}
	for line := range strings.Lines(s.stderr.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if fields["msg"] == "request" && fields["operation"] != "" {
			continue // the last one is logged when its stream ends
		}
		lines[fields["msg"].(string)] = fields
	}
	start, queued, stopped, request := lines["serving"], lines["turn queued"], lines["turn stopped"], lines["request"]
	if start["database"] != "sqlite:x.db" || start["runner"] != "echo" || start["version"] == "" || start["workers"] != 256.0 {
		t.Errorf("start: %v", start)
	}
	if queued["request_id"] == "" || queued["session"] != session.ID || queued["turn"] != stopped["turn"] || queued["request_id"] != stopped["request_id"] {
		t.Errorf("queued %v, stopped %v", queued, stopped)
	}
	if seconds, ok := stopped["duration_seconds"].(float64); !ok || seconds <= 0 || seconds > 60 || stopped["reason"] != "end_turn" || stopped["session"] != session.ID {
		t.Errorf("stopped: %v", stopped)
	}
	if path, _ := request["path"].(string); len(path) != 256 || !strings.HasPrefix(path, "/v1/xxx") || request["remote"] != "127.0.0.1" {
		t.Errorf("request: %v", request)
	}
}
