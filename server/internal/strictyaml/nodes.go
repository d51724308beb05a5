package strictyaml

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxDuration is the longest Duration.
const maxDuration = time.Hour

// At returns the error at n.
func At(n *yaml.Node, format string, args ...any) error {
	return &Error{Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)}
}

// checkPlain returns an error unless all below n could be written in JSON: no anchors, aliases, merges
// and tags, and every key a text that its mapping has once.
func checkPlain(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode, n.Anchor != "":
		return At(n, "anchors and aliases are not allowed")
	case n.Style&yaml.TaggedStyle != 0:
		return At(n, "tags are not allowed")
	}
	keys := map[string]int{}
	for i, child := range n.Content {
		if err := checkPlain(child); err != nil {
			return err
		}
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			continue
		}
		if !IsText(child) {
			return At(child, "a key must be a text, not %s", KindOf(child))
		}
		if line, twice := keys[child.Value]; twice {
			return At(child, "the key %q is there already, at line %d", child.Value, line)
		}
		keys[child.Value] = child.Line
	}
	return nil
}

// IsText reports whether n is a text.
func IsText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" }

// KindOf says what n is, for errors.
func KindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch tag := n.ShortTag(); tag {
	case "!!str":
		return "a text"
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	default:
		return n.Value
	}
}

// Optional reads the value of a key into what into points to, which stays as it is when the key is not there.
func Optional[T any](fields map[string]*yaml.Node, key string, read func(n *yaml.Node, what string) (T, error), into *T) (err error) {
	if n, ok := fields[key]; ok {
		*into, err = read(n, key)
	}
	return err
}

// Mapping returns the values of n by their keys, which must be known ones.
func Mapping(n *yaml.Node, what string, known ...string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, At(n, "%s must be a mapping, not %s", what, KindOf(n))
	}
	values := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !slices.Contains(known, key.Value) {
			return nil, At(key, "%s has no key %q; there are: %s", what, key.Value, strings.Join(known, ", "))
		}
		values[key.Value] = n.Content[i+1]
	}
	return values, nil
}

// Single returns the only key of n, which must be a known one, and its value.
func Single(n *yaml.Node, what string, known ...string) (string, *yaml.Node, error) {
	if _, err := Mapping(n, what, known...); err != nil {
		return "", nil, err
	}
	if len(n.Content) != 2 {
		return "", nil, At(n, "%s must have exactly one of: %s", what, strings.Join(known, ", "))
	}
	return n.Content[0].Value, n.Content[1], nil
}

// Has reports whether the mapping n has that key.
func Has(n *yaml.Node, key string) bool { return Under(n, key) != n }

// Under returns the value of the mapping n's key, or n itself when there is none.
func Under(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return n
}

// Sequence returns the values of the list n. Nil is one that is missing in its parent.
func Sequence(n, parent *yaml.Node, what string) ([]*yaml.Node, error) {
	switch {
	case n == nil:
		return nil, At(parent, "%s is missing", what)
	case n.Kind != yaml.SequenceNode:
		return nil, At(n, "%s must be a list, not %s", what, KindOf(n))
	}
	return n.Content, nil
}

// AnyText returns the text n, which may be empty.
func AnyText(n *yaml.Node, what string) (string, error) {
	if IsText(n) {
		return n.Value, nil
	}
	hint := ""
	if n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" {
		hint = "; put it in quotes"
	}
	return "", At(n, "%s must be a text, not %s%s", what, KindOf(n), hint)
}

// SomeText returns the text n, which must not be empty.
func SomeText(n *yaml.Node, what string) (string, error) {
	got, err := AnyText(n, what)
	if err == nil && got == "" {
		err = At(n, "%s must not be empty", what)
	}
	return got, err
}

// Nothing returns an error unless n is empty.
func Nothing(n *yaml.Node, what string) error {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return At(n, "%s takes no value, not %s", what, KindOf(n))
}

// Bool returns true or false.
func Bool(n *yaml.Node, what string) (bool, error) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		return false, At(n, "%s must be true or false, not %s", what, KindOf(n))
	}
	var b bool
	if err := n.Decode(&b); err != nil {
		return false, At(n, "%s must be true or false", what)
	}
	return b, nil
}

// Duration returns a duration from 0 to maxDuration.
func Duration(n *yaml.Node, what string) (time.Duration, error) {
	if n.Kind == yaml.ScalarNode {
		if d, err := time.ParseDuration(n.Value); err == nil && d >= 0 && d <= maxDuration {
			return d, nil
		}
	}
	return 0, At(n, "%s must be a duration from 0s to 1h, as 50ms, not %s", what, Shown(n))
}

// Count returns a whole number from 0 to most.
func Count(n *yaml.Node, what string, most int64) (int64, error) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" {
		if got, err := strconv.ParseInt(n.Value, 10, 64); err == nil && got >= 0 && got <= most {
			return got, nil
		}
	}
	return 0, At(n, "%s must be a whole number from 0 to %d, not %s", what, most, Shown(n))
}

// Shown is kindOf, with the value of a text.
func Shown(n *yaml.Node) string {
	if IsText(n) {
		return strconv.Quote(n.Value)
	}
	return KindOf(n)
}

// Value returns n as encoding/json takes it. A date is its text.
func Value(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			value, err := Value(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			object[n.Content[i].Value] = value
		}
		return object, nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, child := range n.Content {
			value, err := Value(child)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	}
	if tag := n.ShortTag(); tag == "!!str" || tag == "!!timestamp" {
		return n.Value, nil
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return nil, At(n, "%s is not a value", n.Value)
	}
	if f, ok := value.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return nil, At(n, "JSON has no number %s", n.Value)
	}
	return value, nil
}
