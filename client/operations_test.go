package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/doc"
	"go/parser"
	gotoken "go/token"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/client"
)

// ids fills the path templates of the spec.
var ids = strings.NewReplacer("{session_id}", "sess_1", "{agent_id}", "agent_1", "{environment_id}", "env_1", "{resource_id}", "sesr_1")

// aliases are operations without a method: each is another one under a second HTTP method, for callers
// that send it, and would add nothing but a name.
var aliases = map[string]string{"putAgent": "updateAgent", "putEnvironment": "updateEnvironment"}

// operation is a method of the client.
type operation struct {
	id      string // the operation that it calls; two methods may share one
	op      string // the method's name in errors
	example string // the component example of its answer, when the operation's own is another method's
	call    func(...client.Option) (any, error)
}

// operations is every method that calls an operation of the contract.
func operations(ctx context.Context, c *client.Client) []operation {
	file := client.SessionResourceInput{Type: client.ResourceTypeFile, FileID: "file_1", MountPath: new("/mnt/a.csv")}
	return []operation{
		{"createSession", "Sessions.Create", "", func(o ...client.Option) (any, error) {
			return c.Sessions.Create(ctx, &client.CreateSessionRequest{
				Agent: client.AgentRef{ID: "agent_1", Version: 2}, EnvironmentID: "env_1",
				Title: new("我的会话"), Metadata: client.Metadata{"purpose": "test"}, DeltaFlushIntervalMS: new(int32(250)),
				Resources: []client.SessionResourceInput{{Type: client.ResourceTypeFile, FileID: "file_1"}},
			}, o...)
		}},
		{"getSession", "Sessions.Get", "", func(o ...client.Option) (any, error) { return c.Sessions.Get(ctx, "sess_1", o...) }},
		{"listSessions", "Sessions.List", "", func(o ...client.Option) (any, error) { return c.Sessions.List(ctx, nil, o...) }},
		{"updateSession", "Sessions.Update", "", func(o ...client.Option) (any, error) {
			return c.Sessions.Update(ctx, "sess_1", &client.UpdateSessionRequest{
				Title: client.Clear[string](), Metadata: client.MetadataPatch{"purpose": nil, "ticket": new("T-1029")},
			}, o...)
		}},
		{"deleteSession", "Sessions.Delete", "", func(o ...client.Option) (any, error) { return c.Sessions.Delete(ctx, "sess_1", o...) }},
		{"archiveSession", "Sessions.Archive", "", func(o ...client.Option) (any, error) { return c.Sessions.Archive(ctx, "sess_1", o...) }},
		{"cancelSession", "Sessions.Cancel", "", func(o ...client.Option) (any, error) { return c.Sessions.Cancel(ctx, "sess_1", o...) }},
		{"sendEvents", "Sessions.Events.Send", "", func(o ...client.Option) (any, error) {
			return sent(c.Sessions.Events.Send(ctx, "sess_1", []client.EventInput{client.NewUserMessage("你好", "!")}, o...))
		}},
		{"sendEvents", "Sessions.Events.SendMessage", "", func(o ...client.Option) (any, error) {
			return sentOne(c.Sessions.Events.SendMessage(ctx, "sess_1", "你好", o...))
		}},
		{"sendEvents", "Sessions.Events.Interrupt", "", func(o ...client.Option) (any, error) {
			return sentOne(c.Sessions.Events.Interrupt(ctx, "sess_1", o...))
		}},
		{"listEvents", "Sessions.Events.List", "", func(o ...client.Option) (any, error) {
			return c.Sessions.Events.List(ctx, "sess_1", &client.ListEventsParams{Types: []client.EventType{client.EventTypeAgentMessage}}, o...)
		}},
		{"streamEvents", "Sessions.Events.Stream", "", func(o ...client.Option) (any, error) {
			for event, err := range c.Sessions.Events.Stream(ctx, "sess_1", nil, o...) {
				if err != nil {
					return (*client.Event)(nil), err
				}
				return &event, nil
			}
			return (*client.Event)(nil), nil
		}},
		{"addSessionResources", "Sessions.Resources.Add", "SessionResource", func(o ...client.Option) (any, error) {
			return c.Sessions.Resources.Add(ctx, "sess_1", &file, o...)
		}},
		{"addSessionResources", "Sessions.Resources.AddAll", "Session", func(o ...client.Option) (any, error) {
			return c.Sessions.Resources.AddAll(ctx, "sess_1", []client.SessionResourceInput{file}, o...)
		}},
		{"getSessionResource", "Sessions.Resources.Get", "", func(o ...client.Option) (any, error) {
			return c.Sessions.Resources.Get(ctx, "sess_1", "sesr_1", o...)
		}},
		{"listSessionResources", "Sessions.Resources.List", "", func(o ...client.Option) (any, error) {
			return c.Sessions.Resources.List(ctx, "sess_1", nil, o...)
		}},
		{"deleteSessionResource", "Sessions.Resources.Delete", "", func(o ...client.Option) (any, error) {
			return c.Sessions.Resources.Delete(ctx, "sess_1", "sesr_1", o...)
		}},
		{"createAgent", "Agents.Create", "", func(o ...client.Option) (any, error) {
			return c.Agents.Create(ctx, &client.CreateAgentRequest{
				Name: "notes", Model: "auto",
				Tools: []client.AgentTool{
					client.NewAgentTool(client.BuiltinToolset{
						EnabledTools:  []client.BuiltinTool{client.BuiltinToolRead},
						DefaultConfig: &client.ToolConfig{PermissionPolicy: new(client.PermissionPolicyAlwaysAllow)},
						Configs:       []client.NamedToolConfig{{Name: client.BuiltinToolBash, PermissionPolicy: new(client.PermissionPolicyAlwaysAsk)}},
					}),
					client.NewAgentTool(client.CustomTool{Name: "get_changes", InputSchema: client.JSONSchema(`{"type":"object"}`)}),
					client.NewAgentTool(client.MCPToolset{MCPServerName: "tracker"}),
				},
				MCPServers: []client.MCPServer{
					client.NewMCPServer(client.MCPServerURL{Name: "tracker", URL: "https://mcp.tracker.example/sse"}),
					client.NewMCPServer(client.MCPServerHTTP{Name: "other", URL: "https://mcp.tracker.example/mcp"}),
				},
				Skills: []client.AgentSkill{{Type: client.SkillTypeCustom, SkillID: "skill_1"}},
			}, o...)
		}},
		{"getAgent", "Agents.Get", "", func(o ...client.Option) (any, error) {
			return c.Agents.Get(ctx, "agent_1", &client.GetAgentParams{Version: new(client.AgentVersion(2))}, o...)
		}},
		{"listAgents", "Agents.List", "", func(o ...client.Option) (any, error) { return c.Agents.List(ctx, nil, o...) }},
		{"updateAgent", "Agents.Update", "", func(o ...client.Option) (any, error) {
			return c.Agents.Update(ctx, "agent_1", &client.UpdateAgentRequest{
				Version: 2, Model: new(client.ModelRef("auto")), System: new(""), Tools: []client.AgentTool{},
				Metadata: client.MetadataPatch{"team": new("docs"), "owner": nil},
			}, o...)
		}},
		{"deleteAgent", "Agents.Delete", "", func(o ...client.Option) (any, error) { return c.Agents.Delete(ctx, "agent_1", o...) }},
		{"archiveAgent", "Agents.Archive", "", func(o ...client.Option) (any, error) { return c.Agents.Archive(ctx, "agent_1", o...) }},
		{"listAgentVersions", "Agents.ListVersions", "", func(o ...client.Option) (any, error) {
			return c.Agents.ListVersions(ctx, "agent_1", nil, o...)
		}},
		{"createEnvironment", "Environments.Create", "", func(o ...client.Option) (any, error) {
			return c.Environments.Create(ctx, &client.CreateEnvironmentRequest{
				Name: "ci", Config: client.NewEnvironmentConfig(client.CloudConfig{
					Networking: &client.Networking{Type: client.NetworkingTypeLimited, AllowedHosts: []string{"api.tracker.example"}},
					Packages:   &client.Packages{Apt: []string{"git"}},
				}),
			}, o...)
		}},
		{"getEnvironment", "Environments.Get", "", func(o ...client.Option) (any, error) { return c.Environments.Get(ctx, "env_1", o...) }},
		{"listEnvironments", "Environments.List", "", func(o ...client.Option) (any, error) { return c.Environments.List(ctx, nil, o...) }},
		{"updateEnvironment", "Environments.Update", "", func(o ...client.Option) (any, error) {
			return c.Environments.Update(ctx, "env_1", &client.UpdateEnvironmentRequest{
				Name: new("ci"), Config: new(client.NewEnvironmentConfig(client.SelfHostedConfig{})),
				Metadata: client.MetadataPatch{"owner": new("platform")},
			}, o...)
		}},
		{"deleteEnvironment", "Environments.Delete", "", func(o ...client.Option) (any, error) { return c.Environments.Delete(ctx, "env_1", o...) }},
		{"archiveEnvironment", "Environments.Archive", "", func(o ...client.Option) (any, error) {
			return c.Environments.Archive(ctx, "env_1", o...)
		}},
		{"listModels", "Models.List", "", func(o ...client.Option) (any, error) { return c.Models.List(ctx, o...) }},
	}
}

// sent is the answer of sendEvents again.
func sent(events []client.Event, err error) (map[string][]client.Event, error) {
	if err != nil {
		return nil, err
	}
	return map[string][]client.Event{"data": events}, nil
}

func sentOne(event *client.Event, err error) (map[string][]client.Event, error) {
	if err != nil {
		return nil, err
	}
	return sent([]client.Event{*event}, nil)
}

// service is a service of the client and where it is.
type service struct{ tag, file, name string }

// services lists the services of the client and the services that these hold, by the name of their type.
func services() map[string]service {
	found := map[string]service{}
	var walk func(holder reflect.Type, tag string)
	walk = func(holder reflect.Type, tag string) {
		for i := range holder.NumField() {
			field := holder.Field(i)
			if !field.IsExported() {
				continue
			}
			s := service{tag, strings.ToLower(field.Name) + ".go", field.Type.Elem().Name()}
			if s.tag == "" {
				s.tag = field.Name
			}
			found[s.name] = s
			walk(field.Type.Elem(), s.tag)
		}
	}
	walk(reflect.TypeFor[client.Client](), "")
	return found
}

// spec is the contract, parsed once.
var spec = sync.OnceValues(api.Load)

// eachOperation runs test for every operation of the spec.
func eachOperation(t *testing.T, test func(t *testing.T, method, path string, op *openapi3.Operation)) {
	t.Helper()
	contract, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range contract.Paths.Map() {
		for method, op := range item.Operations() {
			t.Run(op.OperationID, func(t *testing.T) { test(t, method, path, op) })
		}
	}
}

// eventFiles have what services do with events.
var eventFiles = []string{"events.go", "stream.go"}

// Every operation has a method that names it, on a service of its tag, in the service's file, or in one of those
// on events; only an operation that several methods in the list above call has several. No method names an operation that is
// not there.
func TestEveryOperationHasAMethod(t *testing.T) {
	type place struct{ Tag, Method, Path string }
	found, names := map[string][]place{}, map[string][]string{}
	line := regexp.MustCompile(`(?m)^Operation (\w+): ([A-Z]+) (\S+)\.$`)
	known := services()
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
				star, _ := fn.Recv.List[0].Type.(*ast.StarExpr)
				s := known[star.X.(*ast.Ident).Name]
				if slices.Contains(eventFiles, name) {
					s.tag, s.file = "Events", name
				}
				if s.file != name {
					t.Errorf("%s.%s is in %s, want %s", s.name, fn.Name, name, s.file)
				}
				found[m[1]] = append(found[m[1]], place{s.tag, m[2], m[3]})
				names[m[1]] = append(names[m[1]], fn.Name.Name)
			}
		}
	}
	called := map[string][]string{}
	for _, o := range operations(t.Context(), newClient(t)) {
		called[o.id] = append(called[o.id], o.op[strings.LastIndex(o.op, ".")+1:])
	}
	eachOperation(t, func(t *testing.T, method, path string, op *openapi3.Operation) {
		if _, alias := aliases[op.OperationID]; alias {
			return
		}
		for _, got := range found[op.OperationID] {
			if diff := cmp.Diff(place{op.Tags[0], method, path}, got); diff != "" {
				t.Errorf("the method of %s (-want +got):\n%s", op.OperationID, diff)
			}
		}
		if diff := cmp.Diff(called[op.OperationID], names[op.OperationID]); diff != "" || len(found[op.OperationID]) == 0 {
			t.Errorf("the methods of %s (-called +named):\n%s", op.OperationID, diff)
		}
		delete(found, op.OperationID)
	})
	if len(found) > 0 {
		t.Errorf("methods name operations that the spec does not have: %v", found)
	}
}

// Every service has an example that runs.
func TestEveryServiceHasAnExample(t *testing.T) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "example_test.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	run := map[string]bool{}
	for _, e := range doc.Examples(file) {
		service, _, _ := strings.Cut(e.Name, "_")
		run[service] = run[service] || e.Output != ""
	}
	for name := range services() {
		if !run[name] {
			t.Errorf("%s has no example that runs", name)
		}
	}
}

// An alias takes and answers what the operation that stands for it does, at the same path.
func TestAliases(t *testing.T) {
	type shape struct{ Path, Body, Answer string }
	shapes := map[string]shape{}
	eachOperation(t, func(_ *testing.T, _, path string, op *openapi3.Operation) {
		s := shape{Path: path}
		if op.RequestBody != nil {
			s.Body = op.RequestBody.Value.Content["application/json"].Schema.Ref
		}
		if ok := op.Responses.Status(http.StatusOK); ok != nil && ok.Value.Content["application/json"] != nil {
			s.Answer = ok.Value.Content["application/json"].Schema.Ref
		}
		shapes[op.OperationID] = s
	})
	for alias, id := range aliases {
		if shapes[alias] != shapes[id] || shapes[id].Body == "" {
			t.Errorf("%s is %+v, but %s is %+v", alias, shapes[alias], id, shapes[id])
		}
	}
}

// Every operation sends what the spec asks for and reads the spec's own example.
func TestEveryOperationOnTheWire(t *testing.T) {
	eachOperation(t, func(t *testing.T, method, path string, op *openapi3.Operation) {
		if _, alias := aliases[op.OperationID]; alias {
			return
		}
		tested := false
		for _, o := range operations(t.Context(), nil) {
			if o.id == op.OperationID {
				tested = true
				t.Run(o.op, func(t *testing.T) { onTheWire(t, o.op, method, path, op) })
			}
		}
		if !tested {
			t.Errorf("no test calls %s", op.OperationID)
		}
	})
}

// onTheWire holds one method against its operation.
func onTheWire(t *testing.T, name, method, path string, op *openapi3.Operation) {
	steps := make([]client.RoundTripFunc, 1)
	c, rec := scripted(t, steps)
	all := operations(t.Context(), c)
	run := all[slices.IndexFunc(all, func(o operation) bool { return o.op == name })]
	status, example := successExample(t, op, run.example)
	steps[0] = answer(status, example)
	accept := "application/json"
	if op.OperationID == "streamEvents" {
		steps[0], accept = streamBody("data: "+example+"\n\n", nil), "text/event-stream"
	}
	got, err := run.call()
	if err != nil {
		t.Fatal(err)
	}
	req := rec.last()
	if want := "/api/v1/cloud" + ids.Replace(path); req.Method != method || req.URL.Path != want {
		t.Errorf("sent %s %s, want %s %s", req.Method, req.URL.Path, method, want)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer " + token, "Accept": accept, "User-Agent": client.DefaultUserAgent,
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
	} else if rec.bodies[0] != "" {
		t.Errorf("a body where the spec has none: %s", rec.bodies[0])
	}
	var want, have any
	if json.Unmarshal([]byte(example), &want) != nil || json.Unmarshal([]byte(toJSON(t, got)), &have) != nil {
		t.Fatal("no JSON")
	}
	if _, paged := want.(map[string]any)["next_page"]; paged {
		want = map[string]any{"data": []any{}, "first_id": "", "last_id": "", "has_more": false, "next_page": ""}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the example lost something (-want +got):\n%s", diff)
	}
}

// successExample is the first success of an operation that has an example, and the example: the component
// of that name, or its own for "".
func successExample(t *testing.T, op *openapi3.Operation, component string) (int, string) {
	t.Helper()
	contract, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{200, 201} {
		if r := op.Responses.Status(status); r != nil {
			if component != "" {
				return status, toJSON(t, contract.Components.Examples[component].Value.Value)
			}
			for _, media := range r.Value.Content {
				for _, example := range media.Examples {
					return status, toJSON(t, example.Value.Value)
				}
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
			for _, run := range operations(ctx, c) {
				rec.requests = nil
				result, err := run.call(tc.opts...)
				if !errors.Is(err, tc.is) {
					t.Errorf("%s: error %v, want %v", run.op, err, tc.is)
				}
				if e := asError(t, err); e.Op != run.op {
					t.Errorf("%s: Op is %q", run.op, e.Op)
				}
				if !reflect.ValueOf(result).IsNil() {
					t.Errorf("%s: a result beside the error", run.op)
				}
				if sent := len(rec.requests) > 0; sent != tc.sent {
					t.Errorf("%s: sent: %v", run.op, sent)
				}
			}
		})
	}
}
