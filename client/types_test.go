package client_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"os/exec"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Callers need no second import: every type that a method accepts or returns has a name in the package. Enums with a single
// value, the `type` of an object or the `status` of an event, need none.
func TestOneImport(t *testing.T) {
	named := map[string]bool{}
	for _, name := range []string{"types.gen.go", "patches.go", "errors.go", "vaults.go", "credentials.go", "work.go"} {
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Assign.IsValid() {
				target := spec.Type
				if generic, ok := target.(*ast.IndexExpr); ok {
					target = generic.X
				}
				if sel, ok := target.(*ast.SelectorExpr); ok {
					named[sel.X.(*ast.Ident).Name+"."+sel.Sel.Name] = true
				}
			}
			return true
		})
	}
	for short, long := range map[string]string{"union.Agent": "types.AgentRef", "union.Model": "types.ModelRef", "union.Policy": "types.PermissionPolicy", "union.Content": "types.Content"} {
		named[short] = named[long] // what these are
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		pkg := path.Base(typ.PkgPath())
		tag := typ.Kind() == reflect.String && (strings.HasSuffix(typ.Name(), "Type") || strings.HasSuffix(typ.Name(), "EventStatus"))
		name, _, _ := strings.Cut(pkg+"."+typ.Name(), "[")
		if (pkg == "types" || pkg == "union" || pkg == "nullable") && !named[name] && !tag {
			t.Errorf("%v has no alias in types.gen.go: see hasGoType in api/clientgen", typ)
		}
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				if typ.Field(i).IsExported() {
					walk(typ.Field(i).Type)
				}
			}
			for _, variant := range variants(t, typ) {
				walk(variant)
			}
		}
	}
	var walkService func(reflect.Type)
	walkService = func(service reflect.Type) {
		for m := range service.NumMethod() {
			method := service.Method(m).Type
			for in := 1; in < method.NumIn(); in++ {
				walk(method.In(in))
			}
			for out := range method.NumOut() {
				walk(method.Out(out))
			}
		}
		for i := range service.Elem().NumField() {
			if field := service.Elem().Field(i); field.IsExported() {
				walkService(field.Type)
			}
		}
	}
	walkService(reflect.TypeFor[*client.Client]())
	for _, variant := range variants(t, reflect.TypeFor[types.StreamedEvent]()) { // what Event.Value may be
		walk(variant)
	}
	if len(seen) < 30 {
		t.Errorf("only %d types seen", len(seen))
	}
}

// variants lists the types that a union's AsAny returns, of the contract's examples; a type that is not a union has none.
func variants(t *testing.T, typ reflect.Type) (all []reflect.Type) {
	t.Helper()
	union, ok := reflect.New(typ).Interface().(interface {
		json.Unmarshaler
		AsAny() any
	})
	if !ok {
		return nil
	}
	contract, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range contract.Components.Schemas[typ.Name()].Value.OneOf {
		if err := union.UnmarshalJSON([]byte(toJSON(t, ref.Value.Example))); err != nil {
			t.Fatal(err)
		}
		variant := reflect.TypeOf(union.AsAny())
		if variant == nil || variant.Name() != path.Base(ref.Ref) {
			t.Errorf("%v: AsAny returns a %v, want %s", typ, variant, path.Base(ref.Ref))
			continue
		}
		all = append(all, variant)
	}
	return all
}

// Importing the client pulls in no server framework, no OpenAPI library and no database driver.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	heavy := regexp.MustCompile(`(?m)^(charm\.land|github\.com/(charmbracelet|labstack|getkin|jackc|lib/pq|mattn|pressly|spf13|prometheus)|modernc\.org|database/sql$|gorm\.io|.*/sessions/(server|gen/echoserver|api$)).*$`)
	if bad := heavy.FindAllString(string(out), -1); bad != nil {
		t.Errorf("the client imports %s", strings.Join(bad, ", "))
	}
	if !strings.Contains(string(out), "sessions/gen/httpclient") {
		t.Error("go list says nothing of gen/httpclient")
	}
}

// A program that imports the client alone gets at most five other modules.
func TestModules(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]bool{}
	for _, module := range strings.Fields(string(out)) {
		modules[module] = true
	}
	delete(modules, "github.com/cloud-sessions/sessions")
	if len(modules) == 0 || len(modules) > 5 {
		t.Errorf("the client needs the modules %v", slices.Sorted(maps.Keys(modules)))
	}
}

func TestUnions(t *testing.T) {
	cases := []struct {
		name string
		v    any
		want string
	}{
		{"agent", client.AgentRef{ID: "agent_1"}, `"agent_1"`},
		{"pinned agent", client.AgentRef{ID: "agent_1", Version: 2}, `{"id":"agent_1","type":"agent","version":2}`},
		{"toolset", client.NewAgentTool(client.BuiltinToolset{}), `{"type":"agent_toolset_20260401"}`},
		{"MCP toolset", client.NewAgentTool(client.MCPToolset{MCPServerName: "m"}), `{"type":"mcp_toolset","mcp_server_name":"m"}`},
		{"server", client.NewMCPServer(client.MCPServerHTTP{Name: "m", URL: "https://m.test"}), `{"type":"http","name":"m","url":"https://m.test"}`},
		{"model", client.UpdateAgentRequest{Version: 1, Model: new(client.ModelRef("auto"))}, `{"version":1,"model":"auto"}`},
		{"policy", client.ToolConfig{PermissionPolicy: new(client.PermissionPolicyAlwaysDeny)}, `{"permission_policy":"always_deny"}`},
		{"cloud", client.NewEnvironmentConfig(client.CloudConfig{}), `{"type":"cloud"}`},
		{"self-hosted", client.NewEnvironmentConfig(client.SelfHostedConfig{SetupScript: new("true")}), `{"type":"self_hosted","setup_script":"true"}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got := toJSON(t, tc.v); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// A union is read as its variant; what this version cannot read is nil, and is sent as it was received.
func TestReadUnions(t *testing.T) {
	made := client.NewAgentTool(client.MCPToolset{MCPServerName: "m"})
	if v, ok := made.AsAny().(client.MCPToolset); !ok || v.MCPServerName != "m" || v.Type == "" {
		t.Errorf("made: %#v", made.AsAny())
	}
	for name, tc := range map[string]struct {
		json string
		want any
	}{
		"a variant":           {`{"type":"custom","name":"n","input_schema":{}}`, client.CustomTool{Type: "custom", Name: "n", InputSchema: client.JSONSchema(`{}`)}},
		"a field of tomorrow": {`{"type":"mcp_toolset","mcp_server_name":"m","x":1}`, client.MCPToolset{Type: "mcp_toolset", MCPServerName: "m"}},
		"a type of tomorrow":  {`{"type":"mind_reader","x":1}`, nil},
		"another form":        {`{"type":"custom","name":7}`, nil},
		"no type":             {`{}`, nil},
		"no object":           {`7`, nil},
		"nothing":             {`null`, nil},
	} {
		var tool client.AgentTool
		if err := json.Unmarshal([]byte(tc.json), &tool); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tc.want, tool.AsAny()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := toJSON(t, tool); got != tc.json {
			t.Errorf("%s: sent as %s, want %s", name, got, tc.json)
		}
	}
	if got := toJSON(t, client.AgentTool{}); got != "null" {
		t.Errorf("the zero value is sent as %s", got)
	}
}

// What an update leaves out, sets and clears.
func TestPatches(t *testing.T) {
	cases := []struct {
		name string
		v    any
		want string
	}{
		{"nothing", client.UpdateSessionRequest{}, `{}`},
		{"title", client.UpdateSessionRequest{Title: client.Set("退款")}, `{"title":"退款"}`},
		{"empty title", client.UpdateSessionRequest{Title: client.Set("")}, `{"title":""}`},
		{"no title", client.UpdateSessionRequest{Title: client.Clear[string]()}, `{"title":null}`},
		{"metadata", client.UpdateSessionRequest{Metadata: client.MetadataPatch{"a": new("1"), "b": nil}}, `{"metadata":{"a":"1","b":null}}`},
		{"empty patch", client.UpdateSessionRequest{Metadata: client.MetadataPatch{}}, `{"metadata":{}}`},
		{"lists kept", client.UpdateAgentRequest{Version: 2}, `{"version":2}`},
		{"lists cleared", client.UpdateAgentRequest{
			Version: 2, Tools: []client.AgentTool{}, MCPServers: []client.MCPServer{}, Skills: []client.AgentSkill{}, System: new(""),
		}, `{"version":2,"system":"","tools":[],"mcp_servers":[],"skills":[]}`},
		{"config", client.UpdateEnvironmentRequest{Config: new(client.NewEnvironmentConfig(client.CloudConfig{}))}, `{"config":{"type":"cloud"}}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got := toJSON(t, tc.v); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
