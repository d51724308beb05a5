package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/openapi"
)

// The oracle is kin-openapi behind encoding/json. It says what the first mistake of a text is, in the order of the
// document, and otherwise what the text's value is with defaults added. Where it disagrees with this package, and
// differences does not explain it, one of them is wrong.

// maxDepth is that of the document.
const maxDepth = 64

// oracle returns the value of a valid text, or its first mistake.
func oracle(doc *openapi3.Schema, text string) (any, *mistake) {
	value, m := oracleDecode(text)
	if m == nil {
		m = oracleMistake(doc, value, openapi3.VisitAsRequest())
	}
	if m != nil {
		return nil, m
	}
	if err := doc.VisitJSON(value, openapi3.VisitAsRequest(), openapi3.DefaultsSet(func() {})); err != nil {
		return nil, &mistake{rule: "defaults: " + err.Error(), schema: rulesOf(doc)}
	}
	filled, err := json.Marshal(value)
	if err != nil {
		return nil, &mistake{rule: "defaults: " + err.Error(), schema: rulesOf(doc)}
	}
	return oracleDecode(string(filled))
}

// place is a path with the outermost step first.
type place []step

func (p place) key(name string) place { return append(p[:len(p):len(p)], key(name)) }
func (p place) item(i int) place      { return append(p[:len(p):len(p)], item(i)) }

func (p place) path() path {
	out := slices.Clone(path(p))
	slices.Reverse(out)
	return out
}

// oracleDecode reads exactly one JSON value. Mistakes are also what encoding/json accepts and two readers of the same bytes
// may understand differently: invalid UTF-8, half a surrogate pair, a name twice in one object. Numbers are json.Number,
// those with an integer value written as integers (1e2 is 100).
func oracleDecode(text string) (any, *mistake) {
	var raw json.RawMessage
	first := json.NewDecoder(strings.NewReader(text))
	if first.Decode(&raw) != nil {
		return nil, &mistake{rule: ruleSyntax, limit: invalidByte(text)}
	}
	if strings.Trim(text[first.InputOffset():], " \t\r\n") != "" {
		return nil, &mistake{rule: ruleTrailing}
	}
	d := &oracleReader{Decoder: json.NewDecoder(strings.NewReader(text)), text: text}
	d.UseNumber()
	value := d.value(nil)
	return value, d.mistake
}

// invalidByte returns the number of the first byte, from 1, with which a text cannot become JSON.
func invalidByte(text string) int {
	low, high := 0, len(text) // the longest prefix that can become JSON is one of these
	for low < high {
		middle := (low + high + 1) / 2
		var raw json.RawMessage
		switch err := json.NewDecoder(strings.NewReader(text[:middle])).Decode(&raw); err {
		case nil, io.EOF, io.ErrUnexpectedEOF:
			low = middle
		default:
			high = middle - 1
		}
	}
	return min(low+1, len(text))
}

// oracleReader walks the tokens of valid JSON and keeps the first mistake.
type oracleReader struct {
	*json.Decoder
	text    string
	mistake *mistake
}

func (d *oracleReader) value(at place) any {
	if len(at) >= maxDepth {
		d.fail(nil, &mistake{rule: ruleDepth, limit: maxDepth})
		return nil
	}
	switch token := d.token(at).(type) {
	case json.Delim:
		if token == '{' {
			return d.object(at)
		}
		return d.array(at)
	case json.Number:
		return canonical(token)
	default:
		return token
	}
}

func (d *oracleReader) object(at place) any {
	object := map[string]any{}
	for d.mistake == nil && d.More() {
		name, _ := d.token(at).(string)
		if _, twice := object[name]; twice && d.mistake == nil {
			d.fail(at.key(name), &mistake{rule: ruleTwice})
		}
		if d.mistake == nil {
			object[name] = d.value(at.key(name))
		}
	}
	d.end()
	return object
}

func (d *oracleReader) array(at place) any {
	array := []any{}
	for d.mistake == nil && d.More() {
		array = append(array, d.value(at.item(len(array))))
	}
	d.end()
	return array
}

// end consumes the delimiter that closes an object or an array.
func (d *oracleReader) end() {
	if d.mistake == nil {
		_, _ = d.Token()
	}
}

// token returns the next token, after it has validated the bytes of a string.
func (d *oracleReader) token(at place) json.Token {
	start := d.InputOffset()
	token, err := d.Token()
	if err != nil {
		d.fail(at, &mistake{rule: err.Error()})
		return nil
	}
	if decoded, isText := token.(string); isText {
		raw := d.text[start:d.InputOffset()]
		if !utf8.ValidString(raw) || halfSurrogate(raw, decoded) {
			d.fail(at, &mistake{rule: ruleUTF8})
			return nil
		}
	}
	return token
}

func (d *oracleReader) fail(at place, m *mistake) {
	if d.mistake == nil {
		m.at = at.path()
		d.mistake = m
	}
}

// halfSurrogate reports whether a JSON string has a \u escape that is half of a surrogate pair, which encoding/json replaces
// by U+FFFD.
func halfSurrogate(raw, decoded string) bool {
	raw = strings.ToLower(strings.ReplaceAll(raw, `\\`, "")) // an escaped backslash starts no escape
	return strings.Count(decoded, "\ufffd") > strings.Count(raw, "\ufffd")+strings.Count(raw, `\ufffd`)
}

// canonical writes a number with an integer value as an integer.
func canonical(n json.Number) json.Number {
	if !strings.ContainsAny(string(n), ".eE") {
		return n
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return n
	}
	return json.Number(strconv.FormatInt(int64(f), 10))
}

// found is a mistake of a value, at a place of it.
type found struct {
	place
	rule   string
	schema *openapi3.Schema // that has the keyword
}

// oracleMistake returns the mistake of a value that comes first in the order of the document's properties, or nil.
func oracleMistake(schema *openapi3.Schema, value any, options ...openapi3.SchemaValidationOption) *mistake {
	options = append(options, openapi3.MultiErrors(), openapi3.EnableFormatValidation())
	all := append(badNames(schema, value, nil), flatten(schema.VisitJSON(value, options...), schema, value, nil, options)...)
	if len(all) == 0 {
		return nil
	}
	first := slices.MinFunc(all, func(a, b found) int {
		return slices.Compare(ranks(schema, value, a.place), ranks(schema, value, b.place))
	})
	return &mistake{at: first.path(), rule: first.rule, schema: rulesOf(first.schema)}
}

// flatten turns kin-openapi's error about the value at a place into mistakes. The error of a union becomes those of the
// variant that the value was meant to be.
func flatten(err error, schema *openapi3.Schema, value any, at place, options []openapi3.SchemaValidationOption) (all []found) {
	var one *openapi3.SchemaError
	switch e := err.(type) { // not errors.As, which would find the variants of a union within it
	case nil:
		return nil
	case openapi3.MultiError:
		for _, inner := range e {
			all = append(all, flatten(inner, schema, value, at, options)...)
		}
		return all
	case *openapi3.SchemaError:
		one = e
	default:
		return []found{{at, "schema", schema}}
	}
	here, steps := descend(value, one.JSONPointer())
	at = slices.Concat(at, steps)
	switch one.SchemaField {
	case "oneOf", "discriminator":
		if meant := meantVariant(one.Schema, here); meant != nil {
			return flatten(meant.VisitJSON(here, options...), meant, here, at, options)
		}
	case "properties":
		object, _ := here.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if one.Schema.Properties[name] == nil {
				all = append(all, found{at.key(name), "additionalProperties", one.Schema})
			}
		}
		return all
	}
	if here == nil && one.SchemaField != "required" {
		return []found{{at, "nullable", one.Schema}}
	}
	return []found{{at, one.SchemaField, one.Schema}}
}

// descend follows a JSON pointer through a value.
func descend(value any, pointer []string) (any, place) {
	var at place
	for _, s := range pointer {
		switch v := value.(type) {
		case []any:
			i, err := strconv.Atoi(s)
			if err != nil || i < 0 || i >= len(v) {
				return nil, at
			}
			value, at = v[i], at.item(i)
		case map[string]any:
			value, at = v[s], at.key(s)
		default:
			return nil, at
		}
	}
	return value, at
}

// badNames returns the property names that violate an x-property-names, a keyword that OpenAPI 3.0 does not have.
func badNames(schema *openapi3.Schema, value any, at place) (bad []found) {
	switch value := value.(type) {
	case []any:
		for i, v := range value {
			if schema.Items != nil {
				bad = append(bad, badNames(schema.Items.Value, v, at.item(i))...)
			}
		}
	case map[string]any:
		if meant := meantVariant(schema, value); meant != nil {
			return badNames(meant, value, at)
		}
		names, _ := schema.Extensions["x-property-names"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if rule := badName(names, name); rule != "" {
				bad = append(bad, found{at.key(name), ruleNames + rule, schema})
			}
			if child := propertyOf(schema, name); child != nil {
				bad = append(bad, badNames(child, value[name], at.key(name))...)
			}
		}
	}
	return bad
}

// badName returns the keyword of an x-property-names that a name violates, or "".
func badName(names map[string]any, name string) string {
	length := float64(len([]rune(name)))
	if least, ok := names["minLength"].(float64); ok && length < least {
		return "minLength"
	}
	if most, ok := names["maxLength"].(float64); ok && length > most {
		return "maxLength"
	}
	if pattern, ok := names["pattern"].(string); ok {
		if matched, err := regexp.MatchString(pattern, name); err != nil || !matched {
			return "pattern"
		}
	}
	return ""
}

// propertyOf returns the schema of an object's property, or nil.
func propertyOf(schema *openapi3.Schema, name string) *openapi3.Schema {
	if ref := schema.Properties[name]; ref != nil {
		return ref.Value
	}
	if ref := schema.AdditionalProperties.Schema; ref != nil {
		return ref.Value
	}
	return nil
}

// meantVariant returns the variant of a union that a value is meant to be, by the discriminator or by its JSON type; nil when
// the schema is not a union or no variant fits.
func meantVariant(union *openapi3.Schema, value any) *openapi3.Schema {
	for _, ref := range union.OneOf {
		if d := union.Discriminator; d != nil {
			object, _ := value.(map[string]any)
			name, _ := object[d.PropertyName].(string)
			if mapped, ok := d.Mapping[name]; ok && mapped.Ref == ref.Ref {
				return ref.Value
			}
		} else if kind := typeOf(value); ref.Value.Type.Permits(kind) || kind == openapi3.TypeNumber && ref.Value.Type.Permits(openapi3.TypeInteger) {
			return ref.Value
		}
	}
	return nil
}

// typeOf returns the JSON type of a decoded value.
func typeOf(value any) string {
	switch value.(type) {
	case string:
		return openapi3.TypeString
	case bool:
		return openapi3.TypeBoolean
	case json.Number, float64:
		return openapi3.TypeNumber
	case []any:
		return openapi3.TypeArray
	case map[string]any:
		return openapi3.TypeObject
	}
	return "null"
}

// ranks orders places by the document's order of properties; those that it does not name come last, by name.
func ranks(schema *openapi3.Schema, value any, at place) (ranks []string) {
	for _, s := range at {
		if schema == nil {
			break
		}
		if meant := meantVariant(schema, value); meant != nil {
			schema = meant
		}
		if s.index >= 0 {
			ranks = append(ranks, fmt.Sprintf("%09d", s.index))
			value, _ = descend(value, []string{strconv.Itoa(s.index)})
			if schema.Items == nil {
				break
			}
			schema = schema.Items.Value
			continue
		}
		order := openapi.PropertyOrder(schema)
		if i := slices.Index(order, s.name); i >= 0 {
			ranks = append(ranks, fmt.Sprintf("%09d", i))
		} else {
			ranks = append(ranks, fmt.Sprintf("%09d %s", len(order), s.name))
		}
		value, _ = descend(value, []string{s.name})
		schema = propertyOf(schema, s.name)
	}
	return ranks
}

// The oracle finds the byte at which a text stops being JSON.
func TestInvalidByte(t *testing.T) {
	for text, want := range map[string]int{"": 0, " ": 1, "tru": 3, "trux": 4, "1.x": 3, `{"a" 1}`: 6, "[1,]": 4, "\"a\nb\"": 3, `"\u12G4"`: 6} {
		if got := invalidByte(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	if long := string(bytes.Repeat([]byte("["), 5000)) + "x"; invalidByte(long) != 5001 {
		t.Errorf("5000 brackets and an x: got %d", invalidByte(long))
	}
}
