package server_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestSequentialPackages tests that the packages that make test runs without the race detector start no goroutines, nor do
// their tests.
func TestSequentialPackages(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^SEQUENTIAL := (.+)$`).FindSubmatch(makefile)
	if list == nil {
		t.Fatal("the Makefile has no SEQUENTIAL")
	}
	for pattern := range strings.FieldsSeq(string(list[1])) {
		folder, deep := strings.CutSuffix(pattern, "/...")
		files := 0
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && path != filepath.Join("..", folder) && !deep {
				return filepath.SkipDir
			}
			if filepath.Ext(path) == ".go" && hasTests(t, filepath.Dir(path)) {
				files++
				for _, at := range goroutines(t, path) {
					t.Errorf("%s starts a goroutine; make its package one that is raced: take it out of SEQUENTIAL in the Makefile", at)
				}
			}
			return nil
		})
		if err != nil || files == 0 {
			t.Errorf("%s: %d files, %v", pattern, files, err)
		}
	}
}

// TestTheDetectorKnowsMaps tests that the race detector knows that a sync.Map synchronizes, although make test builds
// encoding/json, which has two, without it: a copy of the map's methods that is not instrumented would make this a race.
func TestTheDetectorKnowsMaps(t *testing.T) {
	t.Parallel()
	var m sync.Map
	written := ""
	go func() {
		written = "by another goroutine"
		m.Store("written", true)
	}()
	for {
		if _, ok := m.Load("written"); ok {
			break
		}
		runtime.Gosched()
	}
	if _, err := json.Marshal(map[string]string{"written": written}); err != nil || written == "" {
		t.Errorf("%q, %v", written, err)
	}
}

// hasTests reports whether a folder has tests.
func hasTests(t *testing.T, folder string) bool {
	t.Helper()
	tests, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return len(tests) > 0
}

// goroutines returns the places where a file starts a goroutine: with a go statement, or with a method Go, such as that of
// sync.WaitGroup.
func goroutines(t *testing.T, path string) (places []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		starts := false
		switch n := n.(type) {
		case *ast.GoStmt:
			starts = true
		case *ast.CallExpr:
			method, ok := n.Fun.(*ast.SelectorExpr)
			starts = ok && method.Sel.Name == "Go"
		}
		if starts {
			places = append(places, files.Position(n.Pos()).String())
		}
		return true
	})
	return places
}
