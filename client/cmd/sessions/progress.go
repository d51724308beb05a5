package main

import (
	"fmt"
	"io"
	"time"
)

// progress shows on a terminal how many bytes have passed, once that takes longer than patience. Its readers and writers are
// for one goroutine at a time.
type progress struct {
	out  stream
	verb string
	size int64 // of everything; 0 when that is not known

	done  int64
	now   func() time.Time
	next  time.Time // when to show it
	shown bool
}

// progress returns a progress of some bytes; 0 when their number is not known.
func (a *app) progress(verb string, size int64) *progress {
	return &progress{out: a.err, verb: verb, size: size, now: a.now, next: a.now().Add(patience)}
}

// add counts bytes.
func (p *progress) add(n int) {
	p.done += int64(n)
	if now := p.now(); p.out.ansi && !now.Before(p.next) {
		p.next, p.shown = now.Add(patience/10), true
		text := fmt.Sprintf("%s %.1f MB", p.verb, float64(p.done)/1e6)
		if p.size > 0 {
			text += fmt.Sprintf(" of %.1f MB", float64(p.size)/1e6)
		}
		fmt.Fprint(p.out.to, "\r"+text+"\x1b[K")
	}
}

// end removes the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.out.to, "\r\x1b[K")
	}
}

// reader counts what is read. It can seek if from can.
func (p *progress) reader(from io.Reader) io.Reader {
	counted := &countedReader{from, p}
	if seeker, ok := from.(io.Seeker); ok {
		return &countedSeeker{counted, seeker}
	}
	return counted
}

type countedReader struct {
	from io.Reader
	p    *progress
}

// Read implements io.Reader.
func (r *countedReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	r.p.add(n)
	return n, err
}

type countedSeeker struct {
	*countedReader
	seeker io.Seeker
}

// Seek implements io.Seeker. What is read again does not count.
func (s *countedSeeker) Seek(offset int64, whence int) (int64, error) {
	at, err := s.seeker.Seek(offset, whence)
	if whence == io.SeekStart {
		s.p.done = 0
	}
	return at, err
}

// writer counts what is written.
func (p *progress) writer(to io.Writer) io.Writer { return countedWriter{to, p} }

type countedWriter struct {
	to io.Writer
	p  *progress
}

// Write implements io.Writer.
func (w countedWriter) Write(b []byte) (int, error) {
	n, err := w.to.Write(b)
	w.p.add(n)
	return n, err
}
