package api

import (
	"iter"

	"go.yaml.in/yaml/v3"
)

// entries yields the keys and values of a mapping; nothing for any other node, or for nil.
func entries(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}

// member returns the value of a mapping's key, or nil.
func member(n *yaml.Node, key string) *yaml.Node {
	for name, value := range entries(n) {
		if name == key {
			return value
		}
	}
	return nil
}

// remove removes a key from a mapping and returns its value, or nil.
func remove(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			value := n.Content[i+1]
			n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
			return value
		}
	}
	return nil
}

// str returns a string; tagged returns another scalar, such as "!!int" and "0".
func str(value string) *yaml.Node { return tagged("!!str", value) }

func tagged(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

func sequence(items ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: items}
}

// pair is a key of a mapping and its value.
type pair struct {
	key   string
	value *yaml.Node
}

func mapping(pairs ...pair) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range pairs {
		n.Content = append(n.Content, str(p.key), p.value)
	}
	return n
}
