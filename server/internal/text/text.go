// Package text cuts text between characters, and finds characters that nobody sees. It imports the standard library only.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// HasInvisible reports whether s has a control or format character, or a separator of lines or paragraphs: those are
// invisible, or change the direction of text. A pattern of the contract cannot say so in a way that all tools read alike.
func HasInvisible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) })
}

// Cut returns the longest beginning of s that has at most n bytes and does not end within a character. What is not UTF-8
// it cuts anywhere.
func Cut(s string, n int) string {
	n = max(n, 0)
	if len(s) <= n {
		return s
	}
	for start := n; start >= 0 && start > n-utf8.UTFMax; start-- {
		if utf8.RuneStart(s[start]) {
			return s[:start]
		}
	}
	return s[:n]
}

// CutJSON returns the longest beginning of s that takes at most n bytes in a JSON string, and the bytes that it takes.
// Escapes are those of encoding/json without the ones for HTML; s must be UTF-8.
func CutJSON(s string, n int) (beginning string, size int) {
	for i, r := range s {
		more := utf8.RuneLen(r)
		switch {
		case r == '"', r == '\\', r == '\b', r == '\f', r == '\n', r == '\r', r == '\t':
			more = len(`\n`)
		case r < ' ', r == '\u2028', r == '\u2029':
			more = len(`\u0000`)
		}
		if size+more > n {
			return s[:i], size
		}
		size += more
	}
	return s, size
}
