package yamlfile

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Value returns the only document in data as encoding/json would return it for the JSON that means the same, ready to
// be decoded into a t: a scalar that t holds as a string is the text as it is spelled. So are keys, and dates
// everywhere. Anchors, aliases and merges work; the parser refuses aliases that multiply without bound. Name is what
// errors call the file; every error is an *Error.
func Value(name string, data []byte, t reflect.Type) (any, error) {
	root, err := document(data, "file")
	if err != nil {
		return nil, in(name, err)
	}
	value, err := ValueOf(root, t)
	return value, in(name, err)
}

// ValueOf is Value for n. A nil type has no strings of its own.
func ValueOf(n *yaml.Node, t reflect.Type) (value any, err error) {
	if err = spell(n, t); err == nil {
		err = n.Decode(&value)
	}
	return value, err
}

// spell marks the scalars below n that must keep their spelling as texts.
func spell(n *yaml.Node, t reflect.Type) error {
	t = wireType(t)
	switch n.Kind {
	case yaml.MappingNode:
		return spellMapping(n, t)
	case yaml.SequenceNode:
		var element reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			element = t.Elem()
		}
		for _, child := range n.Content {
			if err := spell(child, element); err != nil {
				return err
			}
		}
	case yaml.ScalarNode:
		return spellScalar(n, t)
	}
	return nil
}

func spellMapping(n *yaml.Node, t reflect.Type) error {
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		within := t
		switch {
		case key.Kind != yaml.ScalarNode:
			return At(key, "a key must be a text, not %s", Shown(key))
		case key.Tag != "!!merge":
			key.Tag = "!!str"
			within = under(t, key.Value)
		}
		if err := spell(value, within); err != nil {
			return err
		}
	}
	return nil
}

func spellScalar(n *yaml.Node, t reflect.Type) error {
	isString := t != nil && t.Kind() == reflect.String
	switch tag := n.ShortTag(); {
	case n.Style&yaml.TaggedStyle != 0 && tag != "!!timestamp":
	case tag == "!!timestamp", isString && tag != "!!null":
		n.Tag = "!!str"
	case tag == "!!float" && strings.HasSuffix(strings.ToLower(n.Value), ".inf"), tag == "!!float" && strings.EqualFold(n.Value, ".nan"):
		return At(n, "JSON has no number %s", n.Value)
	}
	return nil
}

// wireType returns the type that JSON shows of a t: what a pointer points to and what a nullable value, which is a map
// from bool, holds.
func wireType(t reflect.Type) reflect.Type {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Map && t.Key().Kind() == reflect.Bool) {
		t = t.Elem()
	}
	return t
}

// under returns the type of t's values of that key, or nil if it is not known.
func under(t reflect.Type, key string) reflect.Type {
	switch {
	case t == nil:
		return nil
	case t.Kind() == reflect.Map:
		return t.Elem()
	case t.Kind() != reflect.Struct:
		return nil
	}
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == key {
			return f.Type
		}
	}
	return nil
}
