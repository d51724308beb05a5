package contract

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// Digest returns a digest of the meaning of a validated body. Bodies that differ only in whitespace, in the
// order of names, in escapes or in the notation of an integer have the same digest. It costs about as much as
// validating the body. The digest of a body that was not validated is not specified.
func Digest(body []byte) [sha256.Size]byte {
	d := digester{cursor: cursor{data: view(body)}}
	d.value(0)
	return sha256.Sum256(d.out)
}

// digester writes a text in a form that depends only on its meaning.
type digester struct {
	cursor
	out []byte
}

// deepest bounds the recursion for bodies that were not validated.
const deepest = 1000

func (d *digester) value(depth int) {
	d.space()
	start := d.pos
	switch d.kind() {
	case rules.Object:
		d.object(depth)
	case rules.Array:
		d.array(depth)
	case rules.String:
		d.out = strconv.AppendQuote(d.out, d.text().value())
	case rules.Number:
		raw, plain := d.number()
		if whole, ok := integer(raw, plain); ok {
			d.out = strconv.AppendInt(d.out, whole, 10)
		} else {
			d.out = append(d.out, raw...)
		}
	default:
		d.literal()
		d.out = append(d.out, d.data[start:d.pos]...)
	}
}

func (d *digester) array(depth int) {
	d.out = append(d.out, '[')
	d.pos++
	for first := true; depth < deepest && d.more(']', first); first = false {
		d.value(depth + 1)
		d.out = append(d.out, ',')
	}
	d.out = append(d.out, ']')
}

func (d *digester) object(depth int) {
	type member struct {
		name     string
		from, to int // in out
	}
	var members []member
	d.out = append(d.out, '{')
	start := len(d.out)
	d.pos++
	for first := true; depth < deepest && d.more('}', first); first = false {
		name := d.name().value()
		from := len(d.out)
		d.out = append(strconv.AppendQuote(d.out, name), ':')
		d.value(depth + 1)
		d.out = append(d.out, ',')
		members = append(members, member{name, from, len(d.out)})
	}
	byName := func(a, b member) int { return strings.Compare(a.name, b.name) }
	if !slices.IsSortedFunc(members, byName) {
		slices.SortStableFunc(members, byName)
		var sorted []byte
		for _, m := range members {
			sorted = append(sorted, d.out[m.from:m.to]...)
		}
		copy(d.out[start:], sorted)
	}
	d.out = append(d.out, '}')
}
