package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/cloud-sessions/sessions/client"
)

// A session in five lines. The token is the environment variable QODER_PAT.
func Example() {
	c, err := client.New()
	if err != nil {
		log.Fatal(err)
	}
	session, err := c.Sessions.Create(context.Background(), &client.CreateSessionRequest{
		Agent:         client.AgentRef{ID: "agent_019e390add9f7bac9b6cc806db46fcbd"},
		EnvironmentID: "env_019e2590d33f711fabf42f2857cecd8a",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.ID, session.Status)
}

// A server of one's own, and options for a whole client.
func ExampleNew() {
	c, err := client.New(
		client.WithToken("pt-secret"),
		client.WithBaseURL("http://127.0.0.1:8080/api/v1/cloud"),
		client.WithMaxRetries(5),
		client.WithTimeout(20*time.Second),
	)
	fmt.Println(c != nil, err)

	_, err = client.New(client.WithBaseURL("127.0.0.1:8080"))
	fmt.Println(err)
	// Output:
	// true <nil>
	// client.New: base URL "127.0.0.1:8080" is malformed: want http or https, a host and a path, such as https://openapi.qoder.sh/api/v1/cloud
}

// A middleware sees every attempt.
func ExampleWithMiddleware() {
	c, srv := demo(client.WithMiddleware(func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			resp, err := next(req)
			if err == nil {
				fmt.Println(req.Method, req.URL.Path, resp.StatusCode)
			}
			return resp, err
		}
	}))
	defer srv.Close()
	if _, err := c.Sessions.Get(context.Background(), "sess_1"); err != nil {
		slog.Error("get", "error", err)
	}
	// Output: GET /api/v1/cloud/sessions/sess_1 200
}

// Errors are told apart with errors.Is and read with errors.As.
func ExampleError() {
	c, srv := demo()
	defer srv.Close()
	_, err := c.Agents.Get(context.Background(), "agent_unknown", nil)
	fmt.Println(errors.Is(err, client.ErrNotFound))
	var failure *client.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Status, failure.RequestID)
	}
	fmt.Println(err)
	// Output:
	// true
	// 404 req_7
	// Agents.Get: 404 not_found_error: Agent 'agent_unknown' was not found. (request id req_7)
}

func ExampleSessionService_Create() {
	c, srv := demo()
	defer srv.Close()
	session, err := c.Sessions.Create(context.Background(), &client.CreateSessionRequest{
		Agent:         client.AgentRef{ID: "agent_1", Version: 2},
		EnvironmentID: "env_1",
		Title:         new("我的会话"),
		Metadata:      client.Metadata{"purpose": "customer-support"},
	}, client.WithIdempotencyKey("order-4711"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.ID, session.Status == client.SessionStatusIdle)
	// Output: sess_1 true
}

func ExampleSessionService_Get() {
	c, srv := demo()
	defer srv.Close()
	session, err := c.Sessions.Get(context.Background(), "sess_1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.ID, session.Title, session.Usage.InputTokens)
	// Output: sess_1 我的会话 1203
}

// Page by page.
func ExampleSessionService_List() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	page, err := c.Sessions.List(ctx, &client.ListSessionsParams{Limit: new(int32(2)), Order: new(client.ListOrderAsc)})
	for err == nil {
		fmt.Println(len(page.Data), page.LastID, page.HasMore)
		page, err = page.Next(ctx)
	}
	fmt.Println(err)
	// Output:
	// 2 sess_2 true
	// 1 sess_3 false
	// EOF
}

func ExampleSessionService_All() {
	c, srv := demo()
	defer srv.Close()
	for session, err := range c.Sessions.All(context.Background(), nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(session.ID)
	}
	// Output:
	// sess_1
	// sess_2
	// sess_3
}

func ExampleAgentService_Create() {
	c, srv := demo()
	defer srv.Close()
	agent, err := c.Agents.Create(context.Background(), &client.CreateAgentRequest{
		Name:   "release-notes",
		Model:  "auto",
		System: new("You write release notes."),
		Tools: []client.AgentTool{
			client.NewAgentTool(client.BuiltinToolset{
				EnabledTools: []client.BuiltinTool{client.BuiltinToolRead, client.BuiltinToolGrep},
			}),
			client.NewAgentTool(client.McpToolset{McpServerName: "tracker"}),
		},
		McpServers: []client.McpServer{
			client.NewMcpServer(client.McpServerURL{Name: "tracker", URL: "https://mcp.tracker.dev/sse"}),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(agent.ID, agent.Version)
	// Output: agent_1 1
}

func ExampleEnvironmentService_Create() {
	c, srv := demo()
	defer srv.Close()
	environment, err := c.Environments.Create(context.Background(), &client.CreateEnvironmentRequest{
		Name: "ci",
		Config: client.NewEnvironmentConfig(client.CloudConfig{
			Networking: &client.Networking{
				Type:                 client.NetworkingTypeLimited,
				AllowedHosts:         []string{"proxy.golang.org"},
				AllowPackageManagers: new(true),
			},
			Packages: &client.Packages{Apt: []string{"git"}},
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(environment.ID, environment.Status)
	// Output: env_1 ready
}

// demo is a client of a small stand-in for a server.
func demo(opts ...client.Option) (*client.Client, *httptest.Server) {
	mux := http.NewServeMux()
	reply := func(pattern string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	const session = `{"id":"sess_1","status":"idle","title":"我的会话","usage":{"input_tokens":1203}}`
	reply("POST /api/v1/cloud/sessions", 201, session)
	reply("GET /api/v1/cloud/sessions/sess_1", 200, session)
	reply("POST /api/v1/cloud/agents", 201, `{"id":"agent_1","version":1}`)
	reply("POST /api/v1/cloud/environments", 201, `{"id":"env_1","status":"ready"}`)
	reply("GET /api/v1/cloud/agents/agent_unknown", 404, `{"type":"error","request_id":"req_7",
		"error":{"type":"not_found_error","message":"Agent 'agent_unknown' was not found."}}`)
	mux.HandleFunc("GET /api/v1/cloud/sessions", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") == "" {
			fmt.Fprint(w, `{"data":[{"id":"sess_1"},{"id":"sess_2"}],"first_id":"sess_1","last_id":"sess_2","has_more":true,"next_page":"sess_2"}`)
			return
		}
		fmt.Fprint(w, `{"data":[{"id":"sess_3"}],"first_id":"sess_3","last_id":"sess_3","has_more":false,"next_page":null}`)
	})
	srv := httptest.NewServer(mux)
	c, err := client.New(append([]client.Option{
		client.WithToken("pt-secret"), client.WithBaseURL(srv.URL + "/api/v1/cloud"),
	}, opts...)...)
	if err != nil {
		log.Fatal(err)
	}
	return c, srv
}
