package plainjson_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/cloud-sessions/sessions/server/plainjson"
)

func TestMarshal(t *testing.T) {
	got, err := plainjson.Marshal(map[string]any{"<a>": "& \u2028 \x01 é \\u003c", "raw": json.RawMessage(`"\u003C"`)})
	if want := `{"<a>":"& \u2028 \u0001 é \\u003c","raw":"<"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := plainjson.Marshal(func() {}); err == nil {
		t.Error("a function has JSON")
	}
}

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{
		``:                           ``,
		`"a"`:                        `"a"`,
		`"\u003c\u003e\u0026"`:       `"<>&"`,
		`"\u003C\u003E"`:             `"<>"`,
		`"\\u003c"`:                  `"\\u003c"`,
		`"\\\u003c"`:                 `"\\<"`,
		`"\\\\u003c\u0026"`:          `"\\\\u003c&"`,
		`"\"\u003c\"\n\u0022\u003d"`: `"\"<\"\n\u0022\u003d"`,
		`"\ud83d\ude00\u2028\u0001"`: `"\ud83d\ude00\u2028\u0001"`,
		`{"\u0026":["\u003c"]}`:      `{"&":["<"]}`,
		`\u00`:                       `\u00`, // not JSON, and left alone
		`\`:                          `\`,
	} {
		if got := string(plainjson.Unescape([]byte(text))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// The meaning of a JSON text stays, and nothing that is escaped for HTML is left.
func FuzzUnescape(f *testing.F) {
	f.Add(`"\u003c"`)
	f.Add(`{"a":"\\u003c \\\u0026"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var before, after any
		if json.Unmarshal([]byte(text), &before) != nil {
			return
		}
		got := plainjson.Unescape([]byte(text))
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		a, _ := json.Marshal(before)
		b, _ := json.Marshal(after)
		if !bytes.Equal(a, b) {
			t.Errorf("%q became %q", text, got)
		}
		if again := plainjson.Unescape(bytes.Clone(got)); !bytes.Equal(again, got) {
			t.Errorf("%q became %q, then %q", text, got, again)
		}
	})
}
