package recording

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of what is read.
const (
	// MaxFile is the most bytes that a file may have.
	MaxFile = 512 << 20
	// longestTime bounds the times in a file.
	longestTime = 1000 * time.Hour
)

// Load reads the file at path. An error in its content is a *FileError that names the file by its base name.
func Load(path string) (*Recording, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return Read(filepath.Base(path), file)
}

// Read reads a file; name is what errors call it. An error in its content is a *FileError.
func Read(name string, from io.Reader) (*Recording, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB, which is the most that is read", name, MaxFile>>20)
	}
	r := &reader{file: name, rest: text}
	return r.recording()
}

// reader reads the lines of a file. It panics with a *FileError, which recording returns.
type reader struct {
	file string
	rest []byte
	line []byte // the current line, without its end
	at   int    // its number, from 1
	more bool   // there is a current line
}

// next goes to the next line.
func (r *reader) next() {
	r.at++
	r.line = nil
	if r.more = len(r.rest) > 0; r.more {
		r.line, r.rest, _ = bytes.Cut(r.rest, []byte("\n"))
		r.line = bytes.TrimSuffix(r.line, []byte("\r")) // of editors on Windows
	}
}

func (r *reader) fail(format string, args ...any) {
	panic(&FileError{File: r.file, Line: r.at, Message: fmt.Sprintf(format, args...)})
}

// shown returns the beginning of the current line, for messages.
func (r *reader) shown() string {
	if !r.more {
		return "the end of the file"
	}
	return strconv.QuoteToASCII(string(r.line[:min(len(r.line), 60)]))
}

func (r *reader) recording() (rec *Recording, err error) {
	defer func() {
		if v := recover(); v != nil {
			wrong, ok := v.(*FileError)
			if !ok {
				panic(v)
			}
			rec, err = nil, wrong
		}
	}()
	rec = &Recording{}
	r.next()
	if !r.more || string(r.line) != header {
		r.fail("the first line must be %q, not %s", header, r.shown())
	}
	numbers := map[int]int{}
	for r.next(); r.more; {
		if len(r.line) == 0 {
			r.next()
			continue
		}
		e := r.exchange()
		if line, twice := numbers[e.Number]; twice {
			r.at = e.Line
			r.fail("exchange %d is in line %d as well; number the exchanges in the order in which they began", e.Number, line)
		}
		numbers[e.Number] = e.Line
		rec.Exchanges = append(rec.Exchanges, e)
	}
	slices.SortFunc(rec.Exchanges, func(a, b *Exchange) int { return cmp.Compare(a.Number, b.Number) })
	return rec, nil
}

// words returns the words of the current line, which must begin with a keyword and have so many words.
func (r *reader) words(form string, least, most int) []string {
	keyword, _, _ := strings.Cut(form, " ")
	words := strings.Split(string(r.line), " ")
	if !r.more || words[0] != keyword {
		r.fail("a line \"%s\" must come here, not %s", form, r.shown())
	}
	if len(words) < least || len(words) > most {
		r.fail("the line must be \"%s\", not %s", form, r.shown())
	}
	return words
}

func (r *reader) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > longestTime {
		r.fail("a time must be a duration such as 12.5ms, up to %v, not %s", longestTime, strconv.QuoteToASCII(text))
	}
	return d
}

func (r *reader) number(text, what string, least, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		r.fail("%s must be a number from %d to %d, not %s", what, least, most, strconv.QuoteToASCII(text))
	}
	return n
}

// exchange reads a block.
func (r *reader) exchange() *Exchange {
	words := r.words("exchange NUMBER at TIME OPERATION", 4, 5)
	e := &Exchange{Line: r.at, Number: r.number(words[1], "the number of an exchange", 1, 1<<30)}
	if words[2] != "at" {
		r.fail("the line must be \"exchange NUMBER at TIME OPERATION\", not %s", r.shown())
	}
	e.At = r.duration(words[3])
	if len(words) == 5 {
		e.Operation = words[4]
	}
	r.next()
	r.request(e)
	r.next()
	e.RequestHeader = r.header()
	e.RequestBody = r.body()
	if r.more && bytes.HasPrefix(r.line, []byte("response ")) {
		r.response(e)
	}
	r.end(e)
	return e
}

// request reads the line with the method and the target.
func (r *reader) request(e *Exchange) {
	words := r.words("request METHOD TARGET", 3, 3)
	e.Method, e.Target = words[1], words[2]
	if _, err := http.NewRequest(e.Method, "http://server"+e.Target, nil); err != nil || !strings.HasPrefix(e.Target, "/") {
		r.fail("a request needs a method and a target that begins with a slash, not %s", r.shown())
	}
}

func (r *reader) response(e *Exchange) {
	words := r.words("response STATUS after TIME", 4, 4)
	e.Status, e.After = r.number(words[1], "a status", 200, 999), r.duration(words[3])
	r.next()
	e.Header = r.header()
	for r.more && (bytes.HasPrefix(r.line, []byte("frame ")) || bytes.HasPrefix(r.line, []byte("part "))) {
		e.Frames = append(e.Frames, r.frame())
	}
	if e.Frames == nil {
		e.Body = r.body()
	}
}

func (r *reader) end(e *Exchange) {
	e.End = End(strings.SplitN(string(r.line), " ", 2)[0])
	if !r.more || e.End != Complete && e.End != Cut && e.End != Left {
		r.fail("an exchange ends with a line \"end after TIME\", \"cut after TIME\" or \"left after TIME\"; %s cannot come here", r.shown())
	}
	words := r.words(string(e.End)+" after TIME", 3, 3)
	e.EndAfter = r.duration(words[2])
	if e.End == Complete && e.Status == 0 {
		r.fail("an exchange without a response ends with \"cut\" or \"left\"")
	}
	r.next()
}

// content returns the lines below the current one, joined by line feeds, and goes to what follows them.
func (r *reader) content() []byte {
	var text []byte
	for first := true; r.more; first = false {
		line, ok := bytes.CutPrefix(r.line, []byte("  "))
		if !ok {
			break
		}
		if !first {
			text = append(text, '\n')
		}
		text = append(text, line...)
		r.next()
	}
	return text
}

func (r *reader) header() http.Header {
	h := http.Header{}
	for r.more {
		line, ok := strings.CutPrefix(string(r.line), "  ")
		if !ok {
			break
		}
		name, value, found := strings.Cut(line, ":")
		if !found || name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }) {
			r.fail("a header must be \"Name: value\", not %s", r.shown())
		}
		if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			r.fail("the value of header %s must not contain control characters", name)
		}
		h.Add(name, strings.TrimPrefix(value, " "))
		r.next()
	}
	return h
}

// body reads a body, if there is one.
func (r *reader) body() []byte {
	switch string(r.line) {
	case "json":
		r.next()
		return joinJSON(r.content())
	case "text":
		r.next()
		return r.content()
	case "base64":
		r.next()
		return r.base64()
	}
	return nil
}

func (r *reader) base64() []byte {
	first := r.at
	var data []byte
	for line := range bytes.SplitSeq(r.content(), []byte("\n")) {
		part, err := base64.StdEncoding.AppendDecode(data, line)
		if err != nil {
			r.at = first
			r.fail("the line is not base64")
		}
		data, first = part, first+1
	}
	return data
}

// frame reads a piece of a stream.
func (r *reader) frame() Frame {
	text := string(r.line)
	switch words := strings.Split(text, " "); {
	case len(words) == 3 && words[1] == "after":
		f := Frame{After: r.duration(words[2])}
		r.next()
		f.Text = r.content()
		if words[0] == "frame" {
			f.Text = append(f.Text, "\n\n"...)
		}
		return f
	case len(words) == 4 && words[0] == "part" && words[1] == "base64" && words[2] == "after":
		f := Frame{After: r.duration(words[3])}
		r.next()
		f.Text = r.base64()
		return f
	}
	r.fail("a line \"frame after TIME\", \"part after TIME\" or \"part base64 after TIME\" must come here, not %s", r.shown())
	return Frame{}
}
