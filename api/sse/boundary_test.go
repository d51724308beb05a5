package sse_test

import (
	"slices"
	"testing"

	"github.com/cloud-sessions/sessions/api/sse"
)

// TestBoundaries tests that a stream is cut at the same places however it arrives.
func TestBoundaries(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"data: 1\n\ndata: 2\n\n":             {"data: 1\n\n", "data: 2\n\n"},
		"data: 1\r\rdata: 2\r\r":             {"data: 1\r\r", "data: 2\r\r"},
		"data: 1\r\n\r\ndata: 2\r\n\r\n":     {"data: 1\r\n\r", "\ndata: 2\r\n\r"},
		": comment\n\nid: 1\ndata: 2\ndata:": {": comment\n\n"},
		"\ndata: 1\n":                        {"\n"},
	} {
		for size := range len(text) {
			var b sse.Boundary
			var got []string
			event := ""
			for piece := range slices.Chunk([]byte(text), size+1) {
				for len(piece) > 0 {
					n, ok := b.Find(piece)
					event += string(piece[:n])
					piece = piece[n:]
					if ok {
						got, event = append(got, event), ""
					}
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, %d bytes at a time: %q, want %q", text, size+1, got, want)
			}
		}
	}
}
