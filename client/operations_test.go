package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	gotoken "go/token"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/openapi"
	"github.com/cloud-sessions/sessions/client"
)

// The ids that the contract's examples have.
const (
	exampleEnvironment = "env_019e2590d33f711fabf42f2857cecd8a"
	exampleWork        = "work_019e3bb1e8c171fd9abbb1477ffb84cc"
	exampleSession     = "sess_019e3bb1e8c171fd9abbb1477ffb84cc"
	exampleContent     = "file_019e3b11d3e97b4fa021c8f3d5b6e7a9"
	exampleFile        = "sesr_019e3b12e4fa7c5fb132d9a4e6c7f8b0"
	exampleVault       = "vault_019e3b10c2d87a3f9f10b7e2c4a5d6f8"
	exampleSecret      = "vcred_019e3b10c2e97b4fa021c8f3d5b6e7a9"
)

// aliases are operations without a method: each is another operation with a second HTTP method, and would only add a
// name.
var aliases = map[string]string{
	"putAgent": "updateAgent", "putEnvironment": "updateEnvironment", "putMemory": "updateMemory",
	"listVersionsOfMemories": "listMemoryVersions", "getVersionOfMemory": "getMemoryVersion", "redactVersionOfMemory": "redactMemoryVersion",
}

// operation is a method of the client.
type operation struct {
	id      string // the operation that it calls; two methods may share one
	op      string // the method's name in errors
	example string // the component example of its response, when the operation's own is another method's
	call    func(...client.Option) (any, error)
}

// operations is every method that calls an operation of the contract.
func operations(ctx context.Context, c *client.Client) []operation {
	file := client.FileResourceInput{FileID: "file_1", MountPath: new("/mnt/a.csv")}
	bearer := client.NewCredentialInput(client.StaticBearerInput{MCPServerURL: "https://mcp.example", Token: "t"})
	return append(plainOperations(ctx, c), []operation{
		{"cancelSession", "Sessions.Cancel", "", func(o ...client.Option) (any, error) { return c.Sessions.Cancel(ctx, exampleSession, o...) }},
		{"pollWork", "Environments.Work.Poll", "", func(o ...client.Option) (any, error) {
			return c.Environments.Work.Poll(ctx, exampleEnvironment, &client.PollWorkParams{
				WorkerID: "build-host-1", Block: 999 * time.Millisecond, ReclaimOlderThan: new(5 * time.Second),
			}, o...)
		}},
		{"heartbeatWork", "Environments.Work.Heartbeat", "", func(o ...client.Option) (any, error) {
			return c.Environments.Work.Heartbeat(ctx, exampleEnvironment, exampleWork, &client.HeartbeatWorkParams{
				Expected: client.NoHeartbeat, TTL: 30 * time.Second,
			}, o...)
		}},
		{"sendEvents", "Sessions.Events.Send", "", func(o ...client.Option) (any, error) {
			return sent(c.Sessions.Events.Send(ctx, exampleSession, []client.EventInput{client.NewUserMessage("你好", "!")}, o...))
		}},
		{"sendEvents", "Sessions.Events.SendMessage", "", func(o ...client.Option) (any, error) {
			return sentOne(c.Sessions.Events.SendMessage(ctx, exampleSession, "你好", o...))
		}},
		{"sendEvents", "Sessions.Events.Interrupt", "", func(o ...client.Option) (any, error) {
			return sentOne(c.Sessions.Events.Interrupt(ctx, exampleSession, o...))
		}},
		{"streamEvents", "Sessions.Events.Stream", "", func(o ...client.Option) (any, error) {
			for event, err := range c.Sessions.Events.Stream(ctx, exampleSession, nil, o...) {
				if err != nil {
					return (*client.Event)(nil), err
				}
				return &event, nil
			}
			return (*client.Event)(nil), nil
		}},
		{"addSessionResources", "Sessions.Resources.Add", "SessionResource", func(o ...client.Option) (any, error) {
			return c.Sessions.Resources.Add(ctx, exampleSession, &file, o...)
		}},
		{"uploadFile", "Files.Upload", "", func(o ...client.Option) (any, error) {
			return c.Files.Upload(ctx, strings.NewReader("# Plan\n"), client.FileUpload{Name: "plan.md"}, o...)
		}},
		{"getFileContent", "Files.Download", "", func(o ...client.Option) (any, error) {
			var content bytes.Buffer
			_, err := c.Files.Download(ctx, exampleContent, &content, o...)
			return json.RawMessage(content.Bytes()), err // the example is a JSON text
		}},
		{"addSessionResources", "Sessions.Resources.AddAll", "Session", func(o ...client.Option) (any, error) {
			return c.Sessions.Resources.AddAll(ctx, exampleSession, []client.FileResourceInput{file}, o...)
		}},
		{"createVault", "Vaults.Create", "", func(o ...client.Option) (any, error) {
			return c.Vaults.Create(ctx, &client.CreateVaultRequest{DisplayName: "v", Credentials: []client.CreateVaultCredentialRequest{{Auth: &bearer}}}, o...)
		}},
		{"createVaultCredential", "Vaults.Credentials.Create", "", func(o ...client.Option) (any, error) {
			return c.Vaults.Credentials.Create(ctx, exampleVault, &client.CreateVaultCredentialRequest{Auth: &bearer}, o...)
		}},
		{"updateVaultCredential", "Vaults.Credentials.Update", "", func(o ...client.Option) (any, error) {
			return c.Vaults.Credentials.Update(ctx, exampleVault, exampleSecret, &client.UpdateVaultCredentialRequest{
				Auth: new(client.NewCredentialPatch(client.StaticBearerPatch{Token: new("t")})), Metadata: client.MetadataPatch{"owner": nil},
			}, o...)
		}},
	}...)
}

// requests are requests as a program makes them, by the schema that they must satisfy.
var requests = map[string][]any{
	"CreateSessionRequest": {client.CreateSessionRequest{
		Agent: client.AgentRef{ID: "agent_1", Version: 2}, EnvironmentID: "env_1",
		Title: new("我的会话"), Metadata: client.Metadata{"purpose": "test"}, DeltaFlushIntervalMS: new(int32(250)),
		Resources: []client.SessionResourceInput{client.NewSessionResourceInput(client.FileResourceInput{FileID: "file_1"})},
	}},
	"UpdateSessionRequest": {client.UpdateSessionRequest{
		Title: client.Clear[string](), Metadata: client.MetadataPatch{"purpose": nil, "ticket": new("T-1029")},
	}},
	"CreateAgentRequest": {client.CreateAgentRequest{
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
		Skills: []client.AgentSkill{{Type: client.AgentSkillTypeCustom, SkillID: "skill_1"}},
	}},
	"UpdateAgentRequest": {client.UpdateAgentRequest{
		Version: 2, Model: new(client.ModelRef("auto")), System: new(""), Tools: []client.AgentTool{},
		Metadata: client.MetadataPatch{"team": new("docs"), "owner": nil},
	}},
	"CreateEnvironmentRequest": {client.CreateEnvironmentRequest{
		Name: "ci", Config: client.NewEnvironmentConfig(client.CloudConfig{
			Networking: &client.Networking{Type: client.NetworkingTypeLimited, AllowedHosts: []string{"api.tracker.example"}},
			Packages:   &client.Packages{Apt: []string{"git"}},
		}),
	}},
	"UpdateEnvironmentRequest": {client.UpdateEnvironmentRequest{
		Name: new("ci"), Config: new(client.NewEnvironmentConfig(client.SelfHostedConfig{})),
		Metadata: client.MetadataPatch{"owner": new("platform")},
	}},
}

// Requests that are made of the package's types satisfy the contract.
func TestTypedRequests(t *testing.T) {
	contract, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	for name, examples := range requests {
		for _, example := range examples {
			var value any
			if err := json.Unmarshal([]byte(toJSON(t, example)), &value); err != nil {
				t.Fatal(err)
			}
			if err := contract.Components.Schemas[name].Value.VisitJSON(value); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// exampleBody is the first example of an operation's body.
func exampleBody[T any](id string) *T {
	examples := mustFind(id).RequestBody.Value.Content["application/json"].Examples
	return decoded[T](examples[slices.Min(slices.Collect(maps.Keys(examples)))].Value.Value)
}

// exampleQuery is the examples of an operation's query parameters, its cursors aside.
func exampleQuery[T any](id string) *T {
	query := map[string]any{}
	for _, p := range queryParameters(mustFind(id)) {
		query[p.Name] = p.Example
	}
	return decoded[T](query)
}

// queryParameters lists the query parameters of an operation, its cursors aside.
func queryParameters(op *openapi3.Operation) (all []*openapi3.Parameter) {
	for _, ref := range op.Parameters {
		if p := ref.Value; p.In == openapi3.ParameterInQuery && !slices.Contains([]string{"page", "after_id", "before_id", "after", "before"}, p.Name) {
			all = append(all, p)
		}
	}
	return all
}

// decoded is an example as a T.
func decoded[T any](example any) *T {
	data, err := json.Marshal(example)
	var out T
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		panic(err)
	}
	return &out
}

// mustFind returns an operation of the contract.
func mustFind(id string) *openapi3.Operation {
	contract, err := spec()
	if err != nil {
		panic(err)
	}
	for _, item := range contract.Paths.Map() {
		for _, op := range item.Operations() {
			if op.OperationID == id {
				return op
			}
		}
	}
	panic("the contract has no operation " + id)
}

// examplePath is a path template with the contract's examples of its parameters.
func examplePath(template string) string {
	contract, err := spec()
	if err != nil {
		panic(err)
	}
	for _, ref := range contract.Components.Parameters {
		if p := ref.Value; p.In == openapi3.ParameterInPath {
			template = strings.ReplaceAll(template, "{"+p.Name+"}", p.Example.(string))
		}
	}
	return template
}

// sent is the response of sendEvents again.
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
	contract, err := spec()
	if err != nil {
		panic(err)
	}
	found := map[string]service{}
	var walk func(holder reflect.Type, tag string)
	walk = func(holder reflect.Type, tag string) {
		for i := range holder.NumField() {
			field := holder.Field(i)
			if !field.IsExported() {
				continue
			}
			s := service{tag, strings.ToLower(field.Name) + ".go", field.Type.Elem().Name()}
			if s.tag == "" || contract.Tags.Get(field.Name) != nil {
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
var spec = sync.OnceValues(func() (*openapi3.T, error) { return openapi.Parse(api.Spec()) })

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

// Every operation has a method that names it, on a service of its tag, in the service's file, in the one on streams or
// among the generated ones; only an operation that several methods in the list above call has several. No method names an operation that is
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
				if !slices.Contains([]string{s.file, "stream.go", "services.gen.go"}, name) {
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
			t.Errorf("the methods of %s (-called in a test +named in a doc comment): run make gen; an operation with x-go-handwritten needs a method, and a row in operations:\n%s", op.OperationID, diff)
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
			t.Errorf("%s has no example that runs: write Example%s_… with an Output comment in example_test.go", name, name)
		}
	}
}

// An alias has the path, the body and the response of the operation that it stands for; one at an earlier path has another
// path.
func TestAliases(t *testing.T) {
	type shape struct{ Path, Body, Response string }
	shapes := map[string]shape{}
	eachOperation(t, func(_ *testing.T, _, path string, op *openapi3.Operation) {
		s := shape{Path: path}
		if op.RequestBody != nil && op.RequestBody.Value.Content["application/json"] != nil {
			s.Body = op.RequestBody.Value.Content["application/json"].Schema.Ref
		}
		if ok := op.Responses.Status(http.StatusOK); ok != nil && ok.Value.Content["application/json"] != nil {
			s.Response = ok.Value.Content["application/json"].Schema.Ref
		}
		shapes[op.OperationID] = s
	})
	for alias, id := range aliases {
		if earlier := strings.Replace(shapes[id].Path, "/memory_versions", "/versions", 1); earlier == shapes[alias].Path {
			shapes[alias] = shape{shapes[id].Path, shapes[alias].Body, shapes[alias].Response}
		}
		if shapes[alias] != shapes[id] || shapes[id].Response == "" {
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
			t.Errorf("no test calls %s: run make gen, or add a row to operations if it has x-go-handwritten", op.OperationID)
		}
	})
}

// onTheWire compares what one method sends and returns with its operation.
func onTheWire(t *testing.T, name, method, path string, op *openapi3.Operation) {
	steps := make([]client.RoundTripFunc, 1)
	c, rec := scripted(t, steps)
	all := operations(t.Context(), c)
	run := all[slices.IndexFunc(all, func(o operation) bool { return o.op == name })]
	status, example := successExample(t, op, run.example)
	steps[0] = answer(status, example)
	accept := "application/json"
	switch op.OperationID {
	case "getFileContent":
		accept = "*/*"
	case "streamEvents":
		steps[0], accept = streamBody("data: "+example+"\n\n", nil), "text/event-stream"
	}
	got, err := run.call()
	if err != nil {
		t.Fatal(err)
	}
	req := rec.last()
	if want := "/api/v1/cloud" + examplePath(path); req.Method != method || req.URL.Path != want {
		t.Errorf("sent %s %s, want %s %s", req.Method, req.URL.Path, method, want)
	}
	for _, p := range queryParameters(op) {
		want := strings.Trim(fmt.Sprint(p.Example), "[]")
		if got := strings.Join(req.URL.Query()[p.Name], " "); got != want && op.OperationID != "streamEvents" {
			t.Errorf("sent %s=%q, want %q", p.Name, got, want)
		}
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
	if op.OperationID == "uploadFile" {
		sentForm(t, req, rec.bodies[0])
	} else if body := op.RequestBody; body != nil {
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
	if page, _ := want.(map[string]any); slices.Contains(slices.Collect(maps.Keys(page)), "next_page") {
		want = map[string]any{"data": []any{}, "first_id": "", "last_id": "", "has_more": false, "next_page": ""}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the example lost something (-want +got):\n%s", diff)
	}
}

// sentForm validates the form of an upload.
func sentForm(t *testing.T, req *http.Request, body string) {
	t.Helper()
	_, params, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	form, err := multipart.NewReader(strings.NewReader(body), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	file := form.File["file"]
	if diff := cmp.Diff(map[string][]string{"name": {"plan.md"}}, form.Value); diff != "" || len(file) != 1 || file[0].Filename != "plan.md" || file[0].Size != 7 {
		t.Errorf("the form (-want +got):\n%s, files: %+v", diff, file)
	}
	if req.ContentLength != int64(len(body)) {
		t.Errorf("Content-Length %d for %d bytes", req.ContentLength, len(body))
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
				if media.Example != nil {
					return status, toJSON(t, media.Example)
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
				if run.id == "getFileContent" && tc.is == client.ErrUnexpectedResponse {
					continue // a content may be anything
				}
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
