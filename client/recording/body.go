package recording

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/api/sse"
)

const (
	// longestText is how many bytes a body of text may have; longer ones are base64.
	longestText = 64 << 10
	// longestFrame is how many bytes of an event are held, in order to write it as one.
	longestFrame = 1 << 20
)

// body writes a body that arrives in pieces.
type body struct {
	to     *spool
	redact *Redactor
	// operation and secrets are those of the exchange.
	operation string
	secrets   bool

	isJSON bool
	guess  bool        // it is JSON only if it begins like an object or an array
	hidden bool        // it has secrets, perhaps, and nobody knows where
	json   *jsonWriter // once it has begun
	lines  indented
	piece  bytes.Buffer // of JSON that was not written

	elapsed  func() time.Duration // of streams
	isStream bool
	boundary sse.Boundary

	raw    []byte // what is held: of a text, of a frame, of a line of base64
	binary bool   // base64 has begun
}

// newBody returns a body with a header. elapsed returns the time of frames; it is nil for requests, which are no streams.
func newBody(to *spool, h http.Header, redact *Redactor, operation string, elapsed func() time.Duration) *body {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	plain := h.Get("Content-Encoding") == ""
	b := &body{
		to: to, redact: redact, operation: operation, secrets: len(redact.properties(operation)) > 0, lines: indented{to: to},
		isJSON:   plain && (media == "application/json" || strings.HasSuffix(media, "+json")),
		isStream: plain && media == "text/event-stream" && elapsed != nil, elapsed: elapsed,
	}
	b.guess = plain && b.secrets && !b.isJSON && !b.isStream // callers forget the content type
	b.isJSON, b.hidden = b.isJSON || b.guess, b.secrets && !plain
	return b
}

func (b *body) write(p []byte) {
	switch {
	case b.hidden:
		b.raw = append(b.raw[:0], p[:min(len(p), 1)]...) // whether there is a body
	case b.isStream:
		b.frames(p)
	case b.isJSON:
		b.writeJSON(p)
	default:
		b.other(p)
	}
}

// end writes what is held.
func (b *body) end() {
	switch {
	case b.hidden && len(b.raw) > 0:
		b.section("text", []byte(Redacted))
	case b.json != nil:
		b.json.end()
		b.passOn()
		b.lines.end()
	case b.isStream:
		b.frame(b.raw)
	case b.binary:
		b.base64(b.raw)
	case len(b.raw) > 0 && isText(b.raw):
		b.section("text", []byte(b.redact.Text(string(b.raw))))
	case len(b.raw) > 0:
		b.to.printf("base64\n")
		b.base64(b.raw)
	}
	b.raw = nil
}

// writeJSON writes JSON, or what does not begin like it as any other body. That of a request with secrets is not written.
func (b *body) writeJSON(p []byte) {
	if b.json == nil {
		start := bytes.TrimLeft(p, " \t\r\n")
		if len(start) == 0 {
			return
		}
		beginnings := `{["-0123456789tfn`
		if b.guess {
			beginnings = `{[`
		}
		if !strings.ContainsRune(beginnings, rune(start[0])) {
			b.isJSON, b.hidden = false, b.secrets && b.operation != "" && b.elapsed == nil
			b.write(p)
			return
		}
		b.to.printf("json\n")
		b.json = newJSONWriter(&b.piece, b.redact, b.operation)
	}
	b.json.write(p)
	b.passOn()
}

// passOn writes the lines of JSON.
func (b *body) passOn() {
	b.lines.write(b.piece.Bytes())
	b.piece.Reset()
}

// other writes a body that is held while it may be a short text.
func (b *body) other(p []byte) {
	b.raw = append(b.raw, p...)
	if !b.binary && len(b.raw) <= longestText {
		return
	}
	if !b.binary {
		b.binary = true
		b.to.printf("base64\n")
	}
	whole := len(b.raw) - len(b.raw)%bytesInLine
	b.base64(b.raw[:whole])
	b.raw = append(b.raw[:0], b.raw[whole:]...)
}

// bytesInLine is how many bytes a line of base64 stands for.
const bytesInLine = 57

func (b *body) base64(p []byte) {
	for len(p) > 0 {
		n := min(len(p), bytesInLine)
		b.to.printf("  %s\n", base64.StdEncoding.EncodeToString(p[:n]))
		p = p[n:]
	}
}

// section writes a keyword and the lines of a text.
func (b *body) section(keyword string, text []byte) {
	b.to.printf("%s\n", keyword)
	b.lines.write(text)
	b.lines.end()
}

// frames writes each event of a stream once it is complete.
func (b *body) frames(p []byte) {
	for len(p) > 0 {
		n, ok := b.boundary.Find(p)
		b.raw = append(b.raw, p[:n]...)
		p = p[n:]
		if ok || len(b.raw) > longestFrame {
			b.frame(b.raw)
			b.raw = b.raw[:0]
		}
	}
}

// frame writes an event, or a part of one.
func (b *body) frame(raw []byte) {
	if len(raw) == 0 {
		return
	}
	if !isText(raw) {
		b.to.printf("part base64 after %v\n", b.elapsed())
		b.base64(b.clean(raw))
		return
	}
	keyword := "part"
	text, whole := bytes.CutSuffix(raw, []byte("\n\n"))
	if whole {
		keyword = "frame"
	}
	b.to.printf("%s after %v\n", keyword, b.elapsed())
	b.lines.write(b.clean(text))
	b.lines.end()
}

// clean returns the lines of an event without secrets.
func (b *body) clean(text []byte) []byte {
	if b.redact == nil {
		return text
	}
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		field, data, ok := bytes.Cut(line, []byte(":"))
		if ok && string(field) == "data" && b.secrets && json.Valid(data) {
			start, end := len(line)-len(bytes.TrimLeft(data, " ")), len(bytes.TrimSuffix(line, []byte("\r")))
			lines[i] = slices.Concat(line[:start], b.redact.JSON(b.operation, line[start:end]), line[end:])
		} else {
			lines[i] = []byte(b.redact.Text(string(line)))
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// isText reports whether bytes are text that lines can show: in UTF-8, without control characters except tabs.
func isText(p []byte) bool {
	for _, c := range p {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return utf8.Valid(p)
}

// indented writes lines that are indented.
type indented struct {
	to  io.Writer
	mid bool // of a line
}

func (l *indented) write(p []byte) {
	for line := range bytes.Lines(p) {
		if !l.mid {
			_, _ = io.WriteString(l.to, "  ")
		}
		_, _ = l.to.Write(line)
		l.mid = line[len(line)-1] != '\n'
	}
}

// end ends the last line, which is empty after a text that ends in a line feed.
func (l *indented) end() {
	if !l.mid {
		_, _ = io.WriteString(l.to, "  ")
	}
	_, _ = io.WriteString(l.to, "\n")
	l.mid = false
}
