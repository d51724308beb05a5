package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxInputDepth is how deep arguments may be nested; the contract allows events little more.
const maxInputDepth = 60

// inputProblem returns what keeps a tool's arguments from being an event's input, "" when nothing does: they are a JSON
// object, in which no name is given twice, without halves of surrogate pairs.
func inputProblem(input json.RawMessage) string {
	if kind(input) != '{' || !json.Valid(input) {
		return "are not a JSON object"
	}
	if hasLoneHalf(input) {
		return "contain half of a surrogate pair"
	}
	return repeatedName(input)
}

// hasLoneHalf reports whether a JSON text escapes half of a surrogate pair without the other half.
func hasLoneHalf(input []byte) bool {
	for {
		start := bytes.IndexByte(input, '"')
		if start < 0 {
			return false
		}
		end := start + 1
		for input[end] != '"' {
			if input[end] == '\\' {
				end++
			}
			end++
		}
		text := input[start : end+1]
		if _, valid := joinUTF8(unquote(text)); !valid {
			return true
		}
		input = input[end+1:]
	}
}

// repeatedName says which name an object in a valid JSON text has twice, or that the text is nested too deep.
func repeatedName(input []byte) string {
	var seen []map[string]bool // the names of the objects around; nil for an array
	wantName := false
	decoder := json.NewDecoder(bytes.NewReader(input))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return "" // the end: the text is valid
		}
		switch token {
		case json.Delim('{'):
			seen = append(seen, map[string]bool{})
		case json.Delim('['):
			seen = append(seen, nil)
		case json.Delim('}'), json.Delim(']'):
			seen = seen[:len(seen)-1]
		default:
			if name, ok := token.(string); ok && wantName {
				if seen[len(seen)-1][name] {
					return fmt.Sprintf("give %q twice", clip(name, 100))
				}
				seen[len(seen)-1][name] = true
				wantName = false
				continue
			}
		}
		if len(seen) > maxInputDepth {
			return fmt.Sprintf("are nested deeper than %d levels", maxInputDepth)
		}
		wantName = len(seen) > 0 && seen[len(seen)-1] != nil
	}
}
