package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/client"
)

// ids fills the path templates of the spec.
var ids = strings.NewReplacer("{session_id}", "sess_1", "{agent_id}", "agent_1", "{environment_id}", "env_1")

// operations calls every operation of the contract, by its id, and returns what the method returned.
func operations(ctx context.Context, c *client.Client) map[string]func(...client.Option) (any, error) {
	return map[string]func(...client.Option) (any, error){
		"createSession": func(o ...client.Option) (any, error) {
			return c.Sessions.Create(ctx, &client.CreateSessionRequest{
				Agent: client.AgentRef{ID: "agent_1", Version: 2}, EnvironmentID: "env_1",
				Title: new("我的会话"), Metadata: client.Metadata{"purpose": "test"}, DeltaFlushIntervalMs: new(int32(250)),
				Resources: []client.SessionResourceInput{{Type: client.ResourceTypeFile, FileID: "file_1"}},
			}, o...)
		},
		"getSession":   func(o ...client.Option) (any, error) { return c.Sessions.Get(ctx, "sess_1", o...) },
		"listSessions": func(o ...client.Option) (any, error) { return c.Sessions.List(ctx, nil, o...) },
		"createAgent": func(o ...client.Option) (any, error) {
			return c.Agents.Create(ctx, &client.CreateAgentRequest{
				Name: "notes", Model: "auto",
				Tools: []client.AgentTool{
					client.NewAgentTool(client.BuiltinToolset{EnabledTools: []client.BuiltinTool{client.BuiltinToolRead}}),
					client.NewAgentTool(client.CustomTool{Name: "get_changes", InputSchema: client.JSONSchema(`{"type":"object"}`)}),
					client.NewAgentTool(client.McpToolset{McpServerName: "tracker"}),
				},
				McpServers: []client.McpServer{
					client.NewMcpServer(client.McpServerURL{Name: "tracker", URL: "https://mcp.tracker.dev/sse"}),
					client.NewMcpServer(client.McpServerHTTP{Name: "other", URL: "https://mcp.tracker.dev/mcp"}),
				},
			}, o...)
		},
		"getAgent": func(o ...client.Option) (any, error) {
			return c.Agents.Get(ctx, "agent_1", &client.GetAgentParams{Version: new(client.AgentVersion(2))}, o...)
		},
		"listAgents": func(o ...client.Option) (any, error) { return c.Agents.List(ctx, nil, o...) },
		"createEnvironment": func(o ...client.Option) (any, error) {
			return c.Environments.Create(ctx, &client.CreateEnvironmentRequest{
				Name: "ci", Config: client.NewEnvironmentConfig(client.CloudConfig{
					Networking: &client.Networking{Type: client.NetworkingTypeLimited, AllowedHosts: []string{"proxy.golang.org"}},
					Packages:   &client.Packages{Apt: []string{"git"}},
				}),
			}, o...)
		},
		"getEnvironment":   func(o ...client.Option) (any, error) { return c.Environments.Get(ctx, "env_1", o...) },
		"listEnvironments": func(o ...client.Option) (any, error) { return c.Environments.List(ctx, nil, o...) },
	}
}

// eachOperation runs test for every operation of the spec.
func eachOperation(t *testing.T, test func(t *testing.T, method, path string, op *openapi3.Operation)) {
	t.Helper()
	doc, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			t.Run(op.OperationID, func(t *testing.T) { test(t, method, path, op) })
		}
	}
}

// Every operation has exactly one method that names it, on the service of its tag, in the tag's file;
// and no method names an operation that is not there.
func TestEveryOperationHasAMethod(t *testing.T) {
	type place struct{ File, Service, Method, Path string }
	found := map[string]place{}
	line := regexp.MustCompile(`(?m)^Operation (\w+): ([A-Z]+) (\S+)\.$`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv == nil {
				continue
			}
			for _, m := range line.FindAllStringSubmatch(fn.Doc.Text(), -1) {
				if old, twice := found[m[1]]; twice {
					t.Errorf("%s and %s both name %s", old.File, name, m[1])
				}
				star, _ := fn.Recv.List[0].Type.(*ast.StarExpr)
				found[m[1]] = place{name, star.X.(*ast.Ident).Name, m[2], m[3]}
			}
		}
	}
	eachOperation(t, func(t *testing.T, method, path string, op *openapi3.Operation) {
		tag := op.Tags[0]
		field, ok := reflect.TypeFor[client.Client]().FieldByName(tag)
		if !ok {
			t.Fatalf("Client has no field %s", tag)
		}
		want := place{strings.ToLower(tag) + ".go", field.Type.Elem().Name(), method, path}
		if diff := cmp.Diff(want, found[op.OperationID]); diff != "" {
			t.Errorf("the method of %s (-want +got):\n%s", op.OperationID, diff)
		}
		delete(found, op.OperationID)
	})
	if len(found) > 0 {
		t.Errorf("methods name operations that the spec does not have: %v", found)
	}
}

// Every operation sends what the spec asks for and reads the spec's own example.
func TestEveryOperationOnTheWire(t *testing.T) {
	eachOperation(t, func(t *testing.T, method, path string, op *openapi3.Operation) {
		status, example := successExample(t, op)
		c, rec := scripted(t, []client.RoundTripFunc{answer(status, example)})
		run, ok := operations(t.Context(), c)[op.OperationID]
		if !ok {
			t.Fatalf("no test calls %s", op.OperationID)
		}
		got, err := run()
		if err != nil {
			t.Fatal(err)
		}
		req := rec.last()
		if want := "/api/v1/cloud" + ids.Replace(path); req.Method != method || req.URL.Path != want {
			t.Errorf("sent %s %s, want %s %s", req.Method, req.URL.Path, method, want)
		}
		for name, want := range map[string]string{
			"Authorization": "Bearer " + token, "Accept": "application/json", "User-Agent": client.DefaultUserAgent,
		} {
			if got := req.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if keyed, write := req.Header.Get("Idempotency-Key") != "", method != http.MethodGet; keyed != write {
			t.Errorf("%s carries an idempotency key: %v", method, keyed)
		}
		if body := op.RequestBody; body != nil {
			var sent any
			if err := json.Unmarshal([]byte(rec.bodies[0]), &sent); err != nil {
				t.Fatal(err)
			}
			if err := body.Value.Content["application/json"].Schema.Value.VisitJSON(sent); err != nil {
				t.Errorf("the body is not the spec's: %v", err)
			}
		}
		var want, have any
		if json.Unmarshal([]byte(example), &want) != nil || json.Unmarshal([]byte(toJSON(t, got)), &have) != nil {
			t.Fatal("no JSON")
		}
		if strings.HasPrefix(op.OperationID, "list") {
			want = map[string]any{"data": []any{}, "first_id": "", "last_id": "", "has_more": false, "next_page": ""}
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("the example lost something (-want +got):\n%s", diff)
		}
	})
}

// successExample is the first success of an operation that has an example.
func successExample(t *testing.T, op *openapi3.Operation) (int, string) {
	t.Helper()
	for _, status := range []int{200, 201} {
		if r := op.Responses.Status(status); r != nil {
			for _, example := range r.Value.Content["application/json"].Examples {
				return status, toJSON(t, example.Value.Value)
			}
		}
	}
	t.Fatal("no example")
	return 0, ""
}

// Every operation fails well in the ways that all of them can fail.
func TestEveryOperationFails(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	cases := []struct {
		name string
		ctx  context.Context
		step client.RoundTripFunc
		opts []client.Option
		is   error
		sent bool
	}{
		{"refused connection", nil, refuse(io.ErrClosedPipe), nil, io.ErrClosedPipe, true},
		{"canceled context", canceled, answer(200, `{}`), nil, context.Canceled, false},
		{"no token", nil, answer(200, `{}`), []client.Option{client.WithToken("")}, client.ErrAuthentication, false},
		{"bad option", nil, answer(200, `{}`), []client.Option{client.WithMaxRetries(-1)}, client.ErrInvalidRequest, false},
		{"not found", nil, answer(404, envelope("not_found_error", "gone")), nil, client.ErrNotFound, true},
		{"no body", nil, answer(200, ``), nil, client.ErrUnexpectedResponse, true},
		{"HTML", nil, answer(200, `<html>`, "Content-Type: text/html"), nil, client.ErrUnexpectedResponse, true},
		{"half of the JSON", nil, answer(200, `{"id":"se`), nil, client.ErrUnexpectedResponse, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			ctx := tc.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			c, rec := scripted(t, []client.RoundTripFunc{tc.step})
			for id, run := range operations(ctx, c) {
				rec.requests = nil
				result, err := run(tc.opts...)
				if !errors.Is(err, tc.is) {
					t.Errorf("%s: error %v, want %v", id, err, tc.is)
				}
				if e := asError(t, err); !strings.HasPrefix(strings.ToLower(id), strings.ToLower(e.Op[strings.Index(e.Op, ".")+1:])) {
					t.Errorf("%s: Op is %q", id, e.Op)
				}
				if !reflect.ValueOf(result).IsNil() {
					t.Errorf("%s: a result beside the error", id)
				}
				if sent := len(rec.requests) > 0; sent != tc.sent {
					t.Errorf("%s: sent: %v", id, sent)
				}
			}
		})
	}
}
