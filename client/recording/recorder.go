package recording

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Recorder writes a file. Its methods are safe for concurrent use. What an exchange has is written as it comes: the Recorder
// holds at most 64 KiB of each that is open, and one event of each stream; more goes into temporary files next to the file.
type Recorder struct {
	redact *Redactor
	now    func() time.Time
	began  time.Time
	path   string

	mu    sync.Mutex
	file  *os.File
	count int
	open  map[*Tape]bool
	err   error // the first
}

// Create creates a file, which only its owner can read, and writes exchanges to it until Close. It returns an error when
// the file exists. A nil redact keeps secrets.
func Create(path string, redact *Redactor) (*Recorder, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	r := &Recorder{redact: redact, now: time.Now, path: path, file: file, open: map[*Tape]bool{}}
	r.began = r.now()
	_, r.err = fmt.Fprintln(file, header)
	return r, nil
}

// Close ends the exchanges that are open, as the caller had left them, and closes the file. It returns the first error of
// all writes.
func (r *Recorder) Close() error {
	r.mu.Lock()
	open := slices.SortedFunc(maps.Keys(r.open), func(a, b *Tape) int { return cmp.Compare(a.number, b.number) })
	r.mu.Unlock()
	for _, t := range open {
		t.End(Left)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed(r.file.Close())
	return r.err
}

// failed keeps the first error.
func (r *Recorder) failed(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Begin begins an exchange: operation is the operationId, "" for a request outside the contract. A nil Recorder returns a
// nil Tape.
func (r *Recorder) Begin(operation string, req *http.Request) *Tape {
	if r == nil {
		return nil
	}
	t := &Tape{recorder: r, operation: operation, began: r.now(), head: req.Method == http.MethodHead}
	parts := filepath.Base(r.path) + ".*.part"
	t.request, t.response = spool{folder: filepath.Dir(r.path), pattern: parts}, spool{folder: filepath.Dir(r.path), pattern: parts}
	r.mu.Lock()
	r.count++
	t.number = r.count
	r.open[t] = true
	r.mu.Unlock()
	title := fmt.Sprintf("\nexchange %d at %v %s", t.number, short(t.began.Sub(r.began)), operation)
	t.request.printf("%s\nrequest %s %s\n", strings.TrimRight(title, " "), req.Method, r.redact.Text(target(req)))
	t.request.header(r.redact.Header(req.Header), false)
	t.sent = newBody(&t.request, req.Header, r.redact, operation, nil)
	return t
}

// target is the path and the query of a request, as they were sent.
func target(req *http.Request) string {
	path := cmp.Or(req.URL.EscapedPath(), "/")
	if req.URL.RawQuery == "" {
		return path
	}
	return path + "?" + req.URL.RawQuery
}

// short drops what is shorter than 10 µs.
func short(d time.Duration) time.Duration { return max(d, 0).Round(10 * time.Microsecond) }

// Tape records one exchange. Its methods are safe for concurrent use, and do nothing for a nil Tape and after End.
type Tape struct {
	recorder  *Recorder
	number    int
	operation string
	began     time.Time
	head      bool

	mu                sync.Mutex
	request, response spool
	sent, received    *body
	done              bool
}

// unlessDone runs f unless the exchange has ended.
func (t *Tape) unlessDone(f func()) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.done {
		f()
	}
}

// RequestBody records a piece of the body of the request.
func (t *Tape) RequestBody(p []byte) {
	t.unlessDone(func() { t.sent.write(p) })
}

// Response records the status and the header of the response.
func (t *Tape) Response(status int, h http.Header) {
	t.unlessDone(func() {
		t.response.printf("response %d after %v\n", status, t.elapsed())
		t.response.header(t.recorder.redact.Header(h), t.head)
		t.received = newBody(&t.response, h, t.recorder.redact, t.operation, t.elapsed)
	})
}

// Body records a piece of the body of the response.
func (t *Tape) Body(p []byte) {
	t.unlessDone(func() {
		if t.received != nil {
			t.received.write(p)
		}
	})
}

// End ends the exchange and writes it to the file.
func (t *Tape) End(end End) {
	t.unlessDone(func() {
		t.done = true
		t.sent.end()
		if t.received != nil {
			t.received.end()
		}
		t.response.printf("%s after %v\n", end, t.elapsed())
		t.recorder.keep(t)
	})
}

func (t *Tape) elapsed() time.Duration { return short(t.recorder.now().Sub(t.began)) }

// keep appends an exchange to the file.
func (r *Recorder) keep(t *Tape) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, t)
	r.failed(t.request.moveTo(r.file))
	r.failed(t.response.moveTo(r.file))
}

// spooled is how many bytes of an exchange are held in memory.
const spooled = 32 << 10

// spool is a text that is held in memory while it is short, and in a temporary file otherwise. It keeps its first error.
type spool struct {
	folder, pattern string
	text            []byte
	name            string // of the file; "" for none
	err             error
}

// Write never fails: moveTo returns the error.
func (s *spool) Write(p []byte) (int, error) {
	if s.err != nil {
		return len(p), nil
	}
	s.text = append(s.text, p...)
	if len(s.text) > spooled {
		s.err = s.spill()
		s.text = s.text[:0]
	}
	return len(p), nil
}

func (s *spool) printf(format string, args ...any) { _, _ = fmt.Fprintf(s, format, args...) }

// header writes a header, sorted by name.
func (s *spool) header(h http.Header, length bool) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if name == "Content-Length" && !length {
			continue
		}
		for _, value := range h[name] {
			s.printf("  %s: %s\n", name, value)
		}
	}
}

// spill appends what is held to the file.
func (s *spool) spill() error {
	file, err := s.openFile()
	if err != nil {
		return err
	}
	_, err = file.Write(s.text)
	return errors.Join(err, file.Close())
}

func (s *spool) openFile() (*os.File, error) {
	if s.name != "" {
		return os.OpenFile(s.name, os.O_WRONLY|os.O_APPEND, 0)
	}
	file, err := os.CreateTemp(s.folder, s.pattern)
	if err == nil {
		s.name = file.Name()
	}
	return file, err
}

// moveTo appends the text to a file and removes what was temporary.
func (s *spool) moveTo(file *os.File) error {
	if s.name != "" {
		defer os.Remove(s.name)
		in, err := os.Open(s.name)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, in)
		if err = errors.Join(s.err, err, in.Close()); err != nil {
			return err
		}
	}
	_, err := file.Write(s.text)
	return errors.Join(s.err, err)
}
