package sse

// Boundary finds where events end in a stream that arrives in pieces, for programs that pass a stream on. The zero value is
// at the beginning of a stream.
type Boundary struct {
	text bool // the current line is not blank
	cr   bool // the last byte was a CR, so that an LF belongs to it
}

// Find returns the length of the beginning of p that completes an event, which a blank line does; ok is false and n is
// len(p) when p ends within an event. An LF after the CR that ended an event begins what follows, where it means nothing.
func (b *Boundary) Find(p []byte) (n int, ok bool) {
	for i, c := range p {
		second := b.cr && c == '\n'
		b.cr = c == '\r'
		switch {
		case second:
		case c == '\r' || c == '\n':
			if !b.text {
				return i + 1, true
			}
			b.text = false
		default:
			b.text = true
		}
	}
	return len(p), false
}
