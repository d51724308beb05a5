package contract

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// anyRequestError returns the mistake of a text by a schema that accepts every value.
func anyRequestError(text string) *RequestError {
	if m := check(nil, text, maxDepth); m != nil {
		return m.requestError()
	}
	return nil
}

func near(byte string) *RequestError {
	return &RequestError{Param: "body", Message: "The request body is not valid JSON (near byte " + byte + ")."}
}

func TestSyntax(t *testing.T) {
	trailing := &RequestError{Param: "body", Message: "The request body must be one JSON value with nothing after it."}
	deep := &RequestError{Param: "body", Message: "The request body must not be nested deeper than 64 levels."}
	notUTF8 := &RequestError{Param: "body", Message: "The request body must be valid UTF-8."}
	nested := func(n int, inside string) string { return strings.Repeat("[", n) + inside + strings.Repeat("]", n) }
	for text, want := range map[string]*RequestError{
		"": near("0"), " ": near("1"), "\t\r\n null ": nil, "\u00a01": near("1"), "\ufeff1": near("1"), "\v1": near("1"),
		"true": nil, "false": nil, "null": nil, "tru": near("3"), "trux": near("4"), "nul l": near("4"), "True": near("1"), "truex": trailing,
		"0": nil, "-0": nil, "-": near("1"), "+1": near("1"), "01": trailing, "-01": trailing, "1.": near("2"), "1.x": near("3"), ".5": near("1"),
		"1e": near("2"), "1e+": near("3"), "1E-7": nil, "1e5.": trailing, "1.5e+10": nil, "-x": near("2"), "0x10": trailing, "1_0": trailing,
		"NaN": near("1"), "Infinity": near("1"), "1e999": nil, "123456789012345678901234567890": nil,
		`"`: near("1"), `"a`: near("2"), `""`: nil, `"a"b`: trailing, "'a'": near("1"),
		"\"\x1f\"": near("2"), "\"12345678\x00\"": near("10"), "\"12345678\x1f\"": near("10"), "\"1234567\x1f\"": near("9"), "\"\x7f\"": nil, "\"a\nb\"": near("3"),
		`"\x"`: near("3"), `"\`: near("2"), `"\"`: near("3"), `"\\"`: nil, `"\/\b\f\n\r\t\""`: nil, `"\u12G4"`: near("6"), `"\u12`: near("5"), `"\U1234"`: near("3"),
		`"\ud83d\ude00"`: nil, `"\uD83D\uDE00"`: nil, `"\ud83d"`: notUTF8, `"\ude00"`: notUTF8, `"\ud83d\ud83d\ude00"`: notUTF8, `"\ud83dx"`: notUTF8,
		`"\ud83d\n"`: notUTF8, `"\ud83d\u0041"`: notUTF8, `"\ud83d\u"`: near("10"), `"\\ud83d"`: nil, `"\uFFFD"`: nil, `"\u0000"`: nil,
		"\"é话😀\"": nil, "\"\xff\"": notUTF8, "\"1234567\xc3\"": notUTF8, "\"\xed\xa0\x80\"": notUTF8, "\"\xc0\x80\"": notUTF8, "\"\xf4\x90\x80\x80\"": notUTF8,
		"[]": nil, "[ ]": nil, "[1,]": near("4"), "[,1]": near("2"), "[1 2]": near("4"), "[1": near("2"), "[": near("1"), "]": near("1"), "[1}": near("3"), "[]]": trailing, "[[],[]]": nil,
		"{}": nil, "{ }": nil, "{,}": near("2"), `{"a"}`: near("5"), `{"a":}`: near("6"), `{"a":1,}`: near("8"), `{"a" : 1 , "b" : 2}`: nil, `{a:1}`: near("2"),
		`{1:2}`: near("2"), `{"a":1 "b":2}`: near("8"), `{"a":1`: near("6"), `{"a":1]`: near("7"), `{"a"`: near("4"), `{"a":1}{`: trailing, `{"":0}`: nil,
		"// c": near("1"), "1 // c": trailing, "\x00": near("1"), "1\x00": trailing,
		nested(64, ""): nil, nested(63, "1"): nil, nested(64, "1"): deep, nested(65, ""): deep, nested(9000, ""): deep, nested(2_000_000, ""): deep,
		strings.Repeat("[", 9000): near("9000"), nested(100, ",") + "": near("101"), nested(100, `{"a":[1,{"b":"c"}]}`): deep, nested(100, "") + "1": trailing,
		nested(100, `{"a"}`): near("105"), nested(100, "{[["): near("102"), strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100): deep,
	} {
		if diff := cmp.Diff(want, anyRequestError(text)); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", text, diff)
		}
	}
}

// Mistakes of the text itself come first, in the order of the text, syntax errors before all others.
func TestGraveMistakes(t *testing.T) {
	twice := func(param string) *RequestError {
		return &RequestError{Param: param, Message: "Field '" + param + "' occurs twice."}
	}
	for text, want := range map[string]*RequestError{
		`{"a":1,"a":1}`: twice("a"), `{"a":1,"\u0061":1}`: twice("a"), `{"a":1,"A":1}`: nil, `[{"b":{"":1,"":2}}]`: twice("[0].b."),
		`{"a":"\ud800","a":1}`: {Param: "a", Message: "Field 'a' must be valid UTF-8."},
		`{"a":1,"a":"\ud800"}`: twice("a"),
		`{"a":1,"a":1,}`:       near("14"), `{"a":"\ud800"`: near("13"),
		"{\"x\":{\"\xff\":1}}":                   {Param: "x", Message: "Field 'x' must be valid UTF-8."},
		`{"a":1,"a":` + nested(70) + `}`:         twice("a"),
		`{"b":[` + nested(70) + `],"a":1,"a":2}`: {Param: "body", Message: "The request body must not be nested deeper than 64 levels."},
		manyNames(40, "n39"):                     twice("n39"), manyNames(40, "n0"): twice("n0"), manyNames(40, "n40"): nil, manyNames(16, "n3"): twice("n3"),
	} {
		if diff := cmp.Diff(want, anyRequestError(text)); diff != "" {
			t.Errorf("%.60q (-want +got):\n%s", text, diff)
		}
	}
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// manyNames makes an object of n members and one more.
func manyNames(n int, more string) string {
	g, names := newGenerator(0), []string{}
	for _, i := range g.Perm(n) {
		names = append(names, `"n`+string(jsonInt(i))+`":0`)
	}
	return "{" + strings.Join(append(names, `"`+more+`":0`), ",") + "}"
}

func jsonInt(i int) []byte { data, _ := json.Marshal(i); return data }

// FuzzSyntax compares the verdicts on any text without a schema: the same mistake at the same byte, and the same value of
// every string.
func FuzzSyntax(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e+7,"\u0061\ud83d\ude00\n",true,null,{}]}`, `"\ud800"`, "\"\xff\"", "[1,]", `{"a":1,"a":2}`, "01", nested(70)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want *RequestError
		if _, m := oracleDecode(text); m != nil {
			want = m.requestError()
		}
		got := anyRequestError(text)
		if diff := cmp.Diff(want, got); diff != "" {
			for _, known := range differences() {
				if known.explains(text, want, got) {
					return
				}
			}
			t.Fatalf("(-oracle +own) %s\n%q", diff, text)
		}
		var value string
		if got == nil && json.Unmarshal([]byte(text), &value) == nil && text[0] == '"' {
			c := cursor{data: text}
			if own := c.text().value(); own != value {
				t.Fatalf("%q is %q, own %q", text, value, own)
			}
		}
	})
}
