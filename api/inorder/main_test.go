package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestInOrder(t *testing.T) {
	got, _, err := inOrder([]byte("components:\n  schemas:\n    A:\n      properties:\n        z: {type: string}\n        b:\n          $ref: '#/x'\n      example: {properties: {q: {}}}\n"))
	want := "z: {type: string, x-order: 1}\n                b:\n                    $ref: '#/x'\n                    x-order: 2\n            example: {properties: {q: {}}}\n"
	if err != nil || !strings.HasSuffix(string(got), want) {
		t.Errorf("%v:\n%s", err, got)
	}
	for _, bad := range []string{"a: [", "openapi: 3.0.3\n"} {
		if _, _, err := inOrder([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestExcluded(t *testing.T) {
	_, got, err := inOrder([]byte("components:\n  schemas:\n    A: {discriminator: {propertyName: type}}\n    B: {type: string}\n    C: {type: string, x-go-constants: A}\n"))
	if err != nil || !slices.Equal(got, []string{"A", "C"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestJSONIsInTheDocumentsOrder looks at what came of it: the seed page's response starts with the id.
func TestJSONIsInTheDocumentsOrder(t *testing.T) {
	types, err := os.ReadFile("../../gen/types/types.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	_, session, _ := strings.Cut(string(types), "\ntype Session struct {")
	at := -1
	for _, field := range []string{`"id"`, `"type"`, `"agent_id"`, `"agent"`, `"environment_id"`, `"title"`, `"status"`, `"usage"`, `"created_at"`} {
		next := strings.Index(session, "`json:"+field+"`")
		if next <= at {
			t.Fatalf("%s is at %d, after something at %d", field, next, at)
		}
		at = next
	}
}

// The generated responses do not escape for HTML, and a generator that encodes them in another way is noticed.
func TestPlainResponses(t *testing.T) {
	output := filepath.Join(t.TempDir(), "a.go")
	config := func(strict bool) []byte {
		return fmt.Appendf(nil, "output: %s\ngenerate: {strict-server: %t}\n", output, strict)
	}
	const generated = "if err := json.NewEncoder(&buf).Encode(response); err != nil {"
	for code, want := range map[string]string{generated: "SetEscapeHTML(false)", "other": ""} {
		if err := os.WriteFile(output, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		err := plainResponses(config(true))
		got, readErr := os.ReadFile(output)
		if readErr != nil || (err == nil) != (want != "") || !strings.Contains(string(got), want) {
			t.Errorf("%s: %v, %v:\n%s", code, err, readErr, got)
		}
	}
	if err := plainResponses(config(false)); err != nil {
		t.Errorf("code without responses: %v", err)
	}
	server, err := os.ReadFile("../../gen/echoserver/echoserver.gen.go")
	if err != nil || strings.Contains(string(server), "json.NewEncoder(&buf).Encode") {
		t.Errorf("the generated server escapes for HTML; %v", err)
	}
}
