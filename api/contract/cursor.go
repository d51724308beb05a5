package contract

import (
	"unsafe"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// cursor reads JSON text (RFC 8259). The first syntax error breaks it; later reads are safe and return
// nothing useful.
type cursor struct {
	data     string
	pos      int
	broken   bool
	brokenAt int // the offset of the error, or the end of data
}

// view returns bytes as a string without a copy: the bytes must not change while the string is in use. Errors
// and violations do not refer to it.
func view(data []byte) string { return unsafe.String(unsafe.SliceData(data), len(data)) }

// fail breaks the cursor at its position.
func (c *cursor) fail() {
	if !c.broken {
		c.broken, c.brokenAt = true, c.pos
	}
}

// peek returns the next byte; at the end it returns 0, which valid JSON does not contain.
func (c *cursor) peek() byte {
	if c.pos < len(c.data) {
		return c.data[c.pos]
	}
	return 0
}

// space moves to the next byte that is not whitespace.
func (c *cursor) space() {
	for c.pos < len(c.data) {
		switch c.data[c.pos] {
		case ' ', '\n', '\t', '\r':
			c.pos++
		default:
			return
		}
	}
}

// kind returns the kind of the value that starts at the next byte. If no value starts there it breaks the
// cursor and returns rules.Any.
func (c *cursor) kind() rules.Kind {
	switch b := c.peek(); b {
	case '"':
		return rules.String
	case '{':
		return rules.Object
	case '[':
		return rules.Array
	case 't', 'f':
		return rules.Boolean
	case 'n':
		return rules.Null
	default:
		if b == '-' || isDigit(b) {
			return rules.Number
		}
		c.fail()
		return rules.Any
	}
}

// more moves to the next member of an object or an item of an array and reports whether there is one; if
// not, it moves past the closing byte. first means that the opening byte has just been read.
func (c *cursor) more(closing byte, first bool) bool {
	if c.broken {
		return false
	}
	b := c.peek()
	if b <= ' ' {
		c.space()
		b = c.peek()
	}
	switch {
	case b == closing:
		c.pos++
		return false
	case first:
		return true
	case b == ',':
		c.pos++
		return true
	}
	c.fail()
	return false
}

// name reads a member's name and the colon after it.
func (c *cursor) name() text {
	c.space()
	name := c.text()
	if c.broken {
		return name
	}
	c.space()
	if c.peek() != ':' {
		c.fail()
		return name
	}
	c.pos++
	return name
}

// literal reads true, false or null.
func (c *cursor) literal() {
	word := "null"
	switch c.peek() {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	}
	for i := range len(word) {
		if c.peek() != word[i] {
			c.fail()
			return
		}
		c.pos++
	}
}

// number reads a number. whole reports whether it is written as an integer, without fraction and exponent.
func (c *cursor) number() (raw string, whole bool) {
	start := c.pos
	if c.peek() == '-' {
		c.pos++
	}
	if c.peek() == '0' {
		c.pos++
	} else {
		c.digits()
	}
	whole = true
	if c.peek() == '.' && !c.broken {
		whole = false
		c.pos++
		c.digits()
	}
	if b := c.peek(); (b == 'e' || b == 'E') && !c.broken {
		whole = false
		c.pos++
		if b := c.peek(); b == '+' || b == '-' {
			c.pos++
		}
		c.digits()
	}
	return c.data[start:c.pos], whole
}

// digits reads one or more digits.
func (c *cursor) digits() {
	start := c.pos
	for isDigit(c.peek()) {
		c.pos++
	}
	if c.pos == start {
		c.fail()
	}
}

func isDigit(b byte) bool { return b-'0' < 10 }

// skip reads a value of any depth and validates its syntax only.
func (c *cursor) skip() {
	var room [64]byte
	closing := room[:0] // what closes the open objects and arrays, outermost first
	for {
		c.space()
		first := false
		switch c.kind() {
		case rules.Object:
			closing, first = append(closing, '}'), true
			c.pos++
		case rules.Array:
			closing, first = append(closing, ']'), true
			c.pos++
		case rules.String:
			c.text()
		case rules.Number:
			c.number()
		default:
			c.literal()
		}
		for { // up to the start of the next value
			if c.broken || len(closing) == 0 {
				return
			}
			innermost := closing[len(closing)-1]
			if c.more(innermost, first) {
				if innermost == '}' {
					c.name()
				}
				if c.broken {
					return
				}
				break
			}
			closing, first = closing[:len(closing)-1], false
		}
	}
}
