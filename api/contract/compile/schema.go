package compile

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
	"github.com/cloud-sessions/sessions/api/openapi"
)

// The keywords of schemas that OpenAPI does not have.
const (
	maxBytesKeyword           = "x-max-bytes"
	namesKeyword              = "x-property-names"
	patternDescriptionKeyword = "x-pattern-description"
)

// schema compiles a schema, or returns the one that was compiled before.
func (c *compiler) schema(place string, ref *openapi3.SchemaRef) (*rules.Schema, error) {
	if ref == nil || ref.Value == nil {
		return nil, fmt.Errorf("%s: no schema", place)
	}
	doc := ref.Value
	if s := c.schemas[doc]; s != nil {
		return s, nil
	}
	kind, err := kindOf(doc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	s := &rules.Schema{Kind: kind, Nullable: doc.Nullable, Format: doc.Format, PatternDescription: phrase(doc.Extensions, patternDescriptionKeyword)}
	c.schemas[doc] = s
	if s.MaxBytes, err = maxBytes(doc); err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	switch kind {
	case rules.String:
		err = compileText(place, s, doc)
	case rules.Integer:
		err = compileWhole(place, s, doc)
	case rules.Number:
		s.Minimum, s.Maximum = floatBounds(doc)
	case rules.Array:
		err = c.array(place, s, doc)
	case rules.Object:
		err = c.object(place, s, doc)
	case rules.Union:
		err = c.union(place, s, doc)
	}
	if err != nil {
		return nil, err
	}
	return s, setValues(place, s, doc)
}

// setValues sets the default and the example. An invalid default is reported for the property or the parameter that has it,
// by its place.
func setValues(place string, s *rules.Schema, doc *openapi3.Schema) error {
	if doc.Example != nil {
		example, err := json.Marshal(doc.Example)
		if err != nil {
			return fmt.Errorf("%s: example: %w", place, err)
		}
		s.Example = string(example)
	}
	if doc.Default == nil {
		return nil
	}
	value, err := json.Marshal(doc.Default)
	if err != nil {
		return fmt.Errorf("%s: default: %w", place, err)
	}
	if rule := brokenDefault(s, doc.Default); rule != "" {
		return fmt.Errorf("%s: default: it violates %s", place, rule)
	}
	s.Default = string(value)
	return nil
}

// brokenDefault returns the keyword that a default violates, or "".
func brokenDefault(s *rules.Schema, value any) string {
	switch v := value.(type) {
	case string:
		if s.Kind == rules.String {
			return s.BrokenText(v)
		}
	case bool:
		if s.Kind == rules.Boolean {
			return ""
		}
	default:
		f, isNumber := number(value)
		switch {
		case isNumber && s.Kind == rules.Number:
			return s.BrokenFloat(f)
		case isNumber && s.Kind == rules.Integer && f == math.Trunc(f) && math.Abs(f) <= 1<<53:
			return s.BrokenWhole(int64(f))
		}
	}
	return "type"
}

// maxBytes reads a schema's x-max-bytes; 0 when it has none.
func maxBytes(doc *openapi3.Schema) (int, error) {
	value, ok := doc.Extensions[maxBytesKeyword]
	if !ok {
		return 0, nil
	}
	n, isNumber := number(value)
	if !isNumber || n < 1 || n != math.Trunc(n) {
		return 0, fmt.Errorf("%s: must be an integer of at least 1", maxBytesKeyword)
	}
	return int(n), nil
}

func compileText(place string, s *rules.Schema, doc *openapi3.Schema) (err error) {
	if s.Pattern, err = compileOptional(doc.Pattern); err != nil {
		return fmt.Errorf("%s: pattern: %w", place, err)
	}
	for _, value := range doc.Enum {
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("%s: enum: %v is not a string", place, value)
		}
		s.Enum = append(s.Enum, text)
	}
	s.Size = newSpan(doc.MinLength, doc.MaxLength)
	return nil
}

// compileOptional compiles a regular expression; it returns nil for "".
func compileOptional(expr string) (*rules.Pattern, error) {
	if expr == "" {
		return nil, nil
	}
	return compilePattern(expr)
}

func newSpan(least uint64, most *uint64) rules.Span {
	s := rules.Span{Least: int(min(least, math.MaxInt32)), Most: -1}
	if most != nil {
		s.Most = int(min(*most, math.MaxInt32))
	}
	return s
}

func (c *compiler) array(place string, s *rules.Schema, doc *openapi3.Schema) (err error) {
	s.Size = newSpan(doc.MinItems, doc.MaxItems)
	if s.Items, err = c.schema(place+".items", doc.Items); err != nil {
		return err
	}
	s.Unique = doc.UniqueItems
	if s.Unique && (s.Items.Kind != rules.String && s.Items.Kind != rules.Integer || s.Items.Nullable) {
		return fmt.Errorf("%s: uniqueItems: only strings and integers that are not nullable are supported", place)
	}
	return nil
}

func (c *compiler) object(place string, s *rules.Schema, doc *openapi3.Schema) (err error) {
	s.Size = newSpan(doc.MinProps, doc.MaxProps)
	s.Closed = doc.AdditionalProperties.Has != nil && !*doc.AdditionalProperties.Has
	if extra := doc.AdditionalProperties.Schema; extra != nil {
		if s.Extra, err = c.schema(place+".additionalProperties", extra); err != nil {
			return err
		}
	}
	if s.Names, err = compileNames(doc.Extensions); err != nil {
		return fmt.Errorf("%s: %s: %w", place, namesKeyword, err)
	}
	order := openapi.PropertyOrder(doc)
	if s.Names != nil && len(order) > 0 {
		return fmt.Errorf("%s: %s: only objects without named properties can have it", place, namesKeyword)
	}
	if len(order) > rules.MaxProperties {
		return fmt.Errorf("%s: properties: more than %d", place, rules.MaxProperties)
	}
	for _, name := range order {
		child, err := c.schema(place+".properties."+name, doc.Properties[name])
		if err != nil {
			return err
		}
		s.Properties = append(s.Properties, newProperty(name, child))
	}
	for _, name := range doc.Required {
		i := slices.Index(order, name)
		if i < 0 {
			return fmt.Errorf("%s: required: no property %q", place, name)
		}
		s.Required |= 1 << i
	}
	return nil
}

func newProperty(name string, s *rules.Schema) rules.Property {
	quoted, _ := json.Marshal(name) // a string always marshals
	p := rules.Property{Name: name, Sent: string(quoted) + ":", Schema: s}
	if s.Default != "" {
		p.Absent = "," + p.Sent + s.Default
	}
	return p
}

// union compiles a union whose variants can be distinguished before they are read: by a discriminator
// or by their JSON types.
func (c *compiler) union(place string, s *rules.Schema, doc *openapi3.Schema) error {
	variants := map[string]*rules.Schema{}
	for i, ref := range doc.OneOf {
		at := fmt.Sprintf("%s.oneOf[%d]", place, i)
		variant, err := c.schema(at, ref)
		if err != nil {
			return err
		}
		if variant.Nullable || variant.Kind == rules.Union {
			return fmt.Errorf("%s: oneOf: a variant must be neither nullable nor a oneOf", at)
		}
		found := variant.Kind
		if found == rules.Integer {
			found = rules.Number
		}
		if doc.Discriminator == nil && s.OfKind(found) != nil {
			return fmt.Errorf("%s: oneOf: without a discriminator the variants must have different types", at)
		}
		s.Variants = append(s.Variants, variant)
		variants[ref.Ref] = variant
	}
	if doc.Discriminator == nil {
		return nil
	}
	return discriminator(place, s, doc, variants)
}

func discriminator(place string, s *rules.Schema, doc *openapi3.Schema, variants map[string]*rules.Schema) error {
	d := doc.Discriminator
	s.Discriminator = d.PropertyName
	named := map[*rules.Schema]bool{}
	for _, value := range slices.Sorted(maps.Keys(d.Mapping)) {
		variant := variants[d.Mapping[value].Ref]
		if variant == nil || variant.Kind != rules.Object {
			return fmt.Errorf("%s: discriminator: %q must refer to an object of the oneOf", place, value)
		}
		s.Mapping = append(s.Mapping, rules.Mapped{Value: value, Schema: variant})
		named[variant] = true
	}
	if d.PropertyName == "" || len(variants) != len(doc.OneOf) || len(named) != len(variants) {
		return fmt.Errorf("%s: discriminator: the mapping must name every variant, each with its own reference", place)
	}
	return nil
}

// compileNames reads an x-property-names; nil when there is none.
func compileNames(extensions map[string]any) (*rules.NameRules, error) {
	value, ok := extensions[namesKeyword]
	if !ok {
		return nil, nil
	}
	names, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("must be an object")
	}
	compiled := &rules.NameRules{Size: rules.Span{Most: -1}, PatternDescription: phrase(names, patternDescriptionKeyword)}
	for keyword, value := range names {
		n, isNumber := number(value)
		expr, isText := value.(string)
		var err error
		switch {
		case keyword == "minLength" && isNumber:
			compiled.Size.Least = int(n)
		case keyword == "maxLength" && isNumber:
			compiled.Size.Most = int(n)
		case keyword == "pattern" && isText:
			compiled.Pattern, err = compileOptional(expr)
		case keyword == patternDescriptionKeyword && isText:
		default:
			err = fmt.Errorf("keyword %q is not supported", keyword)
		}
		if err != nil {
			return nil, err
		}
	}
	return compiled, nil
}

// number reads a number from an extension, in any type that the YAML parser may have chosen.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	}
	return 0, false
}

// phrase reads a string from a schema's extensions; "" when it is absent.
func phrase(extensions map[string]any, name string) string {
	s, _ := extensions[name].(string)
	return strings.TrimSpace(s)
}
