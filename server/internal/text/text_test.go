package text_test

import (
	"testing"

	"github.com/cloud-sessions/sessions/server/internal/text"
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
