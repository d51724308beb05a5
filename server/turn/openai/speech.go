package openai

import (
	"bytes"
	"strings"
)

// thoughts are the marks between which models put what they think before they speak, where nothing turns that into a
// field of its own.
var thoughts = []struct{ opening, closing string }{
	{"<think>", "</think>"},
	{"<thinking>", "</thinking>"},
	{"<thought>", "</thought>"},
	{"<reasoning>", "</reasoning>"},
	{"[THINK]", "[/THINK]"},
	{"<|START_THINKING|>", "<|END_THINKING|>"},
	{"<|channel|>analysis<|message|>", "<|channel|>final<|message|>"},
}

// speech is the text of a response on its way to the user. It holds back halves of characters, white space until a word
// follows, and what stands between marks of thoughts at the text's beginning.
type speech struct {
	held     []byte
	closing  string // the mark that ends the current thoughts; "" for none
	speaking bool   // a word was said
	thought  bool   // something was left out
}

// add returns what can be said now that piece, see unquote, has arrived.
func (s *speech) add(piece []byte) string {
	s.held = append(s.held, piece...)
	for !s.speaking {
		if s.closing != "" && !s.endThoughts() {
			return ""
		}
		start := bytes.TrimLeft(s.held, " \t\r\n")
		if len(start) == 0 {
			return ""
		}
		opening, closing, more := beginsThoughts(start)
		switch {
		case more:
			return ""
		case closing == "":
			s.speaking = true
		default:
			s.closing, s.thought = closing, true
			s.held = start[len(opening):]
		}
	}
	end := whole(s.held)
	text := toUTF8(s.held[:end])
	s.held = append(s.held[:0], s.held[end:]...)
	return text
}

// endThoughts drops what stands before the mark that ends the current thoughts, and reports whether the mark is there.
func (s *speech) endThoughts() bool {
	at := bytes.Index(s.held, []byte(s.closing))
	if at < 0 {
		s.held = append(s.held[:0], s.held[max(0, len(s.held)-len(s.closing)):]...)
		return false
	}
	s.held = bytes.TrimLeft(s.held[at+len(s.closing):], " \t\r\n")
	s.closing = ""
	return true
}

// rest returns what is still to be said when nothing follows.
func (s *speech) rest() string {
	if s.closing != "" || len(bytes.TrimSpace(s.held)) == 0 {
		return ""
	}
	s.speaking = true
	return toUTF8(s.held)
}

// beginsThoughts returns the marks of thoughts that text begins with, or whether it may turn out to when more arrives.
func beginsThoughts(text []byte) (opening, closing string, more bool) {
	for _, marks := range thoughts {
		if bytes.HasPrefix(text, []byte(marks.opening)) {
			return marks.opening, marks.closing, false
		}
		more = more || strings.HasPrefix(marks.opening, string(text[:min(len(text), len(marks.opening))]))
	}
	return "", "", more
}
