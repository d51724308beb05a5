package contract

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api"
)

// maxProperties is the maximum number of named properties of one object: walkers have one bit of 64 for each.
const maxProperties = 64

// compiler compiles the document's schemas, each once, so that cycles end. Its errors name the place and the
// keyword.
type compiler struct {
	done map[*openapi3.Schema]*schema
}

func (c *compiler) compile(place string, ref *openapi3.SchemaRef) (*schema, error) {
	if ref == nil || ref.Value == nil {
		return nil, fmt.Errorf("%s: no schema", place)
	}
	doc := ref.Value
	if s := c.done[doc]; s != nil {
		return s, nil
	}
	kind, err := kindOf(doc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	s := &schema{kind: kind, nullable: doc.Nullable, doc: doc}
	c.done[doc] = s
	if s.maxBytes, err = maxBytes(doc); err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	switch kind {
	case stringKind:
		err = s.compileText(place)
	case integerKind:
		err = s.compileWhole(place)
	case numberKind:
		s.compileFloat()
	case arrayKind:
		err = c.compileArray(place, s)
	case objectKind:
		err = c.compileObject(place, s)
	case unionKind:
		err = c.compileUnion(place, s)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// maxBytes reads a schema's x-max-bytes; 0 when it has none.
func maxBytes(doc *openapi3.Schema) (int, error) {
	value, ok := doc.Extensions[ruleMaxBytes]
	if !ok {
		return 0, nil
	}
	n, isNumber := number(value)
	if !isNumber || n < 1 || n != math.Trunc(n) {
		return 0, fmt.Errorf("%s: must be an integer of at least 1", ruleMaxBytes)
	}
	return int(n), nil
}

func (s *schema) compileText(place string) (err error) {
	if s.text.pattern, err = compileOptional(s.doc.Pattern); err != nil {
		return fmt.Errorf("%s: pattern: %w", place, err)
	}
	for _, value := range s.doc.Enum {
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("%s: enum: %v is not a string", place, value)
		}
		s.text.enum = append(s.text.enum, text)
	}
	s.size = newSpan(s.doc.MinLength, s.doc.MaxLength)
	s.text.dateTime = s.doc.Format == "date-time"
	return nil
}

// compileOptional compiles a regular expression; it returns nil for "".
func compileOptional(expr string) (*pattern, error) {
	if expr == "" {
		return nil, nil
	}
	return compilePattern(expr)
}

func newSpan(least uint64, most *uint64) span {
	s := span{least: int(min(least, math.MaxInt32)), most: -1}
	if most != nil {
		s.most = int(min(*most, math.MaxInt32))
	}
	return s
}

func (c *compiler) compileArray(place string, s *schema) (err error) {
	s.size = newSpan(s.doc.MinItems, s.doc.MaxItems)
	if s.items, err = c.compile(place+".items", s.doc.Items); err != nil {
		return err
	}
	s.unique = s.doc.UniqueItems
	if s.unique && (s.items.kind != stringKind && s.items.kind != integerKind || s.items.nullable) {
		return fmt.Errorf("%s: uniqueItems: only strings and integers that are not nullable are supported", place)
	}
	return nil
}

func (c *compiler) compileObject(place string, s *schema) (err error) {
	doc := s.doc
	s.size = newSpan(doc.MinProps, doc.MaxProps)
	s.closed = doc.AdditionalProperties.Has != nil && !*doc.AdditionalProperties.Has
	if extra := doc.AdditionalProperties.Schema; extra != nil {
		if s.extra, err = c.compile(place+".additionalProperties", extra); err != nil {
			return err
		}
	}
	if s.nameRules, err = compileNames(doc.Extensions); err != nil {
		return fmt.Errorf("%s: x-property-names: %w", place, err)
	}
	order := api.PropertyOrder(doc)
	if s.nameRules != nil && len(order) > 0 {
		return fmt.Errorf("%s: x-property-names: only objects without named properties can have it", place)
	}
	if len(order) > maxProperties {
		return fmt.Errorf("%s: properties: more than %d", place, maxProperties)
	}
	for _, name := range order {
		child, err := c.compile(place+".properties."+name, doc.Properties[name])
		if err != nil {
			return err
		}
		p, err := newProperty(name, child)
		if err != nil {
			return fmt.Errorf("%s.properties.%s: default: %w", place, name, err)
		}
		s.properties = append(s.properties, p)
	}
	for _, name := range doc.Required {
		i := slices.Index(order, name)
		if i < 0 {
			return fmt.Errorf("%s: required: no property %q", place, name)
		}
		s.required |= 1 << i
	}
	return nil
}

func newProperty(name string, s *schema) (property, error) {
	quoted, err := json.Marshal(name)
	if err != nil {
		return property{}, err
	}
	p := property{name: name, sent: string(quoted) + ":", schema: s}
	value, err := s.defaultJSON()
	if value != "" {
		p.absent = "," + p.sent + value
	}
	return p, err
}

// defaultJSON returns the default of s, which must be valid by s, in JSON; "" when there is none.
func (s *schema) defaultJSON() (string, error) {
	if s.doc.Default == nil {
		return "", nil
	}
	data, err := json.Marshal(s.doc.Default)
	if err != nil {
		return "", err
	}
	if m := check(s, string(data), 1); m != nil {
		return "", fmt.Errorf("it violates %s", m.rule)
	}
	return string(data), nil
}

// compileUnion compiles a union whose variants can be distinguished before they are read: by a discriminator
// or by their JSON types.
func (c *compiler) compileUnion(place string, s *schema) error {
	variants := map[string]*schema{}
	for i, ref := range s.doc.OneOf {
		at := fmt.Sprintf("%s.oneOf[%d]", place, i)
		variant, err := c.compile(at, ref)
		if err != nil {
			return err
		}
		if variant.nullable || variant.kind == unionKind {
			return fmt.Errorf("%s: oneOf: a variant must be neither nullable nor a oneOf", at)
		}
		found := variant.kind
		if found == integerKind {
			found = numberKind
		}
		if s.doc.Discriminator == nil && s.byKind[found] != nil {
			return fmt.Errorf("%s: oneOf: without a discriminator the variants must have different types", at)
		}
		s.byKind[found] = variant
		variants[ref.Ref] = variant
	}
	if s.doc.Discriminator == nil {
		return nil
	}
	return s.compileDiscriminator(place, variants)
}

func (s *schema) compileDiscriminator(place string, variants map[string]*schema) error {
	d := s.doc.Discriminator
	s.discriminator, s.byValue = d.PropertyName, map[string]*schema{}
	named := map[*schema]bool{}
	for value, ref := range d.Mapping {
		variant := variants[ref.Ref]
		if variant == nil || variant.kind != objectKind {
			return fmt.Errorf("%s: discriminator: %q must refer to an object of the oneOf", place, value)
		}
		s.byValue[value], named[variant] = variant, true
	}
	if d.PropertyName == "" || len(variants) != len(s.doc.OneOf) || len(named) != len(variants) {
		return fmt.Errorf("%s: discriminator: the mapping must name every variant, each with its own reference", place)
	}
	return nil
}

// compileNames reads an x-property-names; nil when there is none.
func compileNames(extensions map[string]any) (*nameRules, error) {
	value, ok := extensions["x-property-names"]
	if !ok {
		return nil, nil
	}
	names, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("must be an object")
	}
	rules := &nameRules{size: span{most: -1}}
	for keyword, value := range names {
		n, isNumber := number(value)
		expr, isText := value.(string)
		var err error
		switch {
		case keyword == "minLength" && isNumber:
			rules.size.least = int(n)
		case keyword == "maxLength" && isNumber:
			rules.size.most = int(n)
		case keyword == "pattern" && isText:
			rules.pattern, err = compileOptional(expr)
		case keyword == "x-pattern-description" && isText:
		default:
			err = fmt.Errorf("keyword %q is not supported", keyword)
		}
		if err != nil {
			return nil, err
		}
	}
	return rules, nil
}
