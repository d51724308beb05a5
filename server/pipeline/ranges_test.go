package pipeline

import "testing"

func TestByteRanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header string
		size   int64
		want   string
	}{
		{"bytes=2-4", 10, "bytes=2-4"},
		{"bytes=-5", 10, "bytes=-5"},
		{"bytes=8-", 10, "bytes=8-"},
		{"BYTES=2-4", 10, "bytes=2-4"},
		{"bytes=-0", 10, "bytes=10-"},
		{"bytes=-000", 10, "bytes=10-"},
		{"bytes=0-1, -0", 10, "bytes=0-1,10-"},
		{"bytes=-5", 0, ""},
		{"bytes=-0", 0, ""},
		{"bytes=0-", 0, ""},
		{"lines=1-2", 10, ""},
		{"bytes", 10, "bytes="},
		{"", 10, ""},
		{"bytesx=1-2", 10, ""},
		{"bytes=x", 10, "bytes=x"},
		{"bytes=--1", 10, "bytes=--1"},
		{"bytes=0-99999999999999999999", 10, "bytes=0-9223372036854775807"},
		{"bytes=-99999999999999999999", 10, "bytes=-9223372036854775807"},
		{"bytes=9223372036854775808-", 10, "bytes=9223372036854775807-"},
	} {
		if got := byteRanges(c.header, c.size); got != c.want {
			t.Errorf("%q of %d bytes: %q, want %q", c.header, c.size, got, c.want)
		}
	}
}
