package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// history is the messages that a person has written in chats, oldest first, kept in a file that only they can read.
type history struct {
	path    string // "" for a history that ends with the program
	entries []string
}

const (
	// historyVariable switches the file of the history off.
	historyVariable = "SESSIONS_HISTORY"
	// historySize is the most bytes of the history that are read, and historyFile the size at which its file is cut to them.
	historySize = 1 << 20
	historyFile = 2 * historySize
	// largestEntry is the most bytes of a message that is kept: larger ones were pasted.
	largestEntry = 64 << 10
)

// newHistory reads the history, which is empty when there is none; kept reports whether it is kept in a file.
func newHistory(kept bool) *history {
	dir, err := configDir()
	if !kept || os.Getenv(historyVariable) == "off" || err != nil {
		return &history{}
	}
	h := &history{path: filepath.Join(dir, "chat-history.jsonl")}
	data, err := os.ReadFile(h.path)
	if err != nil {
		return h
	}
	whole := len(data)
	data = data[max(0, whole-historySize):]
	for line := range bytes.Lines(data) {
		var text string
		if json.Unmarshal(line, &text) == nil { // not the half of an entry
			h.entries = append(h.entries, text)
		}
	}
	if whole > historyFile {
		_, data, _ = bytes.Cut(data, []byte("\n")) // the half of an entry
		_ = save(context.Background(), h.path, true, func(_ context.Context, to io.Writer) error {
			_, err := to.Write(data)
			return err
		})
	}
	return h
}

// add adds a message, unless it is the latest one again.
func (h *history) add(text string) error {
	if strings.TrimSpace(text) == "" || len(h.entries) > 0 && h.entries[len(h.entries)-1] == text {
		return nil
	}
	h.entries = append(h.entries, text)
	if h.path == "" || len(text) > largestEntry {
		return nil
	}
	line, err := encodeJSON(text, "", "")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return pathError("write", err)
	}
	file, err := os.OpenFile(h.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return pathError("write", err)
	}
	defer file.Close()
	if err := file.Chmod(0o600); err != nil {
		return pathError("protect", err)
	}
	_, err = file.Write(append(line, '\n'))
	return pathError("write", err)
}

// configDir is the folder of what the program keeps for a person.
func configDir() (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "cloud-sessions"), err
}
