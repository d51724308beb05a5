package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What a server sends could move a terminal's cursor, rename its window, type into its input, or show text in another
// order than it has. So every byte that the program writes passes through visible, except its own colours and, in a
// pipe, the formats that programs parse.

// acts reports whether a terminal may act on a character instead of showing it: controls, those of C1 included, and the
// invisible characters that format text, such as those that reverse its direction. Line feeds and tabs are text, and so
// are the joiners that some scripts and emoji need.
func acts(r rune) bool {
	switch r {
	case '\n', '\t', '\u200c', '\u200d':
		return false
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// visible returns a text with what a terminal may act on as the escapes of JSON, so that JSON means the same. A carriage
// return, which JSON never has, is dropped; a byte that is not UTF-8 becomes U+FFFD.
func visible(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, acts) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\r':
		case !acts(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// oneLine returns a text for one line of a table or a prompt: what a terminal may act on is a space, and so are the ends
// of lines.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if acts(r) || r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, text)
}
