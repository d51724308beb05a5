package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-colorable"
	"golang.org/x/term"
)

// stream is standard output or standard error.
type stream struct {
	io.Writer
	// terminal reports whether a person reads along.
	terminal bool
	// width is how many columns the terminal has, 0 when that is not known.
	width int
	// ansi reports whether the terminal can move its cursor, colour whether it wants colours.
	ansi, colour bool
}

// newStream looks at what f is.
func newStream(f *os.File, getenv func(string) string) stream {
	s := stream{Writer: f, terminal: term.IsTerminal(int(f.Fd()))}
	s.width, _, _ = term.GetSize(int(f.Fd()))
	s.ansi = s.terminal && getenv("TERM") != "dumb"
	s.colour = s.ansi && getenv("NO_COLOR") == ""
	if s.ansi {
		s.Writer = colorable.NewColorable(f) // on Windows an older console needs help
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

// styled returns text in a style where there are colours.
func (s stream) styled(style, text string) string {
	if !s.colour || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// patience is how long a command waits before it says so.
const patience = time.Second

// spin shows on a terminal that the program waits, once patience is over, until stop is called. The line
// is gone when stop has returned; stop may be called again.
func (s stream) spin(text string) (stop func()) {
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
					fmt.Fprint(s, "\r\x1b[K")
				}
				return
			case <-timer.C:
				fmt.Fprintf(s, "\r%c %s", frames[i%len(frames)], text)
				timer.Reset(100 * time.Millisecond)
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		spinner.Wait()
	})
}
