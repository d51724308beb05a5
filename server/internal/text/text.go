// Package text cuts text between characters. It imports the standard library only.
package text

import "unicode/utf8"

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
