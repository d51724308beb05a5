// Package yamlfile decodes YAML files that people write, strictly, so that an error names the place of the mistake and
// what is allowed there. A text keeps its spelling: 1.10, 012, yes, 0x1F and 2026-05-18 are texts wherever a text is
// expected. It imports a YAML parser and the standard library.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error reports what is wrong in a file, and where.
type Error struct {
	// File is the name that the function that read the file was given.
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

// At returns an error at the place of n, in a file that the caller names.
func At(n *yaml.Node, format string, args ...any) *Error {
	return &Error{Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)}
}

// Parse decodes the only document in data into what into points to, as Decode does. Anchors, aliases and tags are
// refused. Name and noun are what errors call the file; every error is an *Error.
func Parse(name, noun string, data []byte, into any) error {
	root, err := document(data, noun)
	if err == nil {
		err = checkPlain(root)
	}
	if err == nil {
		err = Decode(root, "the "+noun, into)
	}
	return in(name, err)
}

// in returns err as an *Error in the file of that name, or nil.
func in(name string, err error) error {
	if err == nil {
		return nil
	}
	var wrong *Error
	if !errors.As(err, &wrong) {
		wrong = parserError(err)
	}
	wrong.File = name
	return wrong
}

// document returns the root of the only document in data, which errors call by the noun.
func document(data []byte, noun string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil, &Error{Message: "the " + noun + " is empty"}
	} else if err != nil {
		return nil, err
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, At(&more, "the %s must be only one document; a second one begins here", noun)
	} else if strings.Contains(err.Error(), "expected <document start>") {
		return nil, &Error{Message: "the " + noun + " must be only one document"}
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return doc.Content[0], nil
}

var parserLine = regexp.MustCompile(`^line (\d+): (?s:(.*))$`)

// parserError converts an error of the YAML parser, which names the line only in its text.
func parserError(err error) *Error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var several *yaml.TypeError
	if errors.As(err, &several) {
		text = several.Errors[0]
	}
	wrong := &Error{Message: "not valid YAML: " + text}
	if found := parserLine.FindStringSubmatch(text); found != nil {
		wrong.Line, _ = strconv.Atoi(found[1])
		wrong.Message = "not valid YAML: " + found[2]
	}
	return wrong
}

// checkPlain returns an error unless everything below n could be written in JSON: no anchors, aliases, merges or
// tags, and every key a text that its mapping has only once.
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
		if !isText(child) {
			return At(child, "a key must be a text, not %s", Shown(child))
		}
		if line, twice := keys[child.Value]; twice {
			return At(child, "the key %q is already defined at line %d", child.Value, line)
		}
		keys[child.Value] = child.Line
	}
	return nil
}
