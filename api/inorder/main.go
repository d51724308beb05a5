// Command inorder runs oapi-codegen on the contract with the order of its properties written into it, so that structs,
// and with them JSON, have their fields in the order of the document instead of by name. It excludes the types that
// api/clientgen writes: unions with a discriminator, and types with x-go-constants. Responses are encoded without escapes
// for HTML.
//
//	go run ./api/inorder CONFIG SPEC
package main

import (
	"bytes"
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
	ordered, excluded, err := inOrder(data)
	if err != nil {
		return fmt.Errorf("%s: %w", spec, err)
	}
	settings, err := excluding(config, excluded)
	if err != nil {
		return fmt.Errorf("%s: %w", config, err)
	}
	dir, err := os.MkdirTemp("", "inorder")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	specFile, configFile := filepath.Join(dir, filepath.Base(spec)), filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(specFile, ordered, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(configFile, settings, 0o600); err != nil {
		return err
	}
	generator := exec.Command("go", "tool", "oapi-codegen", "-config", configFile, specFile)
	generator.Stdout, generator.Stderr = os.Stdout, os.Stderr
	if err := generator.Run(); err != nil {
		return err
	}
	return plainResponses(settings)
}

// plainResponses makes the generated responses encode their JSON without escapes for HTML: <, > and & would take six bytes
// each, in every copy of a response.
func plainResponses(settings []byte) error {
	var config struct {
		Output   string
		Generate map[string]bool
	}
	if err := yaml.Unmarshal(settings, &config); err != nil || !config.Generate["strict-server"] {
		return err
	}
	code, err := os.ReadFile(config.Output)
	if err != nil {
		return err
	}
	const escaping = "if err := json.NewEncoder(&buf).Encode("
	if !bytes.Contains(code, []byte(escaping)) {
		return fmt.Errorf("%s: the responses are not encoded by %q", config.Output, escaping)
	}
	const plain = "encoder := json.NewEncoder(&buf)\n\tencoder.SetEscapeHTML(false)\n\tif err := encoder.Encode("
	return os.WriteFile(config.Output, bytes.ReplaceAll(code, []byte(escaping), []byte(plain)), 0o644)
}

// excluding returns a configuration with schemas to exclude added to it.
func excluding(config string, schemas []string) ([]byte, error) {
	data, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	var settings map[string]any
	if err := yaml.Unmarshal(data, &settings); err != nil {
		return nil, err
	}
	options, ok := settings["output-options"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("no output-options")
	}
	options["exclude-schemas"] = schemas
	return yaml.Marshal(settings)
}

// inOrder returns the document with an x-order on every property of its component schemas, and the exact Go name on those
// that their schema's x-go-field-names has: a $ref takes no keyword next to it, and the generator changes the case of
// other names. excluded are the schemas whose types api/clientgen writes.
func inOrder(data []byte) (ordered []byte, excluded []string, err error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, nil, err
	}
	schemas := child(child(document.Content[0], "components"), "schemas")
	if schemas == nil {
		return nil, nil, fmt.Errorf("no components.schemas")
	}
	for i := 1; i < len(schemas.Content); i += 2 {
		if child(schemas.Content[i], "discriminator") != nil || child(schemas.Content[i], "x-go-constants") != nil {
			excluded = append(excluded, schemas.Content[i-1].Value)
		}
		properties := child(schemas.Content[i], "properties")
		if properties == nil {
			continue
		}
		for p := 1; p < len(properties.Content); p += 2 {
			extend(properties.Content[p], "x-order", "!!int", strconv.Itoa(p/2+1))
			if name := child(child(schemas.Content[i], "x-go-field-names"), properties.Content[p-1].Value); name != nil {
				extend(properties.Content[p], "x-go-name", "!!str", name.Value)
				extend(properties.Content[p], "x-oapi-codegen-only-honour-go-name", "!!bool", "true")
			}
		}
	}
	ordered, err = yaml.Marshal(&document)
	return ordered, excluded, err
}

// extend adds a key to a mapping.
func extend(mapping *yaml.Node, key, tag, value string) {
	mapping.Content = append(mapping.Content,
		&yaml.Node{Kind: yaml.ScalarNode, Value: key}, &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value})
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
