package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-colorable"
	"golang.org/x/term"
)

// stream is standard output or standard error. What is written to it passes through visible.
type stream struct {
	to io.Writer
	// file is where to writes in the end; nil for none.
	file *os.File
	// terminal reports whether a person reads along.
	terminal bool
	// width is how many columns the terminal has, 0 when that is not known.
	width int
	// ansi reports whether the terminal can move its cursor, colour whether it wants colours.
	ansi, colour bool
}

// newStream looks at what f is.
func newStream(f *os.File, getenv func(string) string) stream {
	s := stream{to: f, file: f, terminal: term.IsTerminal(int(f.Fd()))}
	s.width, _, _ = term.GetSize(int(f.Fd()))
	s.ansi = s.terminal && getenv("TERM") != "dumb"
	s.colour = s.ansi && getenv("NO_COLOR") == ""
	if s.ansi {
		s.to = colorable.NewColorable(f) // on Windows an older console needs help
	}
	return s
}

// The styles of text.
const (
	bold   = "1"
	dim    = "2"
	green  = "32"
	yellow = "33"
)

// Write writes text for people.
func (s stream) Write(text []byte) (int, error) {
	if _, err := io.WriteString(s.to, visible(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// writeExact writes what programs parse: unchanged, except on a terminal.
func (s stream) writeExact(data []byte) error {
	if s.terminal {
		_, err := s.Write(data)
		return err
	}
	_, err := s.to.Write(data)
	return err
}

// styledText is a text in a style; "" for none.
type styledText struct{ style, text string }

// writeStyled writes texts, in their styles where there are colours.
func (s stream) writeStyled(texts ...styledText) error {
	var b bytes.Buffer
	for _, t := range texts {
		if s.colour && t.style != "" {
			b.WriteString("\x1b[" + t.style + "m" + visible(t.text) + "\x1b[0m")
		} else {
			b.WriteString(visible(t.text))
		}
	}
	_, err := b.WriteTo(s.to)
	return err
}

// patience is how long a command waits before it says so.
const patience = time.Second

// spin shows on a terminal that the program waits, once patience is over, until stop is called. The line
// is gone when stop has returned; stop may be called again.
func (s stream) spin(text string) (stop func()) { return s.spinOn(func() string { return text }) }

// spinOn is spin for a text that changes. It is called from another goroutine.
func (s stream) spinOn(text func() string) (stop func()) {
	if !s.ansi {
		return func() {}
	}
	done := make(chan struct{})
	var spinner sync.WaitGroup
	spinner.Go(func() {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		for i := 0; ; i++ {
			select {
			case <-done:
				if i > 0 {
					fmt.Fprint(s.to, "\r\x1b[K")
				}
				return
			case <-timer.C:
				fmt.Fprintf(s.to, "\r%c %s\x1b[K", frames[i%len(frames)], visible(text()))
				timer.Reset(100 * time.Millisecond)
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		spinner.Wait()
	})
}
