package turn

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The bounds of a script's numbers.
const (
	maxWait  = time.Hour
	maxCount = 1_000_000_000_000
)

// faultAt returns the error at n.
func faultAt(n *yaml.Node, format string, args ...any) error {
	return &ScriptError{Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)}
}

// checkPlain returns an error unless all below n could be written in JSON: no anchors, aliases, merges
// and tags, and every key a text that its mapping has once.
func checkPlain(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode, n.Anchor != "":
		return faultAt(n, "anchors and aliases are not allowed")
	case n.Style&yaml.TaggedStyle != 0:
		return faultAt(n, "tags are not allowed")
	}
	keys := map[string]int{}
	for i, child := range n.Content {
		if err := checkPlain(child); err != nil {
			return err
		}
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			continue
		}
		if !isText(child) {
			return faultAt(child, "a key must be a text, not %s", kindOf(child))
		}
		if line, twice := keys[child.Value]; twice {
			return faultAt(child, "the key %q is there already, at line %d", child.Value, line)
		}
		keys[child.Value] = child.Line
	}
	return nil
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" }

// kindOf says what n is, for errors.
func kindOf(n *yaml.Node) string {
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

// mapping returns the values of n by their keys, which must be known ones.
func mapping(n *yaml.Node, what string, known ...string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, faultAt(n, "%s must be a mapping, not %s", what, kindOf(n))
	}
	values := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !slices.Contains(known, key.Value) {
			return nil, faultAt(key, "%s has no key %q; there are: %s", what, key.Value, strings.Join(known, ", "))
		}
		values[key.Value] = n.Content[i+1]
	}
	return values, nil
}

// single returns the only key of n, which must be a known one, and its value.
func single(n *yaml.Node, what string, known ...string) (string, *yaml.Node, error) {
	if _, err := mapping(n, what, known...); err != nil {
		return "", nil, err
	}
	if len(n.Content) != 2 {
		return "", nil, faultAt(n, "%s must have exactly one of: %s", what, strings.Join(known, ", "))
	}
	return n.Content[0].Value, n.Content[1], nil
}

// has reports whether the mapping n has that key.
func has(n *yaml.Node, key string) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// sequence returns the values of the list n. Nil is one that is missing in its parent.
func sequence(n, parent *yaml.Node, what string) ([]*yaml.Node, error) {
	switch {
	case n == nil:
		return nil, faultAt(parent, "%s is missing", what)
	case n.Kind != yaml.SequenceNode:
		return nil, faultAt(n, "%s must be a list, not %s", what, kindOf(n))
	}
	return n.Content, nil
}

// anyText returns the text n, which may be empty.
func anyText(n *yaml.Node, what string) (string, error) {
	if isText(n) {
		return n.Value, nil
	}
	hint := ""
	if n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" {
		hint = "; put it in quotes"
	}
	return "", faultAt(n, "%s must be a text, not %s%s", what, kindOf(n), hint)
}

// someText returns the text n, which must not be empty.
func someText(n *yaml.Node, what string) (string, error) {
	got, err := anyText(n, what)
	if err == nil && got == "" {
		err = faultAt(n, "%s must not be empty", what)
	}
	return got, err
}

func nothing(n *yaml.Node, what string) error {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return faultAt(n, "%s takes no value, not %s", what, kindOf(n))
}

func boolOf(n *yaml.Node, what string) (bool, error) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		return false, faultAt(n, "%s must be true or false, not %s", what, kindOf(n))
	}
	var b bool
	if err := n.Decode(&b); err != nil {
		return false, faultAt(n, "%s must be true or false", what)
	}
	return b, nil
}

// durationOf returns a duration from 0 to maxWait.
func durationOf(n *yaml.Node, what string) (time.Duration, error) {
	if n.Kind == yaml.ScalarNode {
		if d, err := time.ParseDuration(n.Value); err == nil && d >= 0 && d <= maxWait {
			return d, nil
		}
	}
	return 0, faultAt(n, "%s must be a duration from 0s to 1h, as 50ms, not %s", what, shown(n))
}

// countOf returns a whole number from 0 to most.
func countOf(n *yaml.Node, what string, most int64) (int64, error) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" {
		if got, err := strconv.ParseInt(n.Value, 10, 64); err == nil && got >= 0 && got <= most {
			return got, nil
		}
	}
	return 0, faultAt(n, "%s must be a whole number from 0 to %d, not %s", what, most, shown(n))
}

// centsOf returns the hundredths of a number from 0 to 999999999.99 with up to two decimals.
func centsOf(n *yaml.Node, what string) (int64, error) {
	if tag := n.ShortTag(); n.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float") {
		if parts := regexp.MustCompile(`^(\d{1,9})(?:\.(\d{1,2}))?$`).FindStringSubmatch(n.Value); parts != nil {
			return strconv.ParseInt(parts[1]+(parts[2] + "00")[:2], 10, 64)
		}
	}
	return 0, faultAt(n, "%s must be a number from 0 with up to two decimals, not %s", what, shown(n))
}

// shown is kindOf, with the value of a text.
func shown(n *yaml.Node) string {
	if isText(n) {
		return strconv.Quote(n.Value)
	}
	return kindOf(n)
}

// valueOf returns n as encoding/json takes it. A date is its text.
func valueOf(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			value, err := valueOf(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			object[n.Content[i].Value] = value
		}
		return object, nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, child := range n.Content {
			value, err := valueOf(child)
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
		return nil, faultAt(n, "%s is not a value", n.Value)
	}
	if f, ok := value.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return nil, faultAt(n, "JSON has no number %s", n.Value)
	}
	return value, nil
}
