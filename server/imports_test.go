package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/cloud-sessions/sessions/"

// importRule keeps a package out of most of the module.
type importRule struct {
	why string
	// imports are import paths; the packages below them are included.
	imports []string
	// by is the folder that the rule is about; "" is the module.
	by string
	// except are folders and files of by that may import it nevertheless, tests are test files and folders of test
	// files that may. "*" is all test files.
	except, tests []string
}

var importRules = []importRule{
	{
		why:     "the router is the pipeline's",
		imports: []string{"github.com/labstack/echo"},
		except:  []string{"server/pipeline", "gen/echoserver", "server/bench/stub.go"},
	},
	{
		why:     "the OpenAPI document is read by generators",
		imports: []string{"github.com/getkin/kin-openapi"},
		except:  []string{"api/openapi", "api/contract/compile", "api/contract/internal/tiny", "api/breaking"},
		tests: []string{
			"api", "api/contract", "api/contract/internal/rules", "api/prismtest", "client", "server", "server/pipeline",
		},
	},
	{
		why:     "programs have the contract compiled",
		imports: []string{module + "api/openapi", module + "api/contract/compile", module + "api/contract/internal/tiny"},
		except:  []string{"api/contract/compile", "api/contract/rulesgen", "server/bench/stub.go"},
		tests:   []string{"*"},
	},
	{
		why:     "SQLite has one home",
		imports: []string{"modernc.org/sqlite"},
		except:  []string{"server/store/sqlstore/sqliteengine", "server/store/sqlstore/migrations/schemagen", "server/bench/fill.go"},
		tests:   []string{"server/cmd/sessionsd"},
	},
	{
		why:     "PostgreSQL has one home",
		imports: []string{"github.com/jackc/pgx"},
		except:  []string{"server/store/sqlstore/pgengine", "server/store/pgserver", "server/store/pgtest", "server/bench/footprint.go"},
		tests:   []string{"server/cmd/sessionsd", "server/store/sqlstore"},
	},
	{
		why:     "the schema of both databases has one home",
		imports: []string{"github.com/pressly/goose"},
		except:  []string{"server/store/sqlstore/migrations"},
	},
	{
		why:     "the SDK of AWS, a quarter of a program, is for those who store files in S3",
		imports: []string{"gocloud.dev", "github.com/aws", module + "server/blob/s3"},
		except:  []string{"server/blob/s3", "server/cmd/sessionsd"},
		tests:   []string{"server/blob"},
	},
	{
		why:     "only the store chooses an engine",
		imports: []string{module + "server/store/sqlstore/sqliteengine", module + "server/store/sqlstore/pgengine"},
		by:      "server",
		except:  []string{"server/store/sqlstore"},
		tests:   []string{"server/store/sqlstore/pgengine"},
	},
	{
		why:     "operations know no HTTP",
		imports: []string{"net/http", "github.com/labstack/echo"},
		by:      "server/operations",
	},
	{
		why:     "the store's interface knows no database and no HTTP",
		imports: []string{"database/sql", "net/http"},
		by:      "server/store/store.go",
	},
	{
		why:     "the client stands alone",
		imports: []string{module + "server"},
		by:      "client",
		tests:   []string{"*"},
	},
	{
		why:     "recordings know nothing of what writes, serves and compares them",
		imports: []string{module + "client/contractproxy", module + "client/replay", module + "client/contractdrift"},
		by:      "client/recording",
	},
	{
		why:     "only servers for other people's tests come with a client",
		imports: []string{module + "client"},
		by:      "server",
		except:  []string{"server/servertest"},
		tests:   []string{"*"},
	},
	{
		why:     "programs without OpenTelemetry do not carry it in the client",
		imports: []string{"go.opentelemetry.io"},
		by:      "client",
		except:  []string{"client/otelclient"},
	},
	{
		why:     "spans have one home; the server's configuration names its provider",
		imports: []string{"go.opentelemetry.io"},
		by:      "server",
		except:  []string{"server/tracing", "server/tracing/otlp", "server/server.go"},
		tests:   []string{"server/cmd/sessionsd"},
	},
	{
		why:     "client and server stand above the contract",
		imports: []string{module + "client", module + "server"},
		by:      "api",
		tests:   []string{"*"},
	},
	{
		why:     "generated code stands above nothing of the module but the contract's unions",
		imports: []string{module + "client", module + "server"},
		by:      "gen",
	},
}

// within reports whether path is root, or is below it.
func within(path, root string) bool {
	return root == "" || path == root || strings.HasPrefix(path, root+"/")
}

// breaks reports whether the file at path, relative to the module's root, may not import what it imports. Where an
// exception allows it, exception names it.
func (r importRule) breaks(path, imported string) (broken bool, exception string) {
	if !within(path, r.by) || !slices.ContainsFunc(r.imports, func(root string) bool { return within(imported, root) }) {
		return false, ""
	}
	allowed := r.except
	if strings.HasSuffix(path, "_test.go") {
		allowed = append(slices.Clone(r.except), r.tests...)
	}
	for _, e := range allowed {
		if e == "*" || e == path || e == filepath.ToSlash(filepath.Dir(path)) {
			return false, e
		}
	}
	return true, ""
}

// imports returns the import paths of a file.
func imports(file *ast.File) (paths []string) {
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value) // the parser has accepted it
		paths = append(paths, path)
	}
	return paths
}

// TestImports walks the module's files. An exception that nothing needs is a failure: the lists stay short.
func TestImports(t *testing.T) {
	t.Parallel()
	used := map[int]map[string]bool{}
	files := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".") && name != "..") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		relative := strings.TrimPrefix(filepath.ToSlash(path), "../")
		for _, imported := range imports(file) {
			for i, rule := range importRules {
				broken, exception := rule.breaks(relative, imported)
				if broken {
					t.Errorf("%s imports %s: %s", relative, imported, rule.why)
				}
				if exception != "" {
					if used[i] == nil {
						used[i] = map[string]bool{}
					}
					used[i][exception] = true
				}
			}
		}
		return nil
	})
	if err != nil || files < 300 {
		t.Fatalf("%d files, %v", files, err)
	}
	for i, rule := range importRules {
		for _, exception := range slices.Concat(rule.except, rule.tests) {
			if exception != "*" && !used[i][exception] {
				t.Errorf("%s imports no %s: strike it off the exceptions", exception, strings.Join(rule.imports, ", "))
			}
		}
	}
}

// TestPrograms tests that the programs, with what they import of others, have no parser of OpenAPI documents.
func TestPrograms(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/sessionsd", "../client/cmd/sessions")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Split(string(out), "\n")
	if !slices.Contains(deps, module+"api/contract") {
		t.Error("the programs do not import the contract")
	}
	for _, dep := range deps {
		if within(dep, "github.com/getkin/kin-openapi") {
			t.Errorf("a program imports %s", dep)
		}
	}
}

// TestImportRules proves on made-up files that each rule notices what it forbids, and nothing else.
func TestImportRules(t *testing.T) {
	t.Parallel()
	cases := []struct {
		path, imported string
		broken         bool
	}{
		{"server/operations/sessions.go", "github.com/labstack/echo/v4", true},
		{"server/operations/sessions.go", "net/http", true},
		{"server/operations/sessions.go", "net/http/httptest", true},
		{"server/operations/sessions_test.go", "net/http", true},
		{"server/operations/sessions.go", "net/url", false},
		{"server/operations/sessions.go", module + "gen/echoserver", false},
		{"server/server.go", "github.com/labstack/echo/v4", true},
		{"server/server.go", "net/http", false},
		{"server/server_test.go", "github.com/labstack/echo/v4", true},
		{"server/pipeline/routes.go", "github.com/labstack/echo/v4", false},
		{"server/pipeline/below/routes.go", "github.com/labstack/echo/v4", true},
		{"server/bench/stub.go", "github.com/labstack/echo/v4", false},
		{"server/bench/load.go", "github.com/labstack/echo/v4", true},
		{"api/contract/walk.go", "github.com/getkin/kin-openapi/openapi3", true},
		{"api/contract/walk_test.go", "github.com/getkin/kin-openapi/openapi3", false},
		{"api/contract/compile/schema.go", "github.com/getkin/kin-openapi/openapi3", false},
		{"api/contract/walk.go", module + "api/contract/compile", true},
		{"api/contract/walk_test.go", module + "api/contract/compile", false},
		{"server/server.go", module + "api/openapi", true},
		{"api/rules.go", "github.com/getkin/kin-openapi/openapi3", true},
		{"client/types.go", "github.com/getkin/kin-openapi/openapi3", true},
		{"client/types_test.go", "github.com/getkin/kin-openapi/openapi3", false},
		{"server/sweep.go", "modernc.org/sqlite", true},
		{"server/files.go", "github.com/aws/aws-sdk-go-v2/service/s3", true},
		{"server/blob/s3/s3.go", "gocloud.dev/blob/s3blob", false},
		{"server/server.go", module + "server/blob/s3", true},
		{"server/cmd/sessionsd/main.go", module + "server/blob/s3", false},
		{"server/sweep.go", "github.com/jackc/pgx/v5", true},
		{"server/cmd/sessionsd/serve.go", "github.com/pressly/goose/v3", true},
		{"server/store/sqlstore/store.go", "modernc.org/sqlite", true},
		{"server/store/sqlstore/store.go", "github.com/jackc/pgx/v5", true},
		{"server/store/sqlstore/pgengine/queue.go", "github.com/jackc/pgx/v5", false},
		{"server/store/sqlstore/sqliteengine/turns.go", "github.com/jackc/pgx/v5", true},
		{"server/store/sqlstore/sqliteengine/open.go", module + "server/store/sqlstore/pgengine", true},
		{"server/store/store.go", "database/sql", true},
		{"client/run.go", module + "server/turn", true},
		{"client/run.go", module + "server", true},
		{"client/run_test.go", module + "server/servertest", false},
		{"client/contractcheck/run.go", module + "server/faults", true},
		{"client/transport.go", "go.opentelemetry.io/otel", true},
		{"client/otelclient/otelclient.go", "go.opentelemetry.io/otel", false},
		{"server/operations/send.go", "go.opentelemetry.io/otel/trace", true},
		{"server/cmd/sessionsd/serve.go", "go.opentelemetry.io/otel/sdk/trace", true},
		{"client/contractproxy/proxy.go", module + "server/faults", true},
		{"client/contractproxy/proxy.go", module + "client/recording", false},
		{"client/recording/body.go", module + "client/replay", true},
		{"server/faults/faults.go", module + "client", true},
		{"server/servertest/servertest.go", module + "client", false},
		{"api/contract/walk.go", module + "server/problem", true},
		{"gen/types/types.gen.go", module + "client", true},
	}
	noticed := map[int]bool{}
	for _, tc := range cases {
		file, err := parser.ParseFile(token.NewFileSet(), tc.path, "package fake\nimport _ "+strconv.Quote(tc.imported), parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		broken := false
		for i, rule := range importRules {
			if b, _ := rule.breaks(tc.path, imports(file)[0]); b {
				broken, noticed[i] = true, true
			}
		}
		if broken != tc.broken {
			t.Errorf("%s imports %s: noticed is %v", tc.path, tc.imported, broken)
		}
	}
	for i, rule := range importRules {
		if !noticed[i] {
			t.Errorf("no case breaks the rule that keeps %s out of %q", strings.Join(rule.imports, ", "), rule.by)
		}
	}
}
