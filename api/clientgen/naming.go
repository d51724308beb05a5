package main

import (
	"strconv"
	"strings"
	"unicode"
)

// initialisms are the words that Go writes in capitals, as api/*.cfg.yaml has them for oapi-codegen.
var initialisms = map[string]string{
	"api": "API", "http": "HTTP", "id": "ID", "ids": "IDs", "json": "JSON", "mcp": "MCP", "ms": "MS", "sha256": "SHA256", "url": "URL",
}

// camel returns the Go name of a word of the contract: camel("user.message") is "UserMessage". A word that is written
// in camel case keeps its capitals.
func camel(word string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune("_.-[] ", r) }) {
		if upper, ok := initialisms[part]; ok {
			b.WriteString(upper)
			continue
		}
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// constant returns the name of a constant of a type with x-go-constants. A value that repeats the beginning of the type's name does
// not repeat it in Go: EventType's "event_start" is EventTypeStart.
func constant(typeName, value string) string {
	name := camel(value)
	if rest := strings.TrimPrefix(name, strings.TrimSuffix(typeName, "Type")); rest != "" {
		name = rest
	}
	return typeName + name
}

// exported returns a name with a capital, and unexported one without: unexported("ID") is "id".
func exported(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func unexported(name string) string {
	if strings.ToUpper(name) == name {
		return strings.ToLower(name)
	}
	return strings.ToLower(name[:1]) + name[1:]
}

// words returns a Go name in words: "SessionResource" is "session resource".
func words(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// plural returns the plural of words: "memory" is "memories".
func plural(words string) string {
	if words == "work" { // it has none
		return words
	}
	if stem, ok := strings.CutSuffix(words, "y"); ok {
		return stem + "ies"
	}
	return words + "s"
}

// singular returns what a plural is of: "SessionResources" is of "SessionResource".
func singular(noun string) string {
	if stem, ok := strings.CutSuffix(noun, "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(noun, "s")
}

// quote writes a text as a Go literal.
func quote(text string) string {
	if strconv.CanBackquote(text) {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}
