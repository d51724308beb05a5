// Package text cuts text between characters. It imports the standard library only.
package text

import "unicode/utf8"

// Cut returns the longest beginning of s that has at most n bytes and does not end within a character.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n, 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
