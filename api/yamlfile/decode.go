package yamlfile

import (
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxDuration is the longest duration.
const maxDuration = time.Hour

// Decoder is a value that decodes itself. What is the name of the value in errors.
type Decoder interface {
	DecodeYAML(n *yaml.Node, what string) error
}

// Checker is a value that checks itself once it is decoded from n.
type Checker interface {
	CheckYAML(n *yaml.Node) error
}

// Decode decodes n into what into points to; what is the name of the value in errors. It decodes
//
//   - a mapping into a struct: each key into the field with the tag `yaml:"key"`; an unknown key is an error
//   - a list into a slice
//   - a text, or any other scalar as it is spelled, into a string, which must not be empty
//   - true and false into a bool
//   - a whole number from 0 into an integer
//   - a duration as Go writes it, 0s to 1h, into a time.Duration
//   - any of these into a pointer to its type, and everything into a *yaml.Node, unchanged
//   - what a Decoder decodes into that; a Checker has the last word
//
// Options follow the key in a field's tag: required; empty, for a string that may be; single, for a slice that a single
// value may stand for; min=N and max=N, for an integer. Decode panics on other types.
func Decode(n *yaml.Node, what string, into any) error {
	return decode(n, what, reflect.ValueOf(into).Elem(), field{max: math.MaxInt64})
}

func decode(n *yaml.Node, what string, v reflect.Value, f field) error {
	err := decodeUnchecked(n, what, v, f)
	if checker, ok := v.Interface().(Checker); ok && err == nil {
		err = checker.CheckYAML(n)
	}
	return err
}

func decodeUnchecked(n *yaml.Node, what string, v reflect.Value, f field) (err error) {
	switch into := v.Addr().Interface().(type) {
	case Decoder:
		return into.DecodeYAML(n, what)
	case **yaml.Node:
		*into = n
		return nil
	case *time.Duration:
		*into, err = duration(n, what)
		return err
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decode(n, what, v.Elem(), f)
	case reflect.Struct:
		return decodeStruct(n, what, v)
	case reflect.Slice:
		return decodeSlice(n, what, v, f)
	case reflect.String:
		return decodeString(n, what, v, f)
	case reflect.Bool:
		return decodeBool(n, what, v)
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return decodeInteger(n, what, v, f)
	}
	panic("yamlfile: cannot decode into a " + v.Type().String())
}

// field is a field's tag.
type field struct {
	name                    string
	index                   []int
	required, empty, single bool
	min, max                int64
}

// fieldsOf returns the fields of a struct that have a tag, in order.
func fieldsOf(t reflect.Type) (fields []field) {
	for _, sf := range reflect.VisibleFields(t) {
		tag, ok := sf.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		f := field{name: name, index: sf.Index, max: math.MaxInt64}
		for option := range strings.SplitSeq(options, ",") {
			key, value, _ := strings.Cut(option, "=")
			number, _ := strconv.ParseInt(value, 10, 64)
			switch key {
			case "required":
				f.required = true
			case "empty":
				f.empty = true
			case "single":
				f.single = true
			case "min":
				f.min = number
			case "max":
				f.max = number
			}
		}
		fields = append(fields, f)
	}
	return fields
}

func decodeStruct(n *yaml.Node, what string, v reflect.Value) error {
	fields := fieldsOf(v.Type())
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	if err := checkKeys(n, what, names); err != nil {
		return err
	}
	for _, f := range fields {
		value := Under(n, f.name)
		switch {
		case value == nil && f.required:
			return At(n, "%s needs the key %q", what, f.name)
		case value == nil:
			continue
		}
		if err := decode(value, f.name, v.FieldByIndex(f.index), f); err != nil {
			return err
		}
	}
	return nil
}

func decodeSlice(n *yaml.Node, what string, v reflect.Value, f field) error {
	elements := n.Content
	if n.Kind != yaml.SequenceNode {
		if !f.single {
			return At(n, "%s must be a list, not %s", what, Shown(n))
		}
		elements = []*yaml.Node{n}
	}
	v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
	for i, element := range elements {
		if err := decode(element, what, v.Index(i), f); err != nil {
			return err
		}
	}
	return nil
}

func decodeString(n *yaml.Node, what string, v reflect.Value, f field) error {
	switch {
	case n.Kind != yaml.ScalarNode || isNull(n):
		return At(n, "%s must be a text, not %s", what, Shown(n))
	case n.Value == "" && !f.empty:
		return At(n, "%s must not be empty", what)
	}
	v.SetString(n.Value)
	return nil
}

func decodeBool(n *yaml.Node, what string, v reflect.Value) error {
	var value bool
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(&value) != nil {
		return At(n, "%s must be true or false, not %s", what, Shown(n))
	}
	v.SetBool(value)
	return nil
}

var decimal = regexp.MustCompile(`^(0|[1-9]\d*)$`)

func decodeInteger(n *yaml.Node, what string, v reflect.Value, f field) error {
	number, err := strconv.ParseInt(n.Value, 10, 64)
	if !IsNumber(n) || !decimal.MatchString(n.Value) || err != nil || number < f.min || number > f.max {
		return At(n, "%s must be a whole number from %d to %d, not %s", what, f.min, f.max, Shown(n))
	}
	if v.CanUint() {
		v.SetUint(uint64(number))
	} else {
		v.SetInt(number)
	}
	return nil
}

func duration(n *yaml.Node, what string) (time.Duration, error) {
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d < 0 || d > maxDuration {
		return 0, At(n, "%s must be a duration from 0s to 1h, such as 50ms, not %s", what, Shown(n))
	}
	return d, nil
}

// checkKeys returns an error unless n is a mapping with no other keys than the known ones.
func checkKeys(n *yaml.Node, what string, known []string) error {
	if n.Kind != yaml.MappingNode {
		return At(n, "%s must be a mapping, not %s", what, Shown(n))
	}
	for i := 0; i < len(n.Content); i += 2 {
		if key := n.Content[i]; !slices.Contains(known, key.Value) {
			return At(key, "%s has no key %q; its keys are: %s", what, key.Value, strings.Join(known, ", "))
		}
	}
	return nil
}

// Single returns the only key of the mapping n, which must be one of the known ones, and its value.
func Single(n *yaml.Node, what string, known ...string) (key string, value *yaml.Node, err error) {
	if err := checkKeys(n, what, known); err != nil {
		return "", nil, err
	}
	if len(n.Content) != 2 {
		return "", nil, At(n, "%s must have exactly one of: %s", what, strings.Join(known, ", "))
	}
	return n.Content[0].Value, n.Content[1], nil
}

// Under returns the value of the mapping n's key, or nil if n is not a mapping with that key.
func Under(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// IsNumber reports whether n is a number.
func IsNumber(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!int" || n.ShortTag() == "!!float")
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// Shown describes n in errors.
func Shown(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case isText(n):
		return strconv.Quote(n.Value)
	case isNull(n):
		return "nothing"
	case IsNumber(n):
		return "the number " + n.Value
	case n.ShortTag() == "!!timestamp":
		return "the date " + n.Value
	}
	return n.Value
}
