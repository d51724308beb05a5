package contract

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text is a JSON string as sent, without its quotes.
type text struct {
	raw     string
	escaped bool // it contains escapes
	valid   bool // it is UTF-8 and no escape is half a surrogate pair
}

// value returns the string with its escapes decoded.
func (t text) value() string {
	if t.escaped && t.valid {
		return unescape(t.raw)
	}
	return t.raw
}

// text reads a string.
func (c *cursor) text() text {
	if c.peek() != '"' {
		c.fail()
		return text{}
	}
	c.pos++
	start, escaped, paired, high := c.pos, false, true, uint64(0)
	for {
		high |= c.plain()
		switch b := c.peek(); {
		case b == '"':
			raw := c.data[start:c.pos]
			c.pos++
			return text{raw: raw, escaped: escaped, valid: paired && (high&highBits == 0 || utf8.ValidString(raw))}
		case b == '\\':
			escaped = true
			paired = c.escape() && paired
			if c.broken {
				return text{}
			}
		default: // a control character, or the end
			c.fail()
			return text{}
		}
	}
}

// plain moves to the next byte that is special in a string, or to the end. The result has a bit of highBits set
// if one of the bytes passed is not ASCII; it may have one set even if all are ASCII.
func (c *cursor) plain() (high uint64) {
	rest := c.data[c.pos:]
	for len(rest) >= 8 {
		w := word(rest)
		high |= w
		if stop := special(w); stop != 0 {
			c.pos = len(c.data) - len(rest) + bits.TrailingZeros64(stop)/8
			return high
		}
		rest = rest[8:]
	}
	for len(rest) > 0 && rest[0] >= ' ' && rest[0] != '"' && rest[0] != '\\' {
		high |= uint64(rest[0])
		rest = rest[1:]
	}
	c.pos = len(c.data) - len(rest)
	return high
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// word returns eight bytes as a number.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// special returns 0 if none of eight bytes is a quote, a backslash or a control character; otherwise its lowest
// set bit is in the first of these bytes.
func special(w uint64) uint64 {
	quote, backslash := w^lowBits*'"', w^lowBits*'\\'
	return ((w-lowBits*' ')&^w | (quote-lowBits)&^quote | (backslash-lowBits)&^backslash) & highBits
}

// escape reads an escape, or two that are a surrogate pair. It returns false for half a pair.
func (c *cursor) escape() bool {
	c.pos++
	switch c.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.pos++
		return true
	case 'u':
	default:
		c.fail()
		return false
	}
	unit := c.unit()
	if c.broken || !utf16.IsSurrogate(unit) {
		return true
	}
	if !strings.HasPrefix(c.data[c.pos:], `\u`) {
		return false
	}
	ahead := *c
	ahead.pos++
	second := ahead.unit()
	if !ahead.broken && utf16.DecodeRune(unit, second) != utf8.RuneError {
		*c = ahead
		return true
	}
	return false
}

// unit reads the u and the four digits of a \u escape.
func (c *cursor) unit() rune {
	var unit rune
	for range 4 {
		c.pos++
		digit := hexDigit(c.peek())
		if digit < 0 {
			c.fail()
			return 0
		}
		unit = unit<<4 | digit
	}
	c.pos++
	return unit
}

// hexDigit returns a digit's value, or -1.
func hexDigit(b byte) rune {
	switch {
	case isDigit(b):
		return rune(b - '0')
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return rune(b|0x20-'a') + 10
	}
	return -1
}

// unescape returns the value of a valid text.
func unescape(raw string) string {
	out := make([]byte, 0, len(raw))
	for i := strings.IndexByte(raw, '\\'); i >= 0; i = strings.IndexByte(raw, '\\') {
		out = append(out, raw[:i]...)
		c := cursor{data: raw, pos: i + 1}
		switch b := c.peek(); b {
		case 'u':
			unit := c.unit()
			if utf16.IsSurrogate(unit) {
				c.pos++ // the backslash
				unit = utf16.DecodeRune(unit, c.unit())
			}
			out = utf8.AppendRune(out, unit)
		default:
			out = append(out, unescaped(b))
			c.pos++
		}
		raw = raw[c.pos:]
	}
	return string(append(out, raw...))
}

// unescaped returns the byte that a backslash followed by b means.
func unescaped(b byte) byte {
	switch b {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return b
}
