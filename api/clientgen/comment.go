package main

import "strings"

// width is the length of the lines of generated comments.
const width = 118

// comment writes a text as a comment: it is wrapped, and a blank line separates its paragraphs.
func comment(indent string, text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(indent + "//\n")
		}
		line := indent + "//"
		for _, word := range strings.Fields(paragraph) {
			if len(line)+1+len(word) > width {
				b.WriteString(line + "\n")
				line = indent + "//"
			}
			line += " " + word
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// named begins a description with the name of what it describes: "AgentID is an agent's id." or "ListOrder: Newest first."
func named(name, description string) string {
	for _, article := range []string{"A ", "An ", "The "} {
		if rest, ok := strings.CutPrefix(description, article); ok {
			return name + " is " + strings.ToLower(article) + rest
		}
	}
	return name + ": " + description
}
