package contract

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// wholeBody is the Param of a RequestError that concerns the body as a whole.
const wholeBody = "body"

// quotedLength is the maximum number of characters of a name that a message or a param repeats.
const quotedLength = 64

// path is a place in a JSON value, innermost step first: it is built on the way out.
type path []step

// step is an index of an array or, when index is negative, the name of a property.
type step struct {
	name  string
	index int
}

func key(name string) step { return step{name: name, index: -1} }
func item(i int) step      { return step{index: i} }

// String returns the path as a param: metadata.purpose, resources[0].type. Long names are cut.
func (p path) String() string {
	var b strings.Builder
	for i := len(p) - 1; i >= 0; i-- {
		switch s := p[i]; {
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case b.Len() == 0:
			b.WriteString(cut(s.name, quotedLength))
		default:
			b.WriteString("." + cut(s.name, quotedLength))
		}
	}
	return b.String()
}

// escapes writes a name as a step of a JSON pointer.
var escapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer returns the path as a JSON pointer (RFC 6901).
func (p path) pointer() string {
	var b strings.Builder
	for i := len(p) - 1; i >= 0; i-- {
		if s := p[i]; s.index >= 0 {
			b.WriteString("/" + strconv.Itoa(s.index))
		} else {
			b.WriteString("/" + escapes.Replace(s.name))
		}
	}
	return b.String()
}

// param returns the Param of a RequestError at this place.
func (p path) param() string {
	if len(p) == 0 {
		return wholeBody
	}
	return cut(p.String(), 256)
}

// field returns the name of this place in a message.
func (p path) field() string {
	if len(p) == 0 {
		return "The request body"
	}
	return "Field '" + p.param() + "'"
}

// cut returns at most n characters of s, and an ellipsis for the rest.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}
