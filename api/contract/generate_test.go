package contract

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/contract/internal/tiny"
)

// generator generates schemas of the supported kinds, and JSON that is valid by them or nearly so.
type generator struct {
	*rand.Rand
	objects []*openapi3.Schema // those generated so far, to make cycles
	refs    int
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

func (g *generator) one(in int) bool { return g.IntN(in) == 0 }

func (g *generator) most() *uint64 {
	if g.one(2) {
		return nil
	}
	n := uint64(1 + g.IntN(6))
	return &n
}

// schema returns a schema of at most that depth.
func (g *generator) schema(depth int) *openapi3.Schema {
	kind := g.IntN(7)
	if depth == 0 {
		kind = g.IntN(4)
	}
	s := openapi3.NewSchema()
	switch kind {
	case 0:
		s = g.text()
	case 1, 2:
		s = g.number(kind == 1)
	case 3:
		s = openapi3.NewBoolSchema()
	case 4:
		s = openapi3.NewArraySchema()
		s.MinItems, s.MaxItems = uint64(g.IntN(2)), g.most()
		items := g.schema(depth - 1)
		s.Items = items.NewRef()
		s.UniqueItems = (items.Type.Is(openapi3.TypeString) || items.Type.Is(openapi3.TypeInteger)) && !items.Nullable && g.one(2)
	case 5:
		return g.object(depth)
	case 6:
		return g.union(depth)
	}
	s.Nullable = g.one(5)
	return s
}

func (g *generator) text() *openapi3.Schema {
	s := openapi3.NewStringSchema()
	switch g.IntN(4) {
	case 0:
		s.Enum = []any{"a", "b", "é"}
	case 1:
		s.Format = "date-time"
	case 2:
		s.Pattern = pick(g, tiny.Patterns()...)
	}
	s.MinLength, s.MaxLength = uint64(g.IntN(3)), g.most()
	if g.one(8) && len(s.Enum) > 0 {
		s.Default, s.MinLength = "a", 0
	}
	return s
}

func (g *generator) number(whole bool) *openapi3.Schema {
	s := openapi3.NewFloat64Schema().WithFormat("double")
	if whole {
		s = openapi3.NewIntegerSchema().WithFormat(pick(g, "", "int32", "int64"))
	}
	if g.one(2) {
		s.WithMin(pick(g, -3, 0, 0.5, 2)).WithExclusiveMin(g.one(2))
	}
	if g.one(2) {
		s.WithMax(pick(g, 2.0, 7.5, 100)).WithExclusiveMax(g.one(2))
	}
	if g.one(3) && s.Min == nil && s.Max == nil {
		s.Default = 1
	}
	return s
}

func (g *generator) object(depth int) *openapi3.Schema {
	s := openapi3.NewObjectSchema()
	g.objects = append(g.objects, s)
	for _, name := range []string{"type", "a", "b", "é", "a\"b"}[g.IntN(7)%6:] {
		if g.one(6) {
			s.WithPropertyRef(name, openapi3.NewSchemaRef("#/again", pick(g, g.objects...)))
			continue
		}
		s.WithProperty(name, g.schema(depth-1))
		if g.one(2) {
			s.Required = append(s.Required, name)
		}
	}
	switch g.IntN(3) {
	case 0:
		s.WithoutAdditionalProperties()
	case 1:
		s.WithAdditionalProperties(g.schema(depth - 1))
		if len(s.Properties) == 0 {
			s.Extensions = map[string]any{"x-property-names": map[string]any{"maxLength": 2.0, "pattern": "^[a-z]*$", "x-pattern-description": "x"}}
		}
	}
	s.MinProps, s.MaxProps = uint64(g.IntN(2)), g.most()
	s.Nullable = g.one(5)
	return s
}

func (g *generator) union(depth int) *openapi3.Schema {
	if g.one(2) {
		u := openapi3.NewOneOfSchema(g.text(), g.number(g.one(2)), g.object(depth))
		u.OneOf[2].Value.Nullable, u.Nullable = false, g.one(5)
		return u
	}
	u := openapi3.NewOneOfSchema()
	u.Discriminator = &openapi3.Discriminator{PropertyName: "type", Mapping: map[string]openapi3.MappingRef{}}
	for _, value := range []string{"a", "b"} {
		variant := g.object(depth)
		variant.Nullable = false
		variant.WithProperty("type", openapi3.NewStringSchema().WithEnum(value))
		g.refs++
		ref := fmt.Sprintf("#/components/schemas/V%d", g.refs)
		u.OneOf = append(u.OneOf, openapi3.NewSchemaRef(ref, variant))
		u.Discriminator.Mapping[value] = openapi3.MappingRef{Ref: ref}
	}
	return u
}

// value returns a JSON text that is valid by a schema, except for an occasional mistake.
func (g *generator) value(s *openapi3.Schema, depth int) string {
	switch {
	case g.one(25):
		return pick(g, "null", "true", `"a"`, "1", "1.5", "-0.0", "1e2", "1e99", "{}", "[]", "[1,1]", `{"a":1,"a":2}`, `"\ud800"`, "9007199254740993", "12345678901234567890")
	case s.Nullable && g.one(4) || depth == 0:
		return "null"
	case len(s.OneOf) > 0:
		return g.value(pick(g, s.OneOf...).Value, depth)
	case len(s.Enum) > 0:
		return quote(pick(g, s.Enum...))
	case s.Type.Is(openapi3.TypeString):
		return pick(g, quote("a"), quote("b"), quote("bc"), quote("id_a9"), quote("éé"), `"\u0061"`, `"\ud83d\ude00"`, quote("https://x"), `""`,
			quote("2026-02-28T00:00:00.5Z"), quote("2026-02-29T00:00:00+01:00"), quote("2024-02-29T23:59:59-23:59"))
	case s.Type.Is(openapi3.TypeBoolean):
		return pick(g, "true", "false")
	case s.Type.Is(openapi3.TypeArray):
		var items []string
		for range g.IntN(4) {
			items = append(items, g.value(s.Items.Value, depth-1))
		}
		return "[" + strings.Join(items, ",") + "]"
	case s.Type.Is(openapi3.TypeObject):
		return g.members(s, depth)
	}
	return pick(g, "0", "1", "2", "3", "-1", "7", "7.5", "0.5", "1.0", "2e0", "20e-1", "-0", "100", "2147483648", "9223372036854775807")
}

func (g *generator) members(s *openapi3.Schema, depth int) string {
	var members []string
	for _, name := range []string{"b", "type", "é", "a", "a\"b", "A", "zz", "zzz"} {
		child := propertyOf(s, name)
		switch {
		case child == nil && g.one(12):
			members = append(members, quote(name)+": 1")
		case child != nil && !g.one(4):
			members = append(members, quote(name)+":"+g.value(child, depth-1))
		}
	}
	return "{" + strings.Join(members, " ,") + "}"
}

// spoil changes a byte or two of a text.
func (g *generator) spoil(text string) string {
	for range g.IntN(3) {
		i := g.IntN(len(text) + 1)
		switch g.IntN(3) {
		case 0:
			text = text[:i] + pick(g, `"`, `\`, `,`, `:`, `{`, `}`, `[`, `]`, "1", "e", ".", "\x00", "\xff", " ", `\u00`) + text[i:]
		case 1:
			text = text[:i] + text[min(i+1, len(text)):]
		default:
			j := min(i+g.IntN(8), len(text))
			text = text[:j] + text[i:]
		}
	}
	return text
}

func quote(v any) string {
	data, _ := json.Marshal(v) // strings alone
	return string(data)
}
