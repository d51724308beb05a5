package contract

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// Bounds are read as the document writes them.
func TestBoundsAreReadable(t *testing.T) {
	c := compiledTiny(t, "{name: q, in: query, schema: {type: integer, format: int32, minimum: 1, maximum: 100, default: 20}},"+
		"{name: x-key, in: header, schema: {type: string, maxLength: 255}}", "{type: object}",
		`{type: object, maxProperties: 9, x-max-bytes: 500, properties: {
			list: {type: array, maxItems: 3, items: {type: object, properties: {text: {type: string, maxLength: 7}}}},
			open: {type: string}, order: {type: string, enum: [asc, desc]}, free: {type: array, items: {type: string}}}}`)
	op, a := c.Operation("post"), c.Schema("A")
	for _, b := range []struct {
		name      string
		got, want int
	}{
		{"maxLength in an array's items", a.At("list", Items, "text").MaxLength(), 7},
		{"maxLength that is not there", a.At("open").MaxLength(), math.MaxInt},
		{"maxItems", a.At("list").MaxItems(), 3},
		{"maxItems that is not there", a.At("free").MaxItems(), math.MaxInt},
		{"maxProperties", a.MaxProperties(), 9},
		{"x-max-bytes", a.MaxBytes(), 500},
		{"x-max-bytes that is not there", a.At("list").MaxBytes(), math.MaxInt},
		{"minimum", int(op.Parameter("q").Minimum()), 1},
		{"maximum", int(op.Parameter("q").Maximum()), 100},
		{"maxLength of a header", op.Parameter("X-Key").MaxLength(), 255},
	} {
		if b.got != b.want {
			t.Errorf("%s: got %d, want %d", b.name, b.got, b.want)
		}
	}
	if got := op.Parameter("q").Default(); got != "20" {
		t.Errorf("default: got %q", got)
	}
	if got := a.At("open").Default(); got != "" {
		t.Errorf("default that is not there: got %q", got)
	}
	if got := a.At("order").Enum(); !slices.Equal(got, []string{"asc", "desc"}) {
		t.Errorf("enum: got %q", got)
	}
}

// A bound that the document does not have in that place panics and says where.
func TestBoundsThatDoNotExist(t *testing.T) {
	_, c := document(t)
	for want, read := range map[string]func(){
		"Session.titel":                       func() { c.Schema("Session").At("titel") },
		"TextBlocks.text":                     func() { c.Schema("TextBlocks").At("text") },
		"Session.[]":                          func() { c.Schema("Session").At(Items) },
		`listSessions has no parameter "lim"`: func() { c.Operation("listSessions").Parameter("lim") },
		"Session.title does not have":         func() { c.Schema("Session").At("title").MaxItems() },
		"Session does not have":               func() { c.Schema("Session").Minimum() },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, want) {
					t.Errorf("panics with %q, want something about %q", got, want)
				}
			}()
			read()
		})
	}
}
