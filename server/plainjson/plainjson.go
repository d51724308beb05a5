// Package plainjson writes JSON in which <, > and & stand for themselves. Package encoding/json escapes them for HTML, to
// six bytes each, and encoders in the methods of types cannot be told not to. It imports the standard library only.
package plainjson

import (
	"bytes"
	"encoding/json"
)

// Marshal is json.Marshal without escapes for HTML.
func Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	return Unescape(data), err
}

// Unescape replaces the escapes of <, > and & in a JSON text, within its memory. Whatever else the text has stays as it
// is, so that its meaning does not change.
func Unescape(text []byte) []byte {
	from := bytes.Index(text, []byte(`\u00`))
	if from < 0 {
		return text
	}
	// A backslash before that one escapes it: look from the first of them.
	for from > 0 && text[from-1] == '\\' {
		from--
	}
	out := text[:from]
	for rest := text[from:]; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 || at+1 == len(rest) {
			return append(out, rest...)
		}
		out = append(out, rest[:at]...)
		rest = rest[at:]
		if c, ok := escaped(rest); ok {
			out, rest = append(out, c), rest[len(`\u0000`):]
		} else {
			out, rest = append(out, rest[:2]...), rest[2:]
		}
	}
}

// escaped returns the character that a text begins with in escaped form, if it is one of <, > and &.
func escaped(text []byte) (byte, bool) {
	if len(text) < len(`\u0000`) || string(text[1:4]) != "u00" {
		return 0, false
	}
	switch string(text[4:6]) {
	case "3c", "3C":
		return '<', true
	case "3e", "3E":
		return '>', true
	case "26":
		return '&', true
	}
	return 0, false
}
