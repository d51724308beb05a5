package compile

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/contract/internal/tiny"
	"github.com/cloud-sessions/sessions/api/openapi"
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
	doc, err := openapi.Parse(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Document(doc)
	if err != nil {
		t.Fatal(err)
	}
	slow := map[string]bool{}
	for _, s := range c.Schemas {
		if p := s.Schema.Pattern; p != nil {
			if p.Rows == nil {
				slow[s.Name] = true
			}
			expr := doc.Components.Schemas[s.Name].Value.Pattern
			re := regexp.MustCompile(expr)
			for _, text := range probes() {
				if p.Match(text) != re.MatchString(text) {
					t.Errorf("%s matches %q: %v", expr, text, p.Match(text))
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
		if got := p.Rows != nil; got != want {
			t.Errorf("%s is matched without the regexp package: %v", expr, got)
		}
		re := regexp.MustCompile(expr)
		for _, text := range probes() {
			if p.Match(text) != re.MatchString(text) {
				t.Errorf("%s matches %q: %v", expr, text, p.Match(text))
			}
		}
	}
	if _, err := compilePattern(`(`); err == nil {
		t.Error("( compiled")
	}
}

// FuzzPattern compares the matcher with the regexp package.
func FuzzPattern(f *testing.F) {
	for _, expr := range tiny.Patterns() {
		for _, text := range probes() {
			f.Add(expr, text)
		}
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		p, err := compilePattern(expr)
		if err != nil {
			t.Skip()
		}
		if got, want := p.Match(text), regexp.MustCompile(expr).MatchString(text); got != want {
			t.Fatalf("%q matches %q: %v, the regexp package says %v", expr, text, got, want)
		}
	})
}
