package openai

import (
	"bytes"
	"strings"
)

// thoughts are the tags in which models without a field for it wrap what they think before they speak.
var thoughts = []string{"think", "thinking", "thought", "reasoning"}

// speech is the text of a response on its way to the user. It holds back halves of characters, white space until a word
// follows, and what stands in a tag of thoughts at the text's beginning.
type speech struct {
	held     []byte
	tag      string // the tag whose end is awaited; "" for none
	speaking bool   // a word was said
	thought  bool   // something was left out
}

// add returns what can be said now that piece, see unquote, has arrived.
func (s *speech) add(piece []byte) string {
	s.held = append(s.held, piece...)
	for !s.speaking {
		if s.tag != "" && !s.leaveTag() {
			return ""
		}
		start := bytes.TrimLeft(s.held, " \t\r\n")
		if len(start) == 0 {
			return ""
		}
		tag, more := openTag(start)
		if more {
			return ""
		}
		if tag == "" {
			s.speaking = true
			break
		}
		s.tag, s.thought = tag, true
		s.held = start[len(tag)+2:]
	}
	end := whole(s.held)
	text := toUTF8(s.held[:end])
	s.held = append(s.held[:0], s.held[end:]...)
	return text
}

// leaveTag drops what stands before the end of the current tag, and reports whether the end is there.
func (s *speech) leaveTag() bool {
	closing := "</" + s.tag + ">"
	at := bytes.Index(s.held, []byte(closing))
	if at < 0 {
		s.held = append(s.held[:0], s.held[max(0, len(s.held)-len(closing)):]...)
		return false
	}
	s.held = bytes.TrimLeft(s.held[at+len(closing):], " \t\r\n")
	s.tag = ""
	return true
}

// rest returns what is still to be said when nothing follows.
func (s *speech) rest() string {
	if s.tag != "" || len(bytes.TrimSpace(s.held)) == 0 {
		return ""
	}
	s.speaking = true
	return toUTF8(s.held)
}

// openTag returns the tag of thoughts that text begins with, or whether it may turn out to be one when more arrives.
func openTag(text []byte) (tag string, more bool) {
	for _, name := range thoughts {
		opening := "<" + name + ">"
		if bytes.HasPrefix(text, []byte(opening)) {
			return name, false
		}
		more = more || strings.HasPrefix(opening, string(text[:min(len(text), len(opening))])) && len(text) < len(opening)
	}
	return "", more
}
