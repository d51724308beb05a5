package contract

import "unsafe"

// cursor walks JSON text (RFC 8259). The first thing that is no JSON breaks it; every later read is in
// vain but safe.
type cursor struct {
	data     string
	pos      int
	broken   bool
	brokenAt int // the byte at fault, or the end of data
}

// view returns bytes as text, without a copy: nobody may change them while the text is in use. What is said
// of a text, in errors and violations, keeps nothing of it.
func view(data []byte) string { return unsafe.String(unsafe.SliceData(data), len(data)) }

// fail breaks the cursor where it stands.
func (c *cursor) fail() {
	if !c.broken {
		c.broken, c.brokenAt = true, c.pos
	}
}

// peek returns the next byte, or 0, which no JSON has outside of strings, at the end.
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

// kind tells the kind of the value that begins at the next byte. What begins no value is anyKind, and
// breaks the cursor.
func (c *cursor) kind() kind {
	switch b := c.peek(); b {
	case '"':
		return stringKind
	case '{':
		return objectKind
	case '[':
		return arrayKind
	case 't', 'f':
		return booleanKind
	case 'n':
		return nullKind
	default:
		if b == '-' || isDigit(b) {
			return numberKind
		}
		c.fail()
		return anyKind
	}
}

// more moves to the next member of an object or an array, and reports whether there is one; when there
// is none it moves past the closing byte. first says that the opening byte came just before.
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

// number reads a number. whole tells that it is written as an integer, without fraction and exponent.
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

// digits reads one digit or more.
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

// skip reads a value, however deep, without looking at more than its syntax.
func (c *cursor) skip() {
	var room [64]byte
	closing := room[:0] // what closes the open objects and arrays, outermost first
	for {
		c.space()
		first := false
		switch c.kind() {
		case objectKind:
			closing, first = append(closing, '}'), true
			c.pos++
		case arrayKind:
			closing, first = append(closing, ']'), true
			c.pos++
		case stringKind:
			c.text()
		case numberKind:
			c.number()
		default:
			c.literal()
		}
		for { // up to where the next value begins
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
