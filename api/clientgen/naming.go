package main

import "strings"

// initialisms are the words that Go writes in capitals, as api/*.cfg.yaml has them for oapi-codegen.
var initialisms = map[string]string{
	"api": "API", "http": "HTTP", "id": "ID", "ids": "IDs", "json": "JSON", "mcp": "MCP", "ms": "MS", "url": "URL",
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

// list joins words: "A, B or C".
func list(words []string, conjunction string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}

// constant returns the name of a constant of an enumeration. A value that repeats the beginning of the type's name does
// not repeat it in Go: EventType's "event_start" is EventTypeStart.
func constant(typeName, value string) string {
	name := camel(value)
	if rest := strings.TrimPrefix(name, strings.TrimSuffix(typeName, "Type")); rest != "" {
		name = rest
	}
	return typeName + name
}
