package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readDocument reads an object from a file of JSON or YAML, or from standard input for "-".
func (a *app) readDocument(ctx context.Context, name string) (map[string]any, error) {
	data, err := a.readFile(ctx, name)
	if err != nil {
		return nil, err
	}
	var doc any
	if json.Valid(data) || strings.EqualFold(filepath.Ext(name), ".json") {
		doc, err = parseJSON(data)
	} else {
		doc, err = parseYAML(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s must hold one object, such as {\"name\": \"notes\"}", name)
	}
	return object, nil
}

func parseJSON(data []byte) (doc any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err = decoder.Decode(&doc); err == nil && decoder.More() {
		err = errors.New("there is more than one document")
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		err = fmt.Errorf("line %d: not JSON: %w", line, err)
	}
	return doc, err
}

// parseYAML reads one document. Dates stay as they are written, and keys become strings.
func parseYAML(data []byte) (any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var node yaml.Node
	var doc any
	err := decoder.Decode(&node)
	if err == nil {
		plain(&node)
		err = node.Decode(&doc)
	}
	switch {
	case err == io.EOF:
		return nil, errors.New("the file is empty")
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	case decoder.Decode(&yaml.Node{}) != io.EOF:
		return nil, errors.New("there is more than one document")
	}
	return doc, nil
}

// plain makes text of what YAML knows and JSON does not.
func plain(node *yaml.Node) {
	for i, inner := range node.Content {
		isKey := node.Kind == yaml.MappingNode && i%2 == 0
		if inner.Kind == yaml.ScalarNode && inner.Tag != "!!merge" && (isKey || inner.Tag == "!!timestamp") {
			inner.Tag = "!!str"
		}
		plain(inner)
	}
}
