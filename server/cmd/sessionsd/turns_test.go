package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// caller talks to a server that is killed and started again.
type caller struct {
	*testing.T
	client  *http.Client
	baseURL string
}

// call makes a request; an error means that there was no whole answer.
func (c *caller) call(method, path, key, body string) (status int, answer map[string]any, err error) {
	req, err := http.NewRequestWithContext(c.Context(), method, c.baseURL+"/v1"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.GetBody = nil // the transport would send it again by itself
	req.Header.Set("Authorization", "Bearer pt-turns")
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(data, &answer)
	}
	return res.StatusCode, answer, err
}

// must is call for what has to succeed.
func (c *caller) must(method, path, body string) map[string]any {
	c.Helper()
	status, answer, err := c.call(method, path, "", body)
	if err != nil || status/100 != 2 {
		c.Fatalf("%s %s: %d %v, %v", method, path, status, answer, err)
	}
	return answer
}

func (c *caller) session() string {
	c.Helper()
	return c.must("POST", "/sessions", fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, server.DemoAgent, server.DemoEnvironment))["id"].(string)
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

// TestTurnsSurviveACrash kills the server in the midst of turns, over and over on one file. After each restart the
// turns have ended, each once, and every message that was acknowledged is in its session's log, in order.
func TestTurnsSurviveACrash(t *testing.T) {
	const rounds, sessions = 8, 8
	dir := t.TempDir()
	script := filepath.Join(dir, "script.yaml")
	steps := `rules: [{steps: [think, say: [a, b, c], wait: 3ms, say: d, usage: {output_tokens: 1}]}]`
	if err := os.WriteFile(script, []byte(steps), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &caller{T: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: sessions}}}
	acknowledged := map[string][]string{} // the ids of messages, by session
	var mu sync.Mutex
	lost := 0
	for round := range rounds + 1 {
		s := serve(t, []string{"QODER_PAT=pt-turns"}, "--demo", "--db", "sqlite:"+filepath.Join(dir, "sessions.db"), "--runner", "script", "--script", script)
		c.baseURL = s.baseURL
		for session, messages := range acknowledged {
			c.idle(session)
			ids, types := c.events(session)
			lost += checkTurns(t, session, types)
			at := 0
			for _, id := range ids {
				if at < len(messages) && id == messages[at] {
					at++
				}
			}
			if at != len(messages) {
				t.Errorf("message %s of session %s was acknowledged and is gone", messages[at], session)
			}
		}
		if round == rounds || t.Failed() {
			break
		}
		for len(acknowledged) < sessions {
			acknowledged[c.session()] = nil
		}
		var callers sync.WaitGroup
		busy := make(chan struct{})
		begun := sync.OnceFunc(func() { close(busy) })
		for _, session := range slices.Collect(maps.Keys(acknowledged)) {
			callers.Go(func() {
				for n := 0; ; n++ {
					status, answer, err := c.call("POST", "/sessions/"+session+"/events", fmt.Sprintf("%s-%d-%d", session, round, n), `{"events":[{"type":"user.message","content":"Hi"}]}`)
					switch {
					case err != nil:
						return
					case status == 200:
						mu.Lock()
						acknowledged[session] = append(acknowledged[session], answer["data"].([]any)[0].(map[string]any)["id"].(string))
						mu.Unlock()
						begun()
					case status != 409:
						t.Errorf("%d %v", status, answer)
						return
					default:
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		<-busy
		time.Sleep(time.Duration(5_000+rand.IntN(60_000)) * time.Microsecond)
		_ = s.Process.Kill()
		_ = s.Wait()
		callers.Wait()
		c.client.CloseIdleConnections()
	}
	if lost == 0 {
		t.Error("no turn was under way at any crash: this test means nothing")
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
		t.Errorf("session %s is idle in the midst of a turn", session)
	}
	return failed
}

func TestRunnersAreChosenByModel(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script.yaml")
	if err := os.WriteFile(script, []byte(`rules: [{steps: [say: From the script.]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, []string{"QODER_PAT=pt-turns"}, "--demo", "--db", "sqlite::memory:", "--script", script, "--route", "scripted*=script")
	c := &caller{T: t, client: http.DefaultClient, baseURL: s.baseURL}
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
