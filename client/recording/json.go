package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cloud-sessions/sessions/api/redact"
)

const (
	// longestHeld is how many bytes of a string are held, to see whether it is a name, and for secrets in it.
	longestHeld = 8 << 10
	// deepest is the level below which values are written on one line.
	deepest = 64
)

// jsonWriter writes JSON that arrives in pieces with one value a line and without secrets. It holds one string at most.
// What is not valid JSON is written too, except for white space and control characters.
type jsonWriter struct {
	to      *bytes.Buffer // is emptied by the owner between writes
	redact  *Redactor
	secrets []string

	depth  int
	opened bool // nothing was written since an opening bracket

	text     []byte // a string with its quotes, as far as it was read
	inside   bool   // of a string
	escaped  bool   // the last byte in the string was a backslash
	held     bool   // text is complete, and may be a name
	streamed bool   // the string is longer than what is held
	secret   bool   // the value that follows is a secret
	within   int    // the depth of the brackets of a value that is a secret; 0 outside of one
	dropped  bool   // the string is a secret
}

func newJSONWriter(to *bytes.Buffer, redact *Redactor, operation string) *jsonWriter {
	return &jsonWriter{to: to, redact: redact, secrets: redact.properties(operation)}
}

func (w *jsonWriter) write(p []byte) {
	for _, c := range p {
		switch {
		case w.inside:
			w.inString(c)
		case c <= ' ' || c == 0x7f:
		default:
			w.outside(c)
		}
	}
}

// inString takes a byte of a string.
func (w *jsonWriter) inString(c byte) {
	if c < ' ' { // JSON does not allow it
		w.text = fmt.Appendf(w.text, `\u%04x`, c)
	} else {
		w.text = append(w.text, c)
	}
	switch {
	case w.escaped:
		w.escaped = false
	case c == '\\':
		w.escaped = true
	case c == '"':
		w.inside = false
		w.closeString()
		return
	}
	switch {
	case w.dropped:
		w.text = w.text[:1]
	case len(w.text) > longestHeld && !w.escaped:
		w.streamed = true
		end := w.cut()
		w.to.WriteString(w.redact.Text(string(w.text[:end])))
		w.text = append(w.text[:0], w.text[end:]...)
	}
}

// cut returns where a long string may be cut: in no URL or, in a longer one, before its last parameter.
func (w *jsonWriter) cut() int {
	if end := bytes.LastIndexByte(w.text, ' '); end >= 0 {
		return end + 1
	}
	end := max(bytes.LastIndexAny(w.text, "?&"), bytes.LastIndex(w.text, []byte(`\u0026`)))
	if end <= 0 {
		return len(w.text)
	}
	return end
}

// closeString ends a string.
func (w *jsonWriter) closeString() {
	switch {
	case w.dropped:
		w.to.WriteString(`"` + Redacted + `"`)
	case w.streamed:
		w.to.WriteString(w.redact.Text(string(w.text)))
	default:
		w.held = true
	}
	w.dropped, w.streamed = false, false
}

// flush writes a string that was held and is not a name.
func (w *jsonWriter) flush() {
	if w.held {
		w.to.WriteString(w.redact.Text(string(w.text)))
		w.held = false
	}
}

// outside takes a byte that is not in a string.
func (w *jsonWriter) outside(c byte) {
	if c == ':' {
		if w.held {
			w.secret = w.isSecret()
			w.to.Write(w.text)
			w.held = false
		}
		w.to.WriteString(": ")
		return
	}
	w.flush()
	if c == '}' || c == ']' {
		if w.depth == w.within {
			w.within = 0
		}
		w.depth = max(w.depth-1, 0)
		if !w.opened {
			w.newLine()
		}
		w.opened = false
		w.to.WriteByte(c)
		return
	}
	if w.opened {
		w.opened = false
		w.newLine()
	}
	switch c {
	case '"':
		w.inside, w.dropped = true, w.secret || w.within > 0
		w.text = append(w.text[:0], '"')
	case '{', '[':
		w.to.WriteByte(c)
		w.depth++
		w.opened = true
		if w.secret && w.within == 0 {
			w.within = w.depth
		}
	case ',':
		w.to.WriteByte(c)
		w.newLine()
	default:
		w.to.WriteByte(c)
	}
	w.secret = false
}

// isSecret reports whether the string that is held is the name of a secret.
func (w *jsonWriter) isSecret() bool {
	if len(w.secrets) == 0 {
		return false
	}
	var name string
	return json.Unmarshal(w.text, &name) == nil && redact.IsProperty(name, w.secrets)
}

// indentation is that of the deepest level.
var indentation = strings.Repeat("  ", deepest)

func (w *jsonWriter) newLine() {
	if w.depth <= deepest {
		w.to.WriteByte('\n')
		w.to.WriteString(indentation[:2*w.depth])
	}
}

// end writes what is held: of a string that was cut off, what came of it.
func (w *jsonWriter) end() {
	w.flush()
	if w.inside {
		if w.dropped {
			w.text = []byte(`"` + Redacted)
		}
		w.to.WriteString(w.redact.Text(string(w.text)))
	}
}
