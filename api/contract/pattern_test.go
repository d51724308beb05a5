package contract

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// probes returns strings that distinguish patterns.
func probes() []string {
	out := []string{"", "a", "id_", "id_0", "id_aZ", "ID_a", "id_" + strings.Repeat("z", 4), "id_" + strings.Repeat("z", 5), "x\x00", "\x00", "\xff", "é", "éé", "话", "a\n", "\n",
		"https://x", "http://", "httpss://x", "http://x y", "ab", "aab", "aaab", "bc", "d", "dd", "ddb", "_a9", "9a", "a.b:80", "a.b:123456", "a-", "*.x", "aa", "aba", "~", "\x7f", "\x1f"}
	for _, prefix := range []string{"sess_", "env_", "memstore_"} {
		out = append(out, prefix, prefix+"0", prefix+strings.Repeat("a", 64), prefix+strings.Repeat("a", 65), prefix+"A", " "+prefix+"0", prefix+"0\n", prefix+"0 ")
	}
	return out
}

// The document's patterns are matched without the regexp package, except those listed.
func TestDocumentPatterns(t *testing.T) {
	doc, c := document(t)
	slow := map[string]bool{}
	for name, s := range c.schemas {
		if p := s.root.text.pattern; p != nil {
			if p.rows == nil {
				slow[name] = true
			}
			expr := doc.Components.Schemas[name].Value.Pattern
			re := regexp.MustCompile(expr)
			for _, text := range probes() {
				if p.match(text) != re.MatchString(text) {
					t.Errorf("%s matches %q: %v", expr, text, p.match(text))
				}
			}
		}
	}
	if got := slices.Sorted(maps.Keys(slow)); !slices.Equal(got, []string{"HostName"}) {
		t.Errorf("matched by the regexp package: %v", got)
	}
}

func TestPatterns(t *testing.T) {
	fast := map[string]bool{
		`^id_[0-9a-z]{1,4}$`: true, `^[^\x00]*$`: true, `^(id_[0-9a-z]{1,4})?$`: true, `^https?://[^\x00-\x20]+$`: true, `^(a|bc|d*)$`: true, `^a?b?$`: true, `^话a*$`: true, `^a{3}$`: true, `^[ab]c*[de]$`: true,
		`^a*ab$`: false, `^a?b?a{2}$`: false, `^é+$`: false, `^[^a]{2}$`: false, `^.$`: false, `^.*$`: false, `a`: false, `^a`: false, `a$`: false, `^$`: true, `^(?i)a$`: false, `(?m)^a$`: false,
		`^a*(b|c)$`: true, `^[^a]$`: false, `^[a-é]*$`: false, `^(ab)*$`: false, `^a|b$`: false, `^a*b*a$`: false, `\bа\b`: false, `^[a-z]*\x{e9}$`: true, `^[^a-z]*é$`: false, `^()$`: false, `^((a)|(b))$`: true,
	}
	for expr, want := range fast {
		p, err := compilePattern(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.rows != nil; got != want {
			t.Errorf("%s is matched without the regexp package: %v", expr, got)
		}
		re := regexp.MustCompile(expr)
		for _, text := range probes() {
			if p.match(text) != re.MatchString(text) {
				t.Errorf("%s matches %q: %v", expr, text, p.match(text))
			}
		}
	}
	if _, err := compilePattern(`(`); err == nil {
		t.Error("( compiled")
	}
}

// FuzzPattern compares the matcher with the regexp package.
func FuzzPattern(f *testing.F) {
	for _, expr := range patterns() {
		for _, text := range probes() {
			f.Add(expr, text)
		}
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		p, err := compilePattern(expr)
		if err != nil {
			t.Skip()
		}
		if got, want := p.match(text), regexp.MustCompile(expr).MatchString(text); got != want {
			t.Fatalf("%q matches %q: %v, the regexp package says %v", expr, text, got, want)
		}
	})
}

// FuzzDateTime compares isDateTime with kin-openapi and Go's time package: it accepts what both accept.
func FuzzDateTime(f *testing.F) {
	for _, seed := range []string{
		"2026-05-18T15:26:15Z", "2026-05-18T15:26:15.747298Z", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01t00:00:00Z", "2026-01-01T00:00:00z", "2026-01-01 00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"2026-01-01T00:00:60Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00+07:00", "2026-01-01T00:00:00-23:59", "2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+0700", "2026-01-01T00:00:00.123456789123Z", "0000-01-01T00:00:00Z", "", "2026-01-01", "2026-01-01T00:00:00.5", "202a-01-01T00:00:00Z", "2026/01/01T00:00:00Z", "2026-01-01T00:00:00Z ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := time.Parse(time.RFC3339, text)
		kin := openapi3.NewStringSchema().WithFormat("date-time").VisitJSON(text, openapi3.EnableFormatValidation())
		if want := err == nil && kin == nil; isDateTime(text) != want {
			t.Fatalf("%q: %v, time: %v, kin-openapi: %v", text, isDateTime(text), err, kin)
		}
	})
}
