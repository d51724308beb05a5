// Package strictyaml reads YAML files that people write by hand, so that a mistake in one is found, at its place,
// with what is allowed there. It takes what JSON could say only, and no key that its caller does not know.
// It imports a YAML parser and the standard library.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error says what is wrong in a file, and where.
type Error struct {
	// File is the name that Parse was given.
	File string
	// Line and Column count from 1; 0 is unknown.
	Line, Column int
	// Message is one sentence, without the place.
	Message string
}

// Error returns "file:line:column: message", without the numbers that are unknown.
func (e *Error) Error() string {
	place := e.File
	if e.Line > 0 {
		place += fmt.Sprintf(":%d", e.Line)
		if e.Column > 0 {
			place += fmt.Sprintf(":%d", e.Column)
		}
	}
	return place + ": " + e.Message
}

// Load is Parse for the file at path, which errors name by its base name. A file that cannot be read is an
// error of package os, after the noun.
func Load[T any](path, noun string, parse func(root *yaml.Node) (T, error)) (T, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		var none T
		return none, fmt.Errorf("%s: %w", noun, err)
	}
	return Parse(filepath.Base(path), noun, data, parse)
}

// Parse makes a T of the one document in data. Name and noun are what errors call it; every one is an *Error.
func Parse[T any](name, noun string, data []byte, parse func(root *yaml.Node) (T, error)) (T, error) {
	root, err := document(data, noun)
	if err == nil {
		var parsed T
		if parsed, err = parse(root); err == nil {
			return parsed, nil
		}
	}
	var wrong *Error
	if !errors.As(err, &wrong) {
		wrong = &Error{Message: err.Error()}
	}
	wrong.File = name
	var none T
	return none, wrong
}

// document returns the root of the one document in data.
func document(data []byte, noun string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil, &Error{Message: "the " + noun + " is empty; it needs rules"}
	} else if err != nil {
		return nil, syntaxError(err)
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, At(&more, "a %s is one document; here begins a second one", noun)
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(err)
	}
	return doc.Content[0], checkPlain(doc.Content[0])
}

// syntaxError turns an error of the YAML parser, which has the line in its text only, into ours.
func syntaxError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	wrong := &Error{Message: "not valid YAML: " + text}
	if found := regexp.MustCompile(`^line (\d+): (?s:(.*))$`).FindStringSubmatch(text); found != nil {
		wrong.Line, _ = strconv.Atoi(found[1])
		wrong.Message = "not valid YAML: " + found[2]
	}
	return wrong
}
