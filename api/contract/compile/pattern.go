package compile

import (
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// compilePattern compiles an expression, to rows if it has a form that they can match.
func compilePattern(expr string) (*rules.Pattern, error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if rows := wholeRows(tree); rows != nil {
		return &rules.Pattern{Expr: expr, Rows: rows}, nil
	}
	if _, err := regexp.Compile(expr); err != nil {
		return nil, err
	}
	return &rules.Pattern{Expr: expr}, nil
}

// wholeRows returns the rows of an anchored expression, or nil.
func wholeRows(tree *syntax.Regexp) []rules.Row {
	subs := tree.Sub
	if tree.Op != syntax.OpConcat || subs[0].Op != syntax.OpBeginText || subs[len(subs)-1].Op != syntax.OpEndText {
		return nil
	}
	subs = subs[1 : len(subs)-1]
	if len(subs) == 1 {
		return choices(subs[0])
	}
	if r, ok := newRow(subs); ok {
		return []rules.Row{r}
	}
	return nil
}

// choices returns the rows of (a|b) and (a)?, or nil.
func choices(tree *syntax.Regexp) []rules.Row {
	switch tree.Op {
	case syntax.OpCapture:
		return choices(tree.Sub[0])
	case syntax.OpQuest:
		if inner := choices(tree.Sub[0]); inner != nil {
			return append(inner, rules.Row{})
		}
		return nil
	case syntax.OpAlternate:
		var rows []rules.Row
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
			return []rules.Row{r}
		}
		return nil
	}
	if r, ok := newRow([]*syntax.Regexp{tree}); ok {
		return []rules.Row{r}
	}
	return nil
}

// newRow returns the parts of consecutive expressions. ok is false when one of them cannot be a part, or when
// a part of variable length could consume what a later part needs.
func newRow(subs []*syntax.Regexp) (r rules.Row, ok bool) {
	for _, sub := range subs {
		p, ok := newPart(sub)
		if !ok {
			return nil, false
		}
		r = append(r, p)
	}
	for i, p := range r {
		if p.Least == p.Most {
			continue
		}
		for _, later := range r[i+1:] {
			if overlaps(&p, &later) {
				return nil, false
			}
			if later.Least > 0 {
				break
			}
		}
	}
	return r, true
}

func newPart(tree *syntax.Regexp) (rules.Part, bool) {
	least, most := 1, 1
	switch tree.Op {
	case syntax.OpLiteral:
		text := string(tree.Rune)
		return rules.Part{Literal: text, Least: len(text), Most: len(text)}, tree.Flags&syntax.FoldCase == 0 && utf8.ValidString(text)
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
		return rules.Part{}, false
	}
	return rules.Part{Set: set, Least: least, Most: most, Except: except(set, most)}, true
}

// newByteSet returns the bytes of a class's characters, or nil. wide reports whether they include all
// characters beyond ASCII.
func newByteSet(tree *syntax.Regexp) (set *rules.ByteSet, wide bool) {
	ranges := tree.Rune
	switch {
	case tree.Op == syntax.OpLiteral && len(ranges) == 1 && tree.Flags&syntax.FoldCase == 0:
		ranges = []rune{ranges[0], ranges[0]}
	case tree.Op != syntax.OpCharClass:
		return nil, false
	}
	set = &rules.ByteSet{}
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

// except returns the only byte that is not in an unbounded set, or "".
func except(set *rules.ByteSet, most int) string {
	var missing []byte
	for b, in := range set {
		if !in {
			missing = append(missing, byte(b))
		}
	}
	if most >= 0 || len(missing) != 1 {
		return ""
	}
	return string(missing)
}

// overlaps reports whether a byte of p, which is a set, can start the later part.
func overlaps(p, later *rules.Part) bool {
	if later.Set == nil {
		return p.Set[later.Literal[0]]
	}
	for b := range p.Set {
		if p.Set[b] && later.Set[b] {
			return true
		}
	}
	return false
}
