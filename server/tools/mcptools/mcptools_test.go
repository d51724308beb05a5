package mcptools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/egress"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tools/mcptools"
	"github.com/cloud-sessions/sessions/server/turn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a source with what a test has set.
type rig struct {
	*mcptools.Source
	vaults []string
}

// start returns a source that may ask servers on loopback, unless change says otherwise.
func start(t *testing.T, change func(*mcptools.Options)) *rig {
	t.Helper()
	api, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := egress.ParseHosts([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	client := egress.New(hosts)
	o := mcptools.Options{
		Contract: api, Egress: client, Now: time.Now,
		ListTimeout: time.Minute, CallTimeout: time.Minute,
	}
	if change != nil {
		change(&o)
	}
	r := &rig{Source: mcptools.New(o)}
	t.Cleanup(func() {
		r.Close()
		client.Close()
		o.Egress.Close()
	})
	return r
}

// agent returns a session whose agent has MCP servers of a type, named a, b and so on, and a toolset for each.
func (r *rig) agent(kind string, urls ...string) store.Session {
	var servers, tools []string
	for i, url := range urls {
		name := string(rune('a' + i))
		servers = append(servers, fmt.Sprintf(`{"type":%q,"name":%q,"url":%q}`, kind, name, url))
		tools = append(tools, fmt.Sprintf(`{"type":"mcp_toolset","mcp_server_name":%q}`, name))
	}
	return r.session(strings.Join(servers, ","), strings.Join(tools, ","))
}

func (r *rig) session(servers, tools string) store.Session {
	s := store.Session{ID: "sess_1", VaultIDs: r.vaults}
	s.Agent.MCPServers, s.Agent.Tools = json.RawMessage("["+servers+"]"), json.RawMessage("["+tools+"]")
	return s
}

// open opens the toolbox of a session, and closes it at the end of the test.
func (r *rig) open(t *testing.T, s store.Session) turn.Toolbox {
	t.Helper()
	box, err := r.Open(t.Context(), "acme", s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	return box
}

// tool opens the toolbox of a session and returns the first tool, the only one unless there are several of them.
func (r *rig) tool(t *testing.T, s store.Session) turn.Tool {
	t.Helper()
	box := r.open(t, s)
	if len(box.Tools) == 0 {
		t.Fatalf("no tool, but the problems %q", box.Problems)
	}
	return box.Tools[0]
}

// run runs a tool.
func run(t *testing.T, tool turn.Tool, input string) turn.Output {
	t.Helper()
	out, err := tool.Run(t.Context(), json.RawMessage(input))
	if err != nil {
		t.Errorf("%s ends the turn: %v", tool.Name, err)
	}
	return out
}

func TestToolsRun(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := start(t, nil)
	box := r.open(t, r.agent("http", f.URL))
	tool := box.Tools[0]
	if len(box.Tools) != 1 || len(box.Problems) != 0 || box.System != "" {
		t.Errorf("unexpected toolbox: %+v", box)
	}
	want := turn.Tool{Name: "echo", Description: "Echoes.", MCPServer: "a", TimeLimit: time.Minute + 5*time.Second, InputSchema: json.RawMessage(`{"properties":{"text":{"type":"string"}},"type":"object"}`)}
	if diff := cmp.Diff(want, tool, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Run" }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		if got := run(t, tool, `{"text":"你好"}`); got != (turn.Output{Text: `echo {"text":"你好"}`}) {
			t.Errorf("%+v", got)
		}
	}
	box.Close()
	r.Close() // the session has ended
	requests := []string{
		"POST server/discover", "POST initialize", "POST notifications/initialized", "POST tools/list", "POST tools/call", "POST tools/call", "DELETE",
	}
	if diff := cmp.Diff(requests, f.seen()); diff != "" {
		t.Error(diff)
	}
	if got := run(t, tool, `{}`); !got.Failed || !strings.Contains(got.Text, "The turn has ended.") {
		t.Errorf("a tool of a closed toolbox: %+v", got)
	}
}

func TestServersAreAskedOnlyForEnabledTools(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := start(t, nil)
	server := fmt.Sprintf(`{"type":"http","name":"a","url":%q}`, f.URL)
	for _, tools := range []string{
		``,
		`{"type":"custom","name":"x","input_schema":{}}`,
		`{"type":"mcp_toolset","mcp_server_name":"a","default_config":{"enabled":false}}`,
		`{"type":"mcp_toolset","mcp_server_name":"a","default_config":{"permission_policy":"always_deny"},"configs":[{"name":"echo"}]}`,
		`{"type":"mcp_toolset","mcp_server_name":"b"}`,
	} {
		if box := r.open(t, r.session(server, tools)); len(box.Tools)+len(box.Problems) != 0 {
			t.Errorf("%s: %+v", tools, box)
		}
	}
	if seen := f.seen(); len(seen) != 0 {
		t.Errorf("the server was asked: %v", seen)
	}
	if _, err := r.Open(t.Context(), "acme", r.session("{", "")); err == nil {
		t.Error("an agent that is not JSON is no error")
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.tools = `{"tools":[{"name":"x","inputSchema":{}},{"name":"y","inputSchema":{}}]}`
	r := start(t, nil)
	for config, want := range map[string]string{
		``: "x y",
		`,"default_config":{"permission_policy":"always_ask"}`:                                                                                     "x? y?",
		`,"default_config":{"permission_policy":{"type":"always_ask"}},"configs":[{"name":"x","permission_policy":"always_allow"}]`:                "x y?",
		`,"configs":[{"name":"x","permission_policy":"always_deny"}]`:                                                                              "y",
		`,"default_config":{"enabled":false},"configs":[{"name":"x","enabled":true}]`:                                                              "x",
		`,"default_config":{"permission_policy":"always_deny"},"configs":[{"name":"x","permission_policy":"always_ask"}]`:                          "x?",
		`,"default_config":{"enabled":false,"permission_policy":"always_ask"},"configs":[{"name":"y","enabled":true},{"name":"z","enabled":true}]`: "y?",
		`,"configs":[{"name":"x","enabled":false},{"name":"y","permission_policy":"always_ask"}]`:                                                  "y?",
	} {
		server := fmt.Sprintf(`{"type":"http","name":"a","url":%q}`, f.URL)
		box := r.open(t, r.session(server, `{"type":"mcp_toolset","mcp_server_name":"a"`+config+`}`))
		var got []string
		for _, tool := range box.Tools {
			name := tool.Name
			if tool.Ask {
				name += "?"
			}
			got = append(got, name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: want %s, got %v", config, want, got)
		}
	}
}

// The list of tools is asked once for some time, by account and credential.
func TestListsAreRemembered(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	now := time.Now()
	tokens := tokens{"": "one"}
	r := start(t, func(o *mcptools.Options) {
		o.Now = func() time.Time { return now }
		o.Credentials = tokens
	})
	r.vaults = []string{"vlt_1"}
	asked := func(account string) bool {
		before := f.count("POST tools/list")
		box, err := r.Open(t.Context(), account, r.agent("http", f.URL))
		if err != nil || len(box.Tools) != 1 {
			t.Fatalf("%+v, %v", box, err)
		}
		defer box.Close()
		return f.count("POST tools/list") != before
	}
	for i, c := range []struct {
		account string
		change  func()
		want    bool
	}{
		{"acme", func() {}, true},
		{"acme", func() {}, false},
		{"other", func() {}, true},
		{"acme", func() { tokens[""] = "two" }, true},
		{"acme", func() { now = now.Add(59 * time.Second) }, false},
		{"acme", func() { now = now.Add(time.Second) }, true},
	} {
		c.change()
		if got := asked(c.account); got != c.want {
			t.Errorf("step %d: want %v, got %v", i, c.want, got)
		}
	}
	// A session begins when a tool is first run.
	tool := r.tool(t, r.agent("http", f.URL))
	f.seen()
	if got := run(t, tool, `{}`); got.Text != "echo {}" || f.count("POST initialize") != 1 {
		t.Errorf("%+v after %v", got, f.seen())
	}
}

// tokens are the credentials of one server, by the token that it refused.
type tokens map[string]string

func (c tokens) Bearer(_ context.Context, account string, vaults []string, url, refused string) (string, error) {
	if account == "" || len(vaults) != 1 || url == "" {
		return "", errors.New("unexpected arguments")
	}
	token, ok := c[refused]
	if !ok {
		return "", errors.New("the vault's credential was refused; update it")
	}
	return token, nil
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tokens  mcptools.Credentials
		vaults  []string
		problem string
		sent    []string
	}{
		"accepted":        {tokens{"": "good"}, []string{"vlt_1"}, "", []string{"Bearer good"}},
		"refreshed":       {tokens{"": "old", "old": "good"}, []string{"vlt_1"}, "", []string{"Bearer old", "Bearer good"}},
		"refused":         {tokens{"": "old"}, []string{"vlt_1"}, "The credential for it cannot be used: the vault's credential was refused; update it.", []string{"Bearer old"}},
		"refused twice":   {tokens{"": "old", "old": "bad"}, []string{"vlt_1"}, "It refused the request with the status 401; a vault of the session needs a credential for its URL that it accepts.", nil},
		"none fits":       {tokens{"": ""}, []string{"vlt_1"}, "It refused the request with the status 401; a vault of the session needs a credential for its URL that it accepts.", []string{""}},
		"no vault":        {tokens{"": "good"}, nil, "It refused the request with the status 401; a vault of the session needs a credential for its URL that it accepts.", []string{""}},
		"no vaults known": {nil, []string{"vlt_1"}, "It refused the request with the status 401; a vault of the session needs a credential for its URL that it accepts.", []string{""}},
		"wrong":           {tokens{}, []string{"vlt_1"}, "The credential for it cannot be used: the vault's credential was refused; update it.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			handler := f.ServeHTTP
			strict := newFake(t)
			for _, method := range []string{"server/discover", "initialize", "notifications/initialized", "tools/list", "tools/call", "DELETE"} {
				strict.on(method, func(w http.ResponseWriter, r *http.Request, m message) {
					if r.Header.Get("Authorization") != "Bearer good" {
						http.Error(w, "SECRET BODY", http.StatusUnauthorized)
						return
					}
					body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": m.ID, "method": m.Method, "params": m.Params})
					inner := r.Clone(r.Context())
					inner.Body = io.NopCloser(strings.NewReader(string(body)))
					handler(w, inner)
				})
			}
			r := start(t, func(o *mcptools.Options) { o.Credentials = c.tokens })
			r.vaults = c.vaults
			box := r.open(t, r.agent("http", strict.URL))
			switch {
			case c.problem == "" && (len(box.Tools) != 1 || run(t, box.Tools[0], "{}").Failed):
				t.Errorf("%+v", box)
			case c.problem != "" && !cmp.Equal(box.Problems, []string{`The MCP server "a" could not be used. ` + c.problem}):
				t.Errorf("%q", box.Problems)
			}
			if got := strict.authorizations(); c.sent != nil && !cmp.Equal(got, c.sent) {
				t.Errorf("want %q, got %q", c.sent, got)
			}
			if all := fmt.Sprint(box.Problems); strings.Contains(all, "Bearer") || strings.Contains(all, "SECRET") {
				t.Errorf("a secret is shown: %s", all)
			}
		})
	}
}

// A credential is not sent to another origin, whatever the server says.
func TestCredentialsStayWithTheirServer(t *testing.T) {
	t.Parallel()
	other := newFake(t)
	redirecting, older := newFake(t), newFake(t)
	redirecting.on("initialize", func(w http.ResponseWriter, r *http.Request, _ message) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	older.on("initialize", status(404))
	older.on("GET", func(w http.ResponseWriter, r *http.Request, m message) {
		reply(w, "text/event-stream", "event: endpoint\ndata: "+other.URL+"\n\n")
		hangs(w, r, m)
	})
	r := start(t, func(o *mcptools.Options) { o.Credentials = tokens{"": "canary"} })
	r.vaults = []string{"vlt_1"}
	box := r.open(t, r.agent("url", redirecting.URL, older.URL))
	want := []string{
		`The MCP server "a" could not be used. It redirects with the status 307, which is not followed; use the URL that it redirects to.`,
		`The MCP server "b" could not be used. It sends its clients to another host, which is not allowed.`,
	}
	if diff := cmp.Diff(want, box.Problems); diff != "" {
		t.Error(diff)
	}
	if seen := other.seen(); len(seen) != 0 {
		t.Errorf("the other server got %v", seen)
	}
}

// Requests go only where the operator allows.
func TestHostsAreChecked(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for allowed, want := range map[string]string{
		"":  "This server does not allow requests to the host '" + host(t, f.URL) + "'; its operator can.",
		"*": "The host '127.0.0.1' has an address that requests may not go to; a private one is allowed by the operator.",
	} {
		hosts, err := egress.ParseHosts(strings.Fields(allowed))
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, func(o *mcptools.Options) { o.Egress = egress.New(hosts) })
		box := r.open(t, r.agent("http", f.URL))
		if diff := cmp.Diff([]string{`The MCP server "a" could not be used. ` + want}, box.Problems); diff != "" {
			t.Error(diff)
		}
	}
	if seen := f.seen(); len(seen) != 0 {
		t.Errorf("the server got %v", seen)
	}
	r := start(t, nil)
	if box := r.open(t, r.agent("http", "http://%zz")); !cmp.Equal(box.Problems, []string{`The MCP server "a" could not be used. Its URL is not valid.`}) {
		t.Errorf("%q", box.Problems)
	}
}
