package main

import (
	"bytes"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// keyboard is a terminal that is read up to the end of a line at a time, so that what was typed ahead stays for the next
// prompt. It is for one goroutine at a time.
type keyboard struct {
	*os.File
	ahead   []byte // it was read, and no prompt has it
	recent  []byte // the last bytes that a prompt got
	pasting bool   // they are within pasted text
	ended   bool   // the prompt has its line
}

// The sequences around pasted text, and the one that begins an Alt-Enter.
const (
	pasteStart = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
	escape     = "\x1b"
)

// Read implements io.Reader. After the end of a line it returns io.EOF until begin is called.
func (k *keyboard) Read(p []byte) (int, error) {
	if k.ended {
		return 0, io.EOF
	}
	if len(k.ahead) == 0 {
		n, err := k.File.Read(p)
		k.ahead = append(k.ahead, p[:n]...)
		if err != nil {
			return 0, err
		}
	}
	n := 0
	for n < min(len(p), len(k.ahead)) && !k.ended {
		k.see(k.ahead[n])
		n++
	}
	copy(p, k.ahead[:n])
	k.ahead = k.ahead[n:]
	return n, nil
}

// see notes a byte that a prompt gets. Enter ends the line, except in pasted text and after an escape.
func (k *keyboard) see(b byte) {
	k.ended = !k.pasting && isEnter(rune(b)) && !bytes.HasSuffix(k.recent, []byte(escape))
	k.recent = append(k.recent[max(0, len(k.recent)-len(pasteStart)+1):], b)
	switch string(k.recent) {
	case pasteStart:
		k.pasting = true
	case pasteEnd:
		k.pasting = false
	}
}

// isEnter reports whether a terminal sends a character for Enter: one in raw mode a carriage return, one that was in line
// mode when it was typed a line feed.
func isEnter(r rune) bool { return r == '\r' || r == '\n' }

// begin prepares for a prompt. It returns what was typed ahead of it, and how the prompt has ended if that has ended it.
func (k *keyboard) begin() (text string, end promptEnd) {
	k.ended, k.pasting, k.recent = false, false, nil
	ahead := string(k.ahead)
	n := strings.IndexFunc(ahead, isEnter)
	if strings.HasPrefix(ahead, endOfText) || strings.HasPrefix(ahead, endOfLineMode) {
		k.ahead = k.ahead[1:]
		return "", promptClosed
	}
	if n < 0 {
		k.ahead = nil
		return ansi.Strip(ahead), promptOpen
	}
	k.ahead = k.ahead[n+1:]
	return ansi.Strip(ahead[:n]), promptSent
}

// What a terminal sends for Ctrl-D, and what Linux makes of one that was typed in line mode.
const (
	endOfText     = "\x04"
	endOfLineMode = "\x00"
)
