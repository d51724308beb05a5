package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

func withControl(c *server.Config) { c.Control = true }

// demoToken is the token of the demo of start.
const demoToken = "pt-demo"

// testAccount is an account that a test has created.
type testAccount struct {
	h           *harness
	Token       string `json:"token"`
	Agent       string `json:"agent_id"`
	Environment string `json:"environment_id"`
}

// testAccount creates an account.
func (h *harness) testAccount() *testAccount {
	h.t.Helper()
	got := h.do(request{method: "POST", path: "//control/accounts", token: demoToken})
	a := &testAccount{h: h}
	if err := json.Unmarshal(got.body, a); err != nil || got.status != http.StatusCreated {
		h.t.Fatalf("%d %s, %v", got.status, got.body, err)
	}
	return a
}

// control sends a request to the control as the account.
func (a *testAccount) control(method, path, body string) answer {
	a.h.t.Helper()
	return a.h.do(request{method: method, path: "//control/" + path, body: body, token: a.Token})
}

// sets is control for a request that must have no response but success.
func (a *testAccount) sets(method, path, body string) {
	a.h.t.Helper()
	if got := a.control(method, path, body); got.status != http.StatusNoContent || len(got.body) > 0 {
		a.h.t.Fatalf("%s %s: %d %s", method, path, got.status, got.body)
	}
}

// replies creates a session, sends a message and returns what the agent says.
func (a *testAccount) replies(message string) string {
	a.h.t.Helper()
	created := a.h.do(request{method: "POST", path: "/sessions", token: a.Token, body: fmt.Sprintf(`{"agent":%q,"environment_id":%q}`, a.Agent, a.Environment)})
	path := fmt.Sprint("/sessions/", created.field("id"))
	sent := a.h.do(request{method: "POST", path: path + "/events", token: a.Token, body: fmt.Sprintf(`{"events":[{"type":"user.message","content":%q}]}`, message)})
	if created.status != http.StatusCreated || sent.status != http.StatusOK {
		a.h.t.Fatalf("%d %s, %d %s", created.status, created.body, sent.status, sent.body)
	}
	reply := ""
	eventually(a.h.t, "the turn has ended", func() bool {
		list := a.h.do(request{method: "GET", path: path + "/events?types[]=agent.message&types[]=session.status_idle", token: a.Token})
		var events struct {
			Data []struct {
				Type    string
				Content []struct{ Text string }
			}
		}
		if err := json.Unmarshal(list.body, &events); err != nil {
			a.h.t.Fatalf("%s: %v", list.body, err)
		}
		for _, e := range events.Data {
			if e.Type == "session.status_idle" {
				return true
			}
			reply = e.Content[0].Text
		}
		return false
	})
	return reply
}

// requests returns the recorded requests, in short.
func (a *testAccount) requests(query string) (short []string) {
	a.h.t.Helper()
	got := a.control("GET", "requests"+query, "")
	var list struct {
		Requests []struct {
			Operation, Method, Path string
			Status                  int
		}
	}
	if err := json.Unmarshal(got.body, &list); err != nil || got.status != http.StatusOK {
		a.h.t.Fatalf("%d %s, %v", got.status, got.body, err)
	}
	for _, r := range list.Requests {
		short = append(short, fmt.Sprintf("%s %d", r.Operation, r.Status))
	}
	return short
}

const goodbye = `{"rules":[{"steps":[{"say":"Goodbye."}]}]}`

// TestTestsDoNotMeet runs tests at the same time, each with its own script and faults, next to a demo that has neither.
func TestTestsDoNotMeet(t *testing.T) {
	h := start(t, withControl)
	demo := &testAccount{h: h, Token: demoToken, Agent: server.DemoAgent, Environment: server.DemoEnvironment}
	t.Run("tests", func(t *testing.T) {
		for n := range 4 {
			a := h.testAccount()
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				a.h = h.in(t)
				a.sets("PUT", "script", fmt.Sprintf(`{"rules":[{"match":{"contains":"who"},"steps":[{"say":"I am %d."}]}]}`, n))
				a.sets("PUT", "faults", fmt.Sprintf(`{"rules":[{"operations":"listAgents","first":%d,"answer":{"status":503,"retry_after":"1s"}}]}`, n+1))
				for i := range n + 2 {
					want := http.StatusOK
					if i <= n {
						want = http.StatusServiceUnavailable
					}
					if got := h.do(request{method: "GET", path: "/agents", token: a.Token}); got.status != want {
						t.Errorf("request %d: %d, want %d", i, got.status, want)
					}
				}
				if got := a.replies("who?"); got != fmt.Sprintf("I am %d.", n) {
					t.Errorf("the agent says %q", got)
				}
				if got := len(a.requests("?operation=listAgents")); got != n+2 {
					t.Errorf("%d requests of listAgents", got)
				}
			})
		}
		if got := demo.replies("who?"); got != "You said: who?" {
			t.Errorf("the demo says %q", got)
		}
	})
	if got := demo.requests("?operation=listAgents"); len(got) > 0 {
		t.Errorf("the demo has requests of others: %s", got)
	}
	if got := h.do(request{method: "GET", path: "/agents"}); got.status != http.StatusOK {
		t.Errorf("another account: %d", got.status)
	}
}

// TestResetAccounts tests that a reset returns an account to what the server was started with.
func TestResetAccounts(t *testing.T) {
	plan, err := faults.ParsePlan("faults", []byte("rules: [{operations: listModels, answer: {status: 429, retry_after: 1s}}]"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := turn.ParseScript("script", []byte("rules: [{steps: [{say: Hello.}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, withControl, func(c *server.Config) { c.Faults, c.Runner = faults.NewInjector(plan), script.Runner(nil) })
	a := h.testAccount()
	models := func() int { return h.do(request{method: "GET", path: "/models", token: a.Token}).status }
	if got := models(); got != http.StatusTooManyRequests {
		t.Errorf("the server's own faults: %d", got)
	}
	a.sets("PUT", "faults", `{"rules":[{"operations":["listAgents"],"answer":{"status":500}}]}`)
	a.sets("PUT", "script", goodbye)
	if got, reply := models(), a.replies("Hi"); got != http.StatusOK || reply != "Goodbye." {
		t.Errorf("with its own script and faults: %d, %q", got, reply)
	}
	a.sets("POST", "reset", "")
	if got := a.requests(""); len(got) > 0 {
		t.Errorf("after the reset: %s", got)
	}
	if got, reply := models(), a.replies("Hi"); got != http.StatusTooManyRequests || reply != "Hello." {
		t.Errorf("after the reset: %d, %q", got, reply)
	}
}

// TestForms tests which forms a script and faults may have.
func TestForms(t *testing.T) {
	h := start(t, withControl)
	a := h.testAccount()
	for body, want := range map[string]string{
		`"rules: [{steps: [{say: Hello.}]}]"`:                                    "Hello.",
		`{"rules":[{"steps":[{"say":"\ud83d\uDE00 caf\u00e9 \\ud83d \/ \""}]}]}`: `😀 café \ud83d / "`,
		"{\n\t\"rules\": [\n\t\t{\"steps\": [{\"say\": \"Tabs.\"}]}\n\t]\n}":     "Tabs.",
	} {
		a.sets("PUT", "script", body)
		if got := a.replies("Hi"); got != want {
			t.Errorf("%s: the agent says %q", body, got)
		}
	}
	for path, bodies := range map[string]map[string]string{
		"script": {
			``: "script", `{}`: "rules", `[]`: "script", `{"rules":[{"steps":[{"shout":"Hi"}]}]}`: "script:1:22", `"rules:\n- steps: [{shout: Hi}]"`: "script:2:",
			`{"rules":`: "JSON", `rules: []`: "JSON", `"` + strings.Repeat("a", 1<<20) + `"`: "at most 262144 bytes",
		},
		"faults": {`{}`: "rules", `{"rules":[{"answer":{"status":503}}],"sed":1}`: "seed", `{"rules":[{"operations":"listAgent","answer":{"status":503}}]}`: "listAgent"},
	} {
		for body, want := range bodies {
			got := a.control("PUT", path, body)
			message, _ := got.field("error", "message").(string)
			if got.status != http.StatusBadRequest || got.field("error", "param") != "body" || !strings.Contains(message, want) {
				t.Errorf("%s %.60s: %d %.300s, want %s", path, body, got.status, got.body, want)
			}
		}
	}
	if got := a.replies("Hi"); got == "" {
		t.Error("an invalid script replaced a valid one")
	}
}

// TestTheControlsGuards tests who may control a demo: programs on its machine, with the token of an account that is the demo's
// or a test's.
func TestTheControlsGuards(t *testing.T) {
	h := start(t, withControl, func(c *server.Config) { c.CORSOrigins = []string{"*"} })
	a := h.testAccount()
	key := h.do(request{method: "POST", path: "/environments", token: a.Token, body: `{"name":"own","config":{"type":"self_hosted"}}`})
	key = h.do(request{method: "POST", path: fmt.Sprint("/environments/", key.field("id"), "/keys"), token: a.Token, body: `{"name":"k"}`})
	worker, _ := key.field("key").(string)
	if worker == "" {
		t.Fatalf("%d %s", key.status, key.body)
	}
	sent := func(host, token string, header map[string]string, method, path string) answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, h.web.URL+path, strings.NewReader(goodbye))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		for name, value := range header {
			req.Header.Set(name, value)
		}
		res, err := h.web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body json.RawMessage
		_ = json.NewDecoder(res.Body).Decode(&body)
		return answer{status: res.StatusCode, header: res.Header, body: body}
	}
	for name, tc := range map[string]struct {
		host, token, method, path string
		header                    map[string]string
		status                    int
	}{
		"as it should be":           {status: 204},
		"localhost":                 {host: "localhost:80", status: 204},
		"IPv6":                      {host: "[::1]", status: 204},
		"a charset":                 {header: map[string]string{"Content-Type": "Application/JSON; charset=utf-8"}, status: 204},
		"a name that resolves here": {host: "rebound.example:8080", status: 403},
		"a name that begins so":     {host: "127.0.0.1.example", status: 403},
		"another machine":           {host: "10.0.0.1", status: 403},
		"no token":                  {token: "-", status: 401},
		"an unknown token":          {token: "pt-unknown", status: 401},
		"another account":           {token: aliceToken, status: 403},
		"the key of an environment": {token: worker, status: 403},
		"a form":                    {header: map[string]string{"Content-Type": "text/plain"}, status: 400},
		"no content type":           {header: map[string]string{"Content-Type": ""}, status: 400},
		"two media types":           {header: map[string]string{"Content-Type": "text/plain, application/json"}, status: 400},
		"an account of a test":      {method: "POST", path: "/control/accounts", status: 403},
		"a path below":              {path: "/control/script/", status: 404},
		"an encoded path":           {path: "/%63ontrol/script", status: 204},
		"another path":              {path: "/control/scripts", status: 404},
		"another method":            {method: "PATCH", status: 405},
		"HEAD":                      {method: "HEAD", path: "/control/requests", status: 405},
		"an unknown parameter":      {method: "GET", path: "/control/requests?operations=listAgents", status: 400},
		"a preflight": {method: "OPTIONS", header: map[string]string{
			"Origin": page, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,content-type",
		}, status: 405},
		"a page": {header: map[string]string{"Origin": page}, status: 204},
	} {
		token := orDefault(tc.token, a.Token)
		if token == "-" {
			token = ""
		}
		got := sent(orDefault(tc.host, "127.0.0.1"), token, tc.header, orDefault(tc.method, "PUT"), orDefault(tc.path, "/control/script"))
		if got.status != tc.status || got.status >= 400 && tc.method != "HEAD" && got.field("error", "message") == nil {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		for header := range got.header {
			if strings.HasPrefix(header, "Access-Control-") {
				t.Errorf("%s: %s", name, header)
			}
		}
		if allow := got.header.Get("Allow"); got.status == 405 && allow == "" {
			t.Errorf("%s: no methods are allowed", name)
		}
	}
	if got := h.do(request{method: "GET", path: "//control", token: a.Token}); got.status != 200 || !strings.Contains(string(got.body), "/control/requests") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestOnlyADemoOnLoopbackIsControlled tests what a server needs to be controlled.
func TestOnlyADemoOnLoopbackIsControlled(t *testing.T) {
	h := start(t)
	for want, config := range map[string]server.Config{
		"needs a demo server": {},
		"listen on 127.0.0.1": {Demo: true, Addr: "0.0.0.0:0"},
	} {
		config.Control = true
		s, err := server.New(t.Context(), config)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if got := h.do(request{method: "GET", path: "//control", token: demoToken}); got.status != http.StatusNotFound {
		t.Errorf("without Control: %d %s", got.status, got.body)
	}
}

// TestEndingAccounts tests how accounts of tests end: by their tests, or with their tokens.
func TestEndingAccounts(t *testing.T) {
	h := start(t, withControl)
	a := h.testAccount()
	a.sets("DELETE", "account", "")
	for _, path := range []string{"//control", "/agents"} {
		if got := h.do(request{method: "GET", path: path, token: a.Token}); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	demo := &testAccount{h: h, Token: demoToken}
	if got := demo.control("DELETE", "account", ""); got.status != http.StatusConflict {
		t.Errorf("the demo's own: %d %s", got.status, got.body)
	}

	var last *testAccount
	for range 200 {
		last = h.testAccount()
	}
	create := func() answer { return demo.control("POST", "accounts", "{}") }
	if got := create(); got.status != http.StatusConflict || !strings.Contains(string(got.body), "200 accounts") {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
	last.sets("DELETE", "account", "")
	if got := create(); got.status != http.StatusCreated {
		t.Errorf("in the place of one: %d %s", got.status, got.body)
	}
	h.clock.advance(24 * time.Hour)
	if got := create(); got.status != http.StatusCreated {
		t.Errorf("after all others have expired: %d %s", got.status, got.body)
	}
}

// TestRecordedRequests tests what is recorded of requests, and what is not.
func TestRecordedRequests(t *testing.T) {
	h := start(t, withControl)
	a := h.testAccount()
	a.sets("PUT", "faults", `{"rules":[{"operations":"listModels","drop":"before"}]}`)
	h.do(request{method: "GET", path: "/agents?limit=7&x=8&x=9", token: a.Token, header: map[string]string{"X-Api-Key": "pt-hidden", "Idempotency-Key": "k1"}})
	h.do(request{method: "POST", path: "/nothing", token: a.Token, raw: strings.NewReader("\xff\xfe")})
	h.do(request{method: "POST", path: "/vaults//credentials?api_key=hidden-2&X-Amz-Signature=hidden-3", token: a.Token,
		header: map[string]string{"X-Auth-Token": "hidden-4"}, body: `{"auth":{"Token":"hidden-5"}}`})
	h.do(request{method: "POST", path: "/vaults", token: a.Token, body: `{"display_name":"v","credentials":[{"auth":{"type":"static_bearer","mcp_server_url":"https://a.example","token":"hidden-1"}}]}`})
	if _, err := http.Get(h.web.URL + "/v1/models"); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodDelete, h.web.URL+"/v1/agents/"+strings.Repeat("a", 9), nil)
	req.Header.Set("Authorization", "Bearer "+worker(t, h, a))
	if res, err := h.web.Client().Do(req); err == nil {
		_ = res.Body.Close()
	}
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, h.web.URL+"/v1/models", nil)
	req.Header.Set("Authorization", "Bearer "+a.Token)
	if res, err := h.web.Client().Do(req); err == nil {
		_ = res.Body.Close()
		t.Errorf("the request was not dropped: %d", res.StatusCode)
	}
	got := a.control("GET", "requests", "")
	if text := string(got.body); strings.Contains(text, "hidden") || strings.Contains(text, a.Token) || !strings.Contains(text, "[redacted]") {
		t.Errorf("secrets: %s", text)
	}
	first := got.field("requests").([]any)[0].(map[string]any)
	if first["operation"] != "listAgents" || first["method"] != "GET" || first["path"] != "/api/v1/cloud/agents" || first["status"] != 200.0 || first["cut"] != false ||
		fmt.Sprint(first["query"]) != "map[limit:[7] x:[8 9]]" || fmt.Sprint(first["headers"].(map[string]any)["Idempotency-Key"]) != "[k1]" || first["body"] != nil {
		t.Errorf("%v", first)
	}
	second := got.field("requests").([]any)[1].(map[string]any)
	if second["operation"] != "" || second["status"] != 404.0 || second["body_base64"] != base64.StdEncoding.EncodeToString([]byte("\xff\xfe")) {
		t.Errorf("%v", second)
	}
	if got := strings.Join(a.requests(""), ", "); !strings.HasSuffix(got, "deleteAgent 403, listModels 0") {
		t.Errorf("%s", got)
	}
	if got := strings.Join(a.requests("?operation=listModels&operation=listAgents"), ", "); got != "listAgents 200, listModels 0" {
		t.Errorf("%s", got)
	}
}

// worker returns the key of an environment of an account.
func worker(t *testing.T, h *harness, a *testAccount) string {
	t.Helper()
	accounts, err := h.db.ListTokens(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range accounts {
		if strings.HasPrefix(token.Account, "test-") {
			key := auth.MintKey()
			if _, err := h.db.CreateToken(t.Context(), store.NewToken{Account: token.Account, Name: "k", Hash: auth.Hash(key), EnvironmentID: a.Environment}); err != nil {
				t.Fatal(err)
			}
			return key
		}
	}
	t.Fatal("no test has an account")
	return ""
}
