// Package lazyregexp has regular expressions that cost nothing until they are needed: a program compiles all expressions of its
// package variables whenever it starts, also those of features that it does not use.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns a function that returns the expression, which its first call compiles. It is safe for concurrent use, and
// panics if the expression is invalid.
func New(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
