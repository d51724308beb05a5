package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// callerToken is the demo account's token.
const callerToken = "pt-caller"

// caller calls a server, which may be killed and started again.
type caller struct {
	*testing.T
	client  *http.Client
	baseURL string // of the server that runs now
}

func newCaller(t *testing.T) *caller {
	return &caller{T: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: crashWriters + crashTalkers}}}
}

// response is what a caller reads of a response.
type response struct {
	status   int
	replayed bool // recorded for the idempotency key
	body     map[string]any
}

// call sends a request; an error means that there was no complete response.
func (c *caller) call(method, path, key, body string) (got response, err error) {
	return c.callAs(callerToken, method, path, key, body)
}

// callAs is call with another token.
func (c *caller) callAs(token, method, path, key, body string) (got response, err error) {
	req, err := http.NewRequestWithContext(c.Context(), method, c.baseURL+"/v1"+path, strings.NewReader(body))
	if err != nil {
		return got, err
	}
	req.GetBody = nil // the transport would send it again by itself
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return got, err
	}
	defer res.Body.Close()
	got.status, got.replayed = res.StatusCode, res.Header.Get("Idempotent-Replayed") == "true"
	data, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(data, &got.body)
	}
	return got, err
}

// must is call for a request that has to succeed.
func (c *caller) must(method, path, body string) map[string]any {
	c.Helper()
	got, err := c.call(method, path, "", body)
	if err != nil || got.status/100 != 2 {
		c.Fatalf("%s %s: %d %v, %v", method, path, got.status, got.body, err)
	}
	return got.body
}

// session creates a session of the demo's agent, with these further fields.
func (c *caller) session(fields string) string {
	c.Helper()
	return c.must("POST", "/sessions", fmt.Sprintf(`{"agent":%q,"environment_id":%q,%s}`, server.DemoAgent, server.DemoEnvironment, fields))["id"].(string)
}

// events returns the ids and types of a session's events, in order.
func (c *caller) events(session string) (ids, types []string) {
	c.Helper()
	for query := "?limit=100"; ; {
		page := c.must("GET", "/sessions/"+session+"/events"+query, "")
		for _, e := range page["data"].([]any) {
			event := e.(map[string]any)
			ids, types = append(ids, event["id"].(string)), append(types, event["type"].(string))
		}
		next, more := page["next_page"].(string)
		if !more {
			return ids, types
		}
		query = "?limit=100&page=" + next
	}
}

// idle waits until a session has no turn under way.
func (c *caller) idle(session string) {
	c.Helper()
	for deadline := time.Now().Add(20 * time.Second); c.must("GET", "/sessions/"+session, "")["status"] != "idle"; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatalf("session %s does not get idle", session)
		}
	}
}

// checkTurns asserts that each turn in a log has one end, and returns how many ended in an error.
func checkTurns(t *testing.T, session string, types []string) (failed int) {
	t.Helper()
	open := false
	for i, kind := range types {
		switch kind {
		case "session.status_running":
			if open {
				t.Errorf("session %s: event %d begins a turn within another", session, i)
			}
			open = true
		case "session.status_idle":
			if !open {
				t.Errorf("session %s: event %d ends no turn", session, i)
			}
			open = false
		case "session.error":
			failed++
		}
	}
	if open {
		t.Errorf("session %s is idle in the middle of a turn", session)
	}
	return failed
}

func TestRunnersAreChosenByModel(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "script.yaml")
	if err := os.WriteFile(script, []byte(`rules: [{steps: [say: From the script.]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, []string{"QODER_PAT=" + callerToken}, "--demo", "--db", "sqlite::memory:", "--script", script, "--route", "scripted*=script")
	c := newCaller(t)
	c.baseURL = s.baseURL
	for model, want := range map[string]string{"scripted-1": "From the script.", "ultimate": "You said: Hi"} {
		agent := c.must("POST", "/agents", fmt.Sprintf(`{"name":"a","model":%q}`, model))["id"]
		session := c.must("POST", "/sessions", fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, agent, server.DemoEnvironment))["id"].(string)
		c.must("POST", "/sessions/"+session+"/events", `{"events":[{"type":"user.message","content":"Hi"}]}`)
		c.idle(session)
		answer := c.must("GET", "/sessions/"+session+"/events?types[]=agent.message", "")["data"].([]any)[0].(map[string]any)
		if got := answer["content"].([]any)[0].(map[string]any)["text"]; got != want {
			t.Errorf("%s: %q", model, got)
		}
	}
	for _, bad := range []struct{ args, want string }{
		{"--runner=nobody", `--runner: unknown runner "nobody"; use echo, script, openai`},
		{"--route=x=nobody", `--route: unknown runner "nobody"; use echo, script, openai`},
		{"--runner=script", "the script runner needs --script FILE"},
		{"--runner=openai", "the openai runner needs --openai-base-url URL"},
		{"--route=*x=echo", `--route: route "*x": in a model pattern, '*' may only be the last character`},
	} {
		cmd := program(t, nil, "serve", bad.args)
		out, err := cmd.CombinedOutput()
		if err == nil || strings.TrimSpace(string(out)) != "sessionsd: "+bad.want {
			t.Errorf("%s: %v: %s", bad.args, err, out)
		}
	}
}
