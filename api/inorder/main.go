// Command inorder runs the generator on the contract with the order of its properties written into it, so
// that structs, and with them JSON, have their fields in the order of the document instead of by name:
//
//	go run ./api/inorder CONFIG SPEC
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"go.yaml.in/yaml/v3"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: inorder CONFIG SPEC")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "inorder:", err)
		os.Exit(1)
	}
}

func generate(config, spec string) error {
	data, err := os.ReadFile(spec)
	if err != nil {
		return err
	}
	ordered, err := inOrder(data)
	if err != nil {
		return fmt.Errorf("%s: %w", spec, err)
	}
	dir, err := os.MkdirTemp("", "inorder")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, filepath.Base(spec))
	if err := os.WriteFile(file, ordered, 0o600); err != nil {
		return err
	}
	generator := exec.Command("go", "tool", "oapi-codegen", "-config", config, file)
	generator.Stdout, generator.Stderr = os.Stdout, os.Stderr
	return generator.Run()
}

// inOrder returns the document with an x-order on every property of its component schemas.
func inOrder(data []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	schemas := child(child(document.Content[0], "components"), "schemas")
	if schemas == nil {
		return nil, fmt.Errorf("no components.schemas")
	}
	for i := 1; i < len(schemas.Content); i += 2 {
		properties := child(schemas.Content[i], "properties")
		if properties == nil {
			continue
		}
		for p := 1; p < len(properties.Content); p += 2 {
			properties.Content[p].Content = append(properties.Content[p].Content,
				&yaml.Node{Kind: yaml.ScalarNode, Value: "x-order"},
				&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(p/2 + 1)})
		}
	}
	return yaml.Marshal(&document)
}

// child returns the value of a mapping's key, or nil.
func child(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}
