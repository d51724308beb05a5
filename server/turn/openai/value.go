package openai

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// object is a JSON object whose fields are judged one by one: endpoints agree on their names, not on their types.
type object map[string]json.RawMessage

// asObject returns raw's fields; nil when it is not an object.
func asObject(raw json.RawMessage) object {
	if kind(raw) != '{' {
		return nil
	}
	var o object
	_ = json.Unmarshal(raw, &o)
	return o
}

// asArray returns raw's elements; nil when it is not an array.
func asArray(raw json.RawMessage) (elements []json.RawMessage) {
	if kind(raw) == '[' {
		_ = json.Unmarshal(raw, &elements)
	}
	return elements
}

// asText returns the text of a JSON string; "" when raw is something else.
func asText(raw json.RawMessage) string { return toUTF8(unquote(raw)) }

// asNumber returns a number, also one that is written as a string.
func asNumber(raw json.RawMessage) (float64, bool) {
	text := string(bytes.TrimSpace(raw))
	if kind(raw) == '"' {
		text = strings.TrimSpace(asText(raw))
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// kind returns the first byte of raw's value: '{', '[', '"', 't', 'f', 'n', '-' or a digit; 0 when there is none.
func kind(raw json.RawMessage) byte {
	if raw = bytes.TrimSpace(raw); len(raw) > 0 {
		return raw[0]
	}
	return 0
}

// isNothing reports whether raw says that there is nothing: it is missing, null, false, 0, "", {} or [].
func isNothing(raw json.RawMessage) bool {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return true
	}
	return slices.Contains([]string{"null", "false", "0", `""`, "{}", "[]"}, compact.String())
}

// unquote returns the text of a JSON string as UTF-8 that may hold halves of surrogate pairs, each as three bytes:
// endpoints that count in UTF-16 send one half at the end of a piece and the other one at the start of the next. It
// returns nil when raw is not a string. Pieces are joined as they are and go through toUTF8 afterwards.
func unquote(raw json.RawMessage) []byte {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	raw = raw[1 : len(raw)-1]
	text := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		escape := bytes.IndexByte(raw, '\\')
		if escape < 0 || escape+1 == len(raw) {
			return append(text, raw...)
		}
		text = append(text, raw[:escape]...)
		raw = raw[escape+1:]
		if raw[0] != 'u' || len(raw) < 5 {
			text = append(text, unescaped(raw[0]))
			raw = raw[1:]
			continue
		}
		unit, _ := strconv.ParseUint(string(raw[1:5]), 16, 16)
		text = appendUnit(text, rune(unit))
		raw = raw[5:]
	}
	return text
}

// unescaped returns what a backslash and c stand for.
func unescaped(c byte) byte {
	if at := strings.IndexByte("bfnrt", c); at >= 0 {
		return "\b\f\n\r\t"[at]
	}
	return c
}

// appendUnit appends a character, or half a surrogate pair, which UTF-8 has no encoding for.
func appendUnit(text []byte, unit rune) []byte {
	if !utf16.IsSurrogate(unit) {
		return utf8.AppendRune(text, unit)
	}
	return append(text, 0xE0|byte(unit>>12), 0x80|byte(unit>>6)&0xBF, 0x80|byte(unit)&0xBF)
}

// half returns the half of a surrogate pair that text begins with, 0 when there is none.
func half(text []byte) rune {
	if len(text) < 3 || text[0] != 0xED || text[1] < 0xA0 || text[1] > 0xBF {
		return 0
	}
	return 0xD000 | rune(text[1]&0x3F)<<6 | rune(text[2]&0x3F)
}

// toUTF8 joins halves of surrogate pairs and replaces what is left of them, and all else that is not UTF-8.
func toUTF8(text []byte) string {
	joined, _ := joinUTF8(text)
	return joined
}

// joinUTF8 is toUTF8 that also reports whether nothing had to be replaced.
func joinUTF8(text []byte) (joined string, valid bool) {
	if utf8.Valid(text) {
		return string(text), true
	}
	valid = true
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		if first := half(text); first != 0 {
			text = text[3:]
			r := utf16.DecodeRune(first, half(text))
			if r != utf8.RuneError {
				text = text[3:]
			}
			valid = valid && r != utf8.RuneError
			out = utf8.AppendRune(out, r)
			continue
		}
		r, size := utf8.DecodeRune(text)
		valid = valid && (r != utf8.RuneError || size > 1)
		out = utf8.AppendRune(out, r)
		text = text[size:]
	}
	return string(out), valid
}

// whole returns how many bytes of text do not end within a character or between the halves of a surrogate pair.
func whole(text []byte) int {
	end := len(text)
	if end >= 3 {
		if first := half(text[end-3:]); first >= 0xD800 && first < 0xDC00 {
			return end - 3
		}
	}
	for back := 1; back <= 3 && back <= end; back++ {
		if start := end - back; utf8.RuneStart(text[start]) {
			if text[start] >= 0xC0 && !utf8.FullRune(text[start:]) {
				return start
			}
			break
		}
	}
	return end
}
