package contract

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAllViolations tests that all violations of a response are returned, the body's in the document's order and before the
// headers'.
func TestAllViolations(t *testing.T) {
	t.Parallel()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	op := c.Operation("listModels")
	model := `{"id":"m","type":"model","display_name":"M","capabilities":[]}`
	for name, tc := range map[string]struct {
		status int
		header http.Header
		body   string
		want   []string
	}{
		"several": {200, http.Header{"Content-Type": {"application/json"}}, `{"data":[{"id":7,"more":1},` + model + `,3],"has_more":"no","extra":{},"another":1}`, []string{
			"type /data/0/id", "required /data/0/display_name", "additionalProperties /data/0/more", "type /data/2", "type /has_more", "additionalProperties /another", "additionalProperties /extra", "header ",
		}},
		"not JSON":          {200, http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req_1"}}, `{"data":[}`, []string{"json "}},
		"another media":     {200, http.Header{"Content-Type": {"text/html"}}, `<html>`, []string{"content ", "header "}},
		"undeclared status": {418, http.Header{}, `x`, []string{"status "}},
	} {
		var got []string
		for _, v := range op.ResponseViolations(tc.status, tc.header, []byte(tc.body)) {
			got = append(got, v.Rule+" "+v.Pointer)
			if v.Operation != op.ID || v.Status != tc.status || v.Reason == "" {
				t.Errorf("%s: %+v", name, v)
			}
		}
		for _, want := range tc.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: no %q in %q", name, want, got)
			}
		}
		if len(got) > 0 && strings.HasPrefix(tc.want[len(tc.want)-1], "header") && got[len(got)-1] != "header " {
			t.Errorf("%s: headers are not last: %q", name, got)
		}
	}
	many := `{"data":[` + strings.Repeat("1,", 5000) + `1],"has_more":false}`
	wide := `{"data":[],"has_more":false`
	for i := range 500 {
		wide += fmt.Sprintf(`,"x%d":1`, i)
	}
	for _, body := range []string{many, wide + "}"} {
		if got := op.ResponseViolations(200, http.Header{"Content-Type": {"application/json"}}, []byte(body)); len(got) != MaxViolations+1 {
			t.Errorf("%d violations, want those of the body up to the bound, and one of a header", len(got))
		}
	}
}

// TestAllIncludesTheFirst tests with random schemas that all violations include the first one, and that the list is empty
// exactly when no first one exists.
func TestAllIncludesTheFirst(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		g := newGenerator(seed)
		doc := g.schema(3)
		s := &Schema{root: compiledSchema(t, doc), maxDepth: 64}
		text := g.value(doc, 6)
		if seed%2 == 0 {
			text = g.spoil(text)
		}
		first, all := s.Check([]byte(text)), s.Violations([]byte(text))
		if (first == nil) != (len(all) == 0) || first != nil && !slices.ContainsFunc(all, func(v *Violation) bool { return cmp.Equal(v, first) }) {
			t.Fatalf("seed %d: first %+v, all %+v of %s", seed, first, all, text)
		}
	}
}

// TestInvalidBodies tests that each invalid body is refused for its rule and field, and that the bodies of the document
// reach every keyword that bodies have.
func TestInvalidBodies(t *testing.T) {
	t.Parallel()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]int{}
	for name, example := range map[string]string{
		"createSession":         `{"agent":"agent_1","environment_id":"env_1","title":"t","metadata":{"k":"v"}}`,
		"createAgent":           `{"name":"n","model":"auto","tools":[{"type":"agent_toolset_20260401","enabled_tools":["Read"]}]}`,
		"createVaultCredential": `{"auth":{"type":"static_bearer","token":"t","mcp_server_url":"https://mcp.example/mcp"}}`,
	} {
		op := c.Operation(name)
		if !op.AcceptsBody([]byte(example)) {
			t.Fatalf("%s: the example is invalid", name)
		}
		for _, invalid := range op.InvalidBodies([]byte(example)) {
			rules[invalid.Rule]++
			m := checkSent(op.rules.Body, string(invalid.Body), op.limits.JSONDepth)
			if m == nil || m.rule != invalid.Rule || m.requestError().Param != invalid.Param || !json.Valid(invalid.Body) || len(invalid.Body) > mostInvalidBody {
				t.Errorf("%s: %s %s: %v", name, invalid.Rule, invalid.Param, m)
			}
		}
	}
	for _, rule := range []string{
		"type", "required", "additionalProperties", "nullable", "minLength", "maxLength", "pattern", "enum", "minimum", "maximum", "maxItems", "uniqueItems", "maxProperties",
		"oneOf", "discriminator", "format", "x-property-names/maxLength", "x-property-names/minLength",
	} {
		if rules[rule] == 0 {
			t.Errorf("no invalid body violates %s: %v", rule, rules)
		}
	}
	if got := c.Operation("listSessions").InvalidBodies([]byte("{}")); got != nil {
		t.Errorf("a GET has %d invalid bodies", len(got))
	}
}

// TestInvalidParameters tests that each invalid parameter is one, in a form that HTTP can carry.
func TestInvalidParameters(t *testing.T) {
	t.Parallel()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for op := range c.Operations() {
		for _, invalid := range op.InvalidParameters() {
			seen[invalid.In+" "+invalid.Rule] = true
			for _, at := range op.rules.Parameters {
				if p := (parameter{at}); p.Name == invalid.Param && p.In == invalid.In && p.check(invalid.Values) == nil {
					t.Errorf("%s: %s %q is valid", op.ID, invalid.Param, invalid.Values)
				}
			}
			if len(strings.Join(invalid.Values, "")) > mostInvalidValue {
				t.Errorf("%s: %s is too long for a request line", op.ID, invalid.Param)
			}
		}
	}
	for _, want := range []string{"query minimum", "query maximum", "query type", "query enum", "query pattern", "query twice", "query maxItems", "query uniqueItems", "query format", "path pattern", "header maxLength"} {
		if !seen[want] {
			t.Errorf("no parameter violates %s: %v", want, seen)
		}
	}
}
