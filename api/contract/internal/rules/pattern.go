package rules

import (
	"regexp"
	"strings"
	"sync"
)

// Pattern is a regular expression. Common expressions, a sequence of literals and character classes between ^ and $ that the
// next byte distinguishes, are rows, which are matched without the regexp package: it would compile a program of 80 steps for
// a repetition of 80.
type Pattern struct {
	Expr string // in RE2's syntax, unanchored as in OpenAPI
	Rows []Row  // alternatives; none when the regexp package is needed
}

// Row matches a complete string part by part, each as long as possible.
type Row []Part

// Part is a literal, or a repeated set of bytes.
type Part struct {
	Literal     string
	Set         *ByteSet // nil for a literal
	Least, Most int      // bytes; Most is negative when unbounded
	Except      string   // the only byte that an unbounded set lacks; "" if it lacks another number of bytes
}

// ByteSet is a set of bytes.
type ByteSet [256]bool

// Bytes returns the set of the bytes in ranges, each given by its first and its last byte: "09az".
func Bytes(ranges string) (set ByteSet) {
	for i := 0; i < len(ranges); i += 2 {
		for b := int(ranges[i]); b <= int(ranges[i+1]); b++ {
			set[b] = true
		}
	}
	return set
}

// expressions has the compiled expressions of patterns without rows. Each is compiled when it is first needed.
var expressions sync.Map // of *regexp.Regexp by expression

// Match reports whether the expression matches.
func (p *Pattern) Match(s string) bool {
	if p.Rows == nil {
		return p.regexp().MatchString(s)
	}
	for _, r := range p.Rows {
		if r.match(s) {
			return true
		}
	}
	return false
}

func (p *Pattern) regexp() *regexp.Regexp {
	if re, ok := expressions.Load(p.Expr); ok {
		return re.(*regexp.Regexp)
	}
	re := regexp.MustCompile(p.Expr) // package compile has refused what does not compile
	expressions.Store(p.Expr, re)
	return re
}

func (r Row) match(s string) bool {
	for i := range r {
		p := &r[i]
		n := 0
		switch {
		case p.Set == nil:
			if !strings.HasPrefix(s, p.Literal) {
				return false
			}
			n = len(p.Literal)
		case p.Except != "":
			if n = strings.IndexByte(s, p.Except[0]); n < 0 {
				n = len(s)
			}
		default:
			most := len(s)
			if p.Most >= 0 {
				most = min(most, p.Most)
			}
			for n < most && p.Set[s[n]] {
				n++
			}
		}
		if n < p.Least {
			return false
		}
		s = s[n:]
	}
	return s == ""
}
