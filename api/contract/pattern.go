package contract

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// pattern is a compiled regular expression. Common expressions, a sequence of literals and character classes
// between ^ and $ that the next byte distinguishes, are matched without the regexp package, which would compile
// a program of 80 steps for a repetition of 80.
type pattern struct {
	rows []row          // alternatives; none when the regexp package is needed
	re   *regexp.Regexp // nil when there are rows
}

// row matches a complete string part by part, each as long as possible.
type row []part

// part is a literal, or a repeated class of bytes.
type part struct {
	literal     string
	set         *byteSet // nil for a literal
	least, most int      // bytes; most is negative when unbounded
	except      int      // the only byte that an unbounded set lacks, or -1
}

type byteSet [256]bool

// compilePattern compiles an expression in RE2's syntax, unanchored as in OpenAPI.
func compilePattern(expr string) (*pattern, error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if rows := wholeRows(tree); rows != nil {
		return &pattern{rows: rows}, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	return &pattern{re: re}, nil
}

// match reports whether the expression matches.
func (p *pattern) match(s string) bool {
	if p.rows == nil {
		return p.re.MatchString(s)
	}
	for _, r := range p.rows {
		if r.match(s) {
			return true
		}
	}
	return false
}

func (r row) match(s string) bool {
	for i := range r {
		p := &r[i]
		n := 0
		switch {
		case p.set == nil:
			if !strings.HasPrefix(s, p.literal) {
				return false
			}
			n = len(p.literal)
		case p.except >= 0:
			if n = strings.IndexByte(s, byte(p.except)); n < 0 {
				n = len(s)
			}
		default:
			most := len(s)
			if p.most >= 0 {
				most = min(most, p.most)
			}
			for n < most && p.set[s[n]] {
				n++
			}
		}
		if n < p.least {
			return false
		}
		s = s[n:]
	}
	return s == ""
}

// wholeRows returns the rows of an anchored expression, or nil.
func wholeRows(tree *syntax.Regexp) []row {
	subs := tree.Sub
	if tree.Op != syntax.OpConcat || subs[0].Op != syntax.OpBeginText || subs[len(subs)-1].Op != syntax.OpEndText {
		return nil
	}
	subs = subs[1 : len(subs)-1]
	if len(subs) == 1 {
		return choices(subs[0])
	}
	if r, ok := newRow(subs); ok {
		return []row{r}
	}
	return nil
}

// choices returns the rows of (a|b) and (a)?, or nil.
func choices(tree *syntax.Regexp) []row {
	switch tree.Op {
	case syntax.OpCapture:
		return choices(tree.Sub[0])
	case syntax.OpQuest:
		if inner := choices(tree.Sub[0]); inner != nil {
			return append(inner, row{})
		}
		return nil
	case syntax.OpAlternate:
		var rows []row
		for _, sub := range tree.Sub {
			inner := choices(sub)
			if inner == nil {
				return nil
			}
			rows = append(rows, inner...)
		}
		return rows
	case syntax.OpConcat:
		if r, ok := newRow(tree.Sub); ok {
			return []row{r}
		}
		return nil
	}
	if r, ok := newRow([]*syntax.Regexp{tree}); ok {
		return []row{r}
	}
	return nil
}

// newRow returns the parts of consecutive expressions. ok is false when one of them cannot be a part, or when
// a part of variable length could consume what a later part needs.
func newRow(subs []*syntax.Regexp) (r row, ok bool) {
	for _, sub := range subs {
		p, ok := newPart(sub)
		if !ok {
			return nil, false
		}
		r = append(r, p)
	}
	for i, p := range r {
		if p.least == p.most {
			continue
		}
		for _, later := range r[i+1:] {
			if p.overlaps(&later) {
				return nil, false
			}
			if later.least > 0 {
				break
			}
		}
	}
	return r, true
}

func newPart(tree *syntax.Regexp) (part, bool) {
	least, most := 1, 1
	switch tree.Op {
	case syntax.OpLiteral:
		text := string(tree.Rune)
		return part{literal: text, least: len(text), most: len(text)}, tree.Flags&syntax.FoldCase == 0 && utf8.ValidString(text)
	case syntax.OpQuest:
		least = 0
	case syntax.OpStar:
		least, most = 0, -1
	case syntax.OpPlus:
		most = -1
	case syntax.OpRepeat:
		least, most = tree.Min, tree.Max
	}
	if len(tree.Sub) == 1 {
		tree = tree.Sub[0]
	}
	set, wide := newByteSet(tree)
	if set == nil || wide && (least > 1 || most >= 0) { // a character of several bytes cannot be counted
		return part{}, false
	}
	return part{set: set, least: least, most: most, except: set.except(most)}, true
}

// newByteSet returns the bytes of a class's characters, or nil. wide reports whether they include all
// characters beyond ASCII.
func newByteSet(tree *syntax.Regexp) (set *byteSet, wide bool) {
	ranges := tree.Rune
	switch {
	case tree.Op == syntax.OpLiteral && len(ranges) == 1 && tree.Flags&syntax.FoldCase == 0:
		ranges = []rune{ranges[0], ranges[0]}
	case tree.Op != syntax.OpCharClass:
		return nil, false
	}
	set = &byteSet{}
	for i := 0; i < len(ranges); i += 2 {
		low, high := ranges[i], ranges[i+1]
		if high >= utf8.RuneSelf {
			if low > utf8.RuneSelf || high != utf8.MaxRune {
				return nil, false
			}
			high, wide = 0xff, true
		}
		for b := low; b <= high; b++ {
			set[b] = true
		}
	}
	return set, wide
}

// except returns the only byte that is not in an unbounded set, or -1.
func (s *byteSet) except(most int) int {
	except := -1
	for b, in := range s {
		switch {
		case !in && except >= 0:
			return -1
		case !in:
			except = b
		}
	}
	if most >= 0 {
		return -1
	}
	return except
}

// overlaps reports whether a byte of p can start the later part.
func (p *part) overlaps(later *part) bool {
	if later.set == nil {
		return p.set[later.literal[0]]
	}
	for b := range p.set {
		if p.set[b] && later.set[b] {
			return true
		}
	}
	return false
}
