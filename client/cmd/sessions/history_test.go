package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The file of the history is bounded, and so is what is read of it; the half of an entry at a cut is left out.
func TestHistoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"XDG_CONFIG_HOME", "HOME", "AppData"} {
		t.Setenv(name, dir)
	}
	t.Setenv(historyVariable, "")
	h := newHistory(true)
	if err := h.add("before"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"  \n", strings.Repeat("x", largestEntry+1)} { // blank, and too large for the file
		if err := h.add(text); err != nil {
			t.Fatal(err)
		}
	}
	if got := newHistory(true).entries; len(got) != 1 || got[0] != "before" || len(h.entries) != 2 {
		t.Errorf("%d entries, and %d in the file", len(h.entries), len(got))
	}
	entry := `"` + strings.Repeat("y", 50_000) + "\"\n"
	if err := os.WriteFile(h.path, []byte(strings.Repeat(entry, historyFile/len(entry)+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := newHistory(true)
	info, err := os.Stat(h.path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.entries); n != historySize/len(entry) || info.Size() != int64(n*len(entry)) || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("%d entries, a file of %d bytes with the mode %v", n, info.Size(), info.Mode())
	}
	if got := newHistory(false); got.path != "" || len(got.entries) != 0 {
		t.Errorf("%d entries of a history that is off", len(got.entries))
	}
	// A folder that cannot be written ends the history, not the chat.
	blocked := &history{path: filepath.Join(h.path, "sub", "history")}
	if err := blocked.add("x"); err == nil {
		t.Error("no error")
	}
}
