package main

import (
	"math"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// one returns a contract with one component schema, and its name.
func one(s *rules.Schema) (*rules.Contract, map[any]string) {
	return &rules.Contract{Schemas: []rules.Named{{Name: "A", Schema: s}}}, map[any]string{s: "schemaA"}
}

// TestSource tests how values are written; TestTheContractIsCompiled tests that the compiler reads what was meant.
func TestSource(t *testing.T) {
	t.Parallel()
	a := &rules.Schema{
		Kind: rules.Object, Size: rules.Span{Most: -1}, Required: 5, Example: `{"b":"é"}`,
		Whole: rules.WholeBounds{Least: math.MinInt64, Most: math.MaxInt64, Under: "format"}, Minimum: &rules.Bound{Value: 1.5},
		Enum: []string{"x\x00", "y"}, Pattern: &rules.Pattern{Expr: "^$", Rows: []rules.Row{nil, {}, {{Set: new(rules.Bytes("09az")), Most: -1}}}},
	}
	a.Properties = []rules.Property{{Name: "self", Schema: a}}
	a.Items = &rules.Schema{Kind: rules.String, Extra: a}
	code, err := source(one(a))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(code)), " ")
	for _, want := range []string{
		"var Contract = rules.Contract{Schemas: []rules.Named{{Name: \"A\", Schema: &schemaA}}}",
		"bytes3039617a = rules.Bytes(\"09az\")",
		"var schemaA = rules.Schema{ Kind: rules.Object, Size: rules.Span{Most: -1}, Enum: []string{\"x\\x00\", \"y\"},",
		"Rows: []rules.Row{nil, {}, {{Set: &bytes3039617a, Most: -1}}}",
		"Whole: rules.WholeBounds{Least: -9223372036854775808, Most: 9223372036854775807, Under: \"format\"}",
		"Minimum: &rules.Bound{Value: 1.5}",
		"Required: 0b101", "Example: `{\"b\":\"é\"}`",
		"func init() { schemaA.Items.Extra = &schemaA schemaA.Properties[0].Schema = &schemaA }",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, code)
		}
	}
}

// A part that is used twice is one part to programs, which compare pointers, only with a name.
func TestSharedPartsNeedNames(t *testing.T) {
	t.Parallel()
	shared := &rules.Schema{Kind: rules.String}
	a := &rules.Schema{Kind: rules.Array, Items: shared, Extra: shared}
	if _, err := source(one(a)); err == nil || !strings.Contains(err.Error(), "schemaA.Extra") {
		t.Errorf("got %v", err)
	}
}
