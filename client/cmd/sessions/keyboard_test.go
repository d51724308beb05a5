package main

import (
	"errors"
	"io"
	"os"
	"testing"
)

// A prompt reads to the end of its line, which Enter is not within pasted text or after an escape; the rest is for the next.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	first := pasteStart + "a\rb" + pasteEnd + "c" + escape + "\rd\r"
	if _, err := writer.WriteString(first + "next\nand \x1b[Dthen\n\x04rest"); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	k := &keyboard{File: reader}
	if text, end := k.begin(); text != "" || end != promptOpen {
		t.Errorf("%q %v before anything was typed", text, end)
	}
	got, err := io.ReadAll(k)
	if err != nil || string(got) != first {
		t.Errorf("%q %v, want %q", got, err, first)
	}
	for _, want := range []struct {
		text string
		end  promptEnd
	}{{"next", promptSent}, {"and then", promptSent}, {"", promptClosed}, {"rest", promptOpen}} {
		if text, end := k.begin(); text != want.text || end != want.end {
			t.Errorf("%q %v, want %v", text, end, want)
		}
	}
	if _, err := k.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%v at the end", err)
	}
}
