package contract

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// wholeBody is the Param of a fault that concerns the body as a whole.
const wholeBody = "body"

// quotedLength is the most characters of a caller's text that a message or a param repeats.
const quotedLength = 64

// path is a place in a JSON value: property names and array indexes.
type path []string

func (p path) key(name string) path { return append(p[:len(p):len(p)], "."+name) }
func (p path) index(i int) path     { return append(p[:len(p):len(p)], strconv.Itoa(i)) }

// String writes the path as a param: metadata.purpose, resources[0].type. Names are cut to a length
// that is fit for messages.
func (p path) String() string {
	var b strings.Builder
	for _, step := range p {
		name, isKey := strings.CutPrefix(step, ".")
		switch {
		case !isKey:
			b.WriteString("[" + step + "]")
		case b.Len() == 0:
			b.WriteString(shorten(name))
		default:
			b.WriteString("." + shorten(name))
		}
	}
	return b.String()
}

// pointer writes the path as a JSON pointer, RFC 6901.
func (p path) pointer() string {
	var b strings.Builder
	for _, step := range p {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(strings.TrimPrefix(step, ".")))
	}
	return b.String()
}

// param is what a Fault at this place names.
func (p path) param() string {
	if len(p) == 0 {
		return wholeBody
	}
	return cut(p.String(), 256)
}

// field is how a message names this place.
func (p path) field() string {
	if len(p) == 0 {
		return "The request body"
	}
	return "Field '" + p.param() + "'"
}

func shorten(s string) string { return cut(s, quotedLength) }

// cut returns at most n characters of s, and an ellipsis for the rest.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}

// trimKey returns a step as the engine writes it: a plain name or index.
func trimKey(step string) string { return strings.TrimPrefix(step, ".") }
