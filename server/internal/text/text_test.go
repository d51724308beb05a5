package text_test

import (
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/plainjson"
)

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"abc", 5, "abc"}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"abc", -1, ""}, {"", 0, ""},
		{"aé", 2, "a"}, {"aé", 3, "aé"}, {"é", 1, ""}, {"a🙂b", 4, "a"}, {"a🙂b", 5, "a🙂"}, {"🙂", 3, ""},
		{"a\x80\x80\x80\x80\x80", 5, "a\x80\x80\x80\x80"}, {"\x80\x80", 1, "\x80"},
	} {
		if got := text.Cut(c.text, c.n); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}

func TestCutJSON(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for r := rune(1); r < 0x2030; r++ {
		all.WriteRune(r)
	}
	for _, s := range []string{"", "abc", "é🙂", all.String(), "\u2028\x01\"\\\n\b\f<>&\x7f"} {
		encoded, err := plainjson.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		want := len(encoded) - len(`""`)
		if got, size := text.CutJSON(s, want); got != s || size != want {
			t.Errorf("%.20q: %d of %d bytes, of size %d; want %d", s, len(got), len(s), size, want)
		}
		if got, size := text.CutJSON(s, want-1); want > 0 && (!strings.HasPrefix(s, got) || len(got) == len(s) || size >= want) {
			t.Errorf("%.20q: %d of %d bytes, of size %d", s, len(got), len(s), size)
		}
	}
}
