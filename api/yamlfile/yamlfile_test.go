package yamlfile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/api/yamlfile"
)

// garden is a file of every type that Decode knows.
type garden struct {
	Name   string        `yaml:"name,required"`
	Note   string        `yaml:"note,empty"`
	Beds   int           `yaml:"beds,min=1,max=9"`
	Seed   uint64        `yaml:"seed"`
	Open   bool          `yaml:"open"`
	Every  time.Duration `yaml:"every"`
	Tags   []string      `yaml:"tags,single"`
	Plants []plant       `yaml:"plants"`
	Owner  *string       `yaml:"owner"`
	Shed   *struct {
		Doors int64 `yaml:"doors"`
	} `yaml:"shed"`
	Colour colour     `yaml:"colour"`
	Even   even       `yaml:"even"`
	Rest   *yaml.Node `yaml:"rest"`
	//lint:ignore U1000 a key must not reach a field that is not exported
	hidden string
}

type plant struct {
	place
	Kind string `yaml:"kind"`
}

type place struct {
	Row int `yaml:"row"`
}

// colour decodes itself.
type colour string

func (c *colour) DecodeYAML(n *yaml.Node, what string) error {
	if n.Value != "green" {
		return yamlfile.At(n, "%s must be green, not %s", what, yamlfile.Shown(n))
	}
	*c = "light green"
	return nil
}

// even checks itself.
type even int

func (e even) CheckYAML(n *yaml.Node) error {
	if e%2 != 0 {
		return yamlfile.At(n, "%d is odd", e)
	}
	return nil
}

func TestParse(t *testing.T) {
	t.Parallel()
	const text = "\ufeff# a comment\r\nname: 1.10\r\nnote: ''\nbeds: 9\nseed: 9223372036854775807\nopen: true\nevery: 1h\n" +
		"tags: 012\nplants: [{row: 1, kind: yes}, {}]\nowner: 2026-05-18\nshed: {doors: 0}\ncolour: green\neven: 4\nrest: [x]\n"
	var got garden
	if err := yamlfile.Parse("garden.yaml", "garden", []byte(text), &got); err != nil {
		t.Fatal(err)
	}
	owner := "2026-05-18"
	want := garden{
		Name: "1.10", Beds: 9, Seed: 9223372036854775807, Open: true, Every: time.Hour, Tags: []string{"012"},
		Plants: []plant{{place{1}, "yes"}, {}}, Owner: &owner, Colour: "light green", Even: 4,
		Shed: &struct {
			Doors int64 `yaml:"doors"`
		}{},
	}
	if got.Rest == nil || got.Rest.Kind != yaml.SequenceNode {
		t.Errorf("rest %v", got.Rest)
	}
	got.Rest = nil
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(garden{}, plant{}, place{})); diff != "" {
		t.Error(diff)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	const keys = "name, note, beds, seed, open, every, tags, plants, owner, shed, colour, even, rest"
	for text, want := range map[string]string{
		"":                                   "f.yaml: the garden is empty",
		"# nothing":                          "f.yaml: the garden is empty",
		"null":                               "f.yaml:1:1: the garden must be a mapping, not nothing",
		"[]":                                 "f.yaml:1:1: the garden must be a mapping, not a list",
		"true":                               "f.yaml:1:1: the garden must be a mapping, not true",
		"a: [":                               "f.yaml:1: not valid YAML: did not find expected node content",
		"a: \xff":                            "f.yaml: not valid YAML: invalid leading UTF-8 octet",
		"name: a\n---\nname: b":              "f.yaml:2:1: the garden must be only one document; a second one begins here",
		"name: a\n---\n[":                    "f.yaml:3: not valid YAML: did not find expected node content",
		"{name: a} {name: b}":                "f.yaml: the garden must be only one document",
		"{}":                                 `f.yaml:1:1: the garden needs the key "name"`,
		"name: a\nnmae: b":                   `f.yaml:2:1: the garden has no key "nmae"; its keys are: ` + keys,
		"hidden: a":                          `f.yaml:1:1: the garden has no key "hidden"; its keys are: ` + keys,
		"Name: a":                            `f.yaml:1:1: the garden has no key "Name"; its keys are: ` + keys,
		"name: a\nname: a":                   `f.yaml:2:1: the key "name" is already defined at line 1`,
		"rest: {a: 1, b: {c: , c: }}":        `f.yaml:1:23: the key "c" is already defined at line 1`,
		"1: a":                               "f.yaml:1:1: a key must be a text, not the number 1",
		"? {}\n: a":                          "f.yaml:1:3: a key must be a text, not a mapping",
		"rest: {<<: {a: b}}":                 "f.yaml:1:8: a key must be a text, not <<",
		"rest: &a [x]":                       "f.yaml:1:7: anchors and aliases are not allowed",
		"rest: !!binary aGk=":                "f.yaml:1:7: tags are not allowed",
		"name: !x a":                         "f.yaml:1:7: tags are not allowed",
		"name: ":                             "f.yaml:1:6: name must be a text, not nothing",
		"name: ''":                           "f.yaml:1:7: name must not be empty",
		"name: ~":                            "f.yaml:1:7: name must be a text, not nothing",
		"name: [a]":                          "f.yaml:1:7: name must be a text, not a list",
		"name: a\nbeds: 0":                   "f.yaml:2:7: beds must be a whole number from 1 to 9, not the number 0",
		"name: a\nbeds: 10":                  "f.yaml:2:7: beds must be a whole number from 1 to 9, not the number 10",
		"name: a\nbeds: 1.5":                 "f.yaml:2:7: beds must be a whole number from 1 to 9, not the number 1.5",
		"name: a\nbeds: 01":                  "f.yaml:2:7: beds must be a whole number from 1 to 9, not the number 01",
		"name: a\nbeds: 0x1":                 "f.yaml:2:7: beds must be a whole number from 1 to 9, not the number 0x1",
		"name: a\nbeds: '1'":                 `f.yaml:2:7: beds must be a whole number from 1 to 9, not "1"`,
		"name: a\nbeds: [1]":                 "f.yaml:2:7: beds must be a whole number from 1 to 9, not a list",
		"name: a\nseed: -1":                  "f.yaml:2:7: seed must be a whole number from 0 to 9223372036854775807, not the number -1",
		"name: a\nseed: 9223372036854775808": "f.yaml:2:7: seed must be a whole number from 0 to 9223372036854775807, not the number 9223372036854775808",
		"name: a\nopen: yes":                 `f.yaml:2:7: open must be true or false, not "yes"`,
		"name: a\nopen: 1":                   "f.yaml:2:7: open must be true or false, not the number 1",
		"name: a\nevery: 5":                  "f.yaml:2:8: every must be a duration from 0s to 1h, such as 50ms, not the number 5",
		"name: a\nevery: -5s":                `f.yaml:2:8: every must be a duration from 0s to 1h, such as 50ms, not "-5s"`,
		"name: a\nevery: 61m":                `f.yaml:2:8: every must be a duration from 0s to 1h, such as 50ms, not "61m"`,
		"name: a\nevery: 2026-05-18":         "f.yaml:2:8: every must be a duration from 0s to 1h, such as 50ms, not the date 2026-05-18",
		"name: a\ntags: {}":                  "f.yaml:2:7: tags must be a text, not a mapping",
		"name: a\nplants: {}":                "f.yaml:2:9: plants must be a list, not a mapping",
		"name: a\nplants: [x]":               `f.yaml:2:10: plants must be a mapping, not "x"`,
		"name: a\nplants: [{col: 1}]":        `f.yaml:2:11: plants has no key "col"; its keys are: row, kind`,
		"name: a\nowner:":                    "f.yaml:2:7: owner must be a text, not nothing",
		"name: a\nshed: {door: 1}":           `f.yaml:2:8: shed has no key "door"; its keys are: doors`,
		"name: a\neven: 3":                   "f.yaml:2:7: 3 is odd",
		"name: a\neven: x":                   `f.yaml:2:7: even must be a whole number from 0 to 9223372036854775807, not "x"`,
		"name: a\ncolour: red":               `f.yaml:2:9: colour must be green, not "red"`,
	} {
		err := yamlfile.Parse("f.yaml", "garden", []byte(text), &garden{})
		var wrong *yamlfile.Error
		if !errors.As(err, &wrong) || wrong.File != "f.yaml" || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestSingle(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{a: 1}":       "",
		"{}":           "1:1: x must have exactly one of: a, b",
		"{a: 1, b: 2}": "1:1: x must have exactly one of: a, b",
		"{c: 1}":       `1:2: x has no key "c"; its keys are: a, b`,
		"a":            `1:1: x must be a mapping, not "a"`,
	} {
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(text), &root); err != nil {
			t.Fatal(err)
		}
		key, value, err := yamlfile.Single(root.Content[0], "x", "a", "b")
		switch {
		case want == "" && (err != nil || key != "a" || value.Value != "1"):
			t.Errorf("%s: %s, %v, %v", text, key, value, err)
		case want != "" && (err == nil || err.Error() != ":"+want):
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

// wire is a type as the contract's are in Go.
type wire struct {
	Name     string            `json:"name"`
	Note     *string           `json:"note,omitempty"`
	Title    map[bool]string   `json:"title"` // as nullable.Nullable
	Labels   map[string]string `json:"labels"`
	Count    int               `json:"count"`
	Any      any               `json:"any"`
	Children []wire            `json:"children"`
	Kind     colour            `json:"kind"`
}

func TestValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"name: 1.10": `{"name":"1.10"}`, "name: 012": `{"name":"012"}`, "name: yes": `{"name":"yes"}`, "name: true": `{"name":"true"}`,
		"name: 0x1F": `{"name":"0x1F"}`, "name: 2026-05-18": `{"name":"2026-05-18"}`, "name: .inf": `{"name":".inf"}`, "name: 1e3": `{"name":"1e3"}`,
		"note: 1.10": `{"note":"1.10"}`, "title: 1.10": `{"title":"1.10"}`, "kind: 1.10": `{"kind":"1.10"}`,
		"labels: {a: 1.10, 012: 012}": `{"labels":{"012":"012","a":"1.10"}}`,
		"children: [{name: 1.10}]":    `{"children":[{"name":"1.10"}]}`,
		"name: ":                      `{"name":null}`, "note: null": `{"note":null}`, "name: 'null'": `{"name":"null"}`,
		"name: [1]":                           `{"name":[1]}`,
		"count: 012":                          `{"count":10}`,
		"count: 1":                            `{"count":1}`,
		"any: 1.10":                           `{"any":1.1}`,
		"any: yes":                            `{"any":"yes"}`,
		"any: 2026-05-18":                     `{"any":"2026-05-18"}`,
		"any: {2026-05-18: a, 1: b, null: c}": `{"any":{"1":"b","2026-05-18":"a","null":"c"}}`,
		"other: 1.10":                         `{"other":1.1}`,
		"\ufeffname: a\r\n":                   `{"name":"a"}`,
		"any: &a {x: 1}\nname: b\nchildren: [*a]": `{"any":{"x":1},"children":[{"x":1}],"name":"b"}`,
		"<<: {name: 1.10}\ncount: 1":              `{"count":1,"name":"1.10"}`,
		"name: !!binary aGk=":                     `{"name":"hi"}`,
		"[1, a]":                                  `[1,"a"]`,
		"a":                                       `"a"`,
	} {
		value, err := yamlfile.Value("f.yaml", []byte(text), reflect.TypeFor[wire]())
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, err := json.Marshal(value); err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
}

// bomb is a small document that means 10^9 texts.
func bomb() string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return text
}

func TestValueErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                "f.yaml: the file is empty",
		"a: b\n c: d":     "f.yaml:2: not valid YAML: mapping values are not allowed in this context",
		"a: b\n---\na: b": "f.yaml:2:1: the file must be only one document; a second one begins here",
		"{} {}":           "f.yaml: the file must be only one document",
		"a: 1\na: 2":      `f.yaml:2: not valid YAML: mapping key "a" already defined at line 1`,
		"a: [.inf]":       "f.yaml:1:5: JSON has no number .inf",
		"a: -.INF":        "f.yaml:1:4: JSON has no number -.INF",
		"count: .nan":     "f.yaml:1:8: JSON has no number .nan",
		"? [a]\n: b":      "f.yaml:1:3: a key must be a text, not a list",
		"a: &a b\n*a : c": "f.yaml:2:1: a key must be a text, not an alias",
		"a: &a [*a]":      "f.yaml: not valid YAML: anchor 'a' value contains itself",
		"a: *b":           "f.yaml: not valid YAML: unknown anchor 'b' referenced",
		bomb():            "f.yaml: not valid YAML: document contains excessive aliasing",
	} {
		_, err := yamlfile.Value("f.yaml", []byte(text), reflect.TypeFor[wire]())
		var wrong *yamlfile.Error
		if !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

// FuzzParse tests that no file makes Parse panic, and that every error names the file.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"name: 1.10\nbeds: 1\ntags: [a, b]\nplants: [{row: 1}]", "rest: {a: &a [*a]}", "? {}\n: <<", "\ufeffname: x\n---\n", "name: !!binary x", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := yamlfile.Parse("f.yaml", "garden", data, &garden{})
		var wrong *yamlfile.Error
		if err != nil && (!errors.As(err, &wrong) || wrong.File != "f.yaml" || wrong.Message == "") {
			t.Errorf("error %#v", err)
		}
	})
}

// FuzzValue tests that no file makes Value panic, and that JSON can say what it returns.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{"name: 1.10", "labels: {1: 2, <<: {a: b}}", "a: &a [*a]", "a: .inf", "? [a]\n: b", "!!float x", bomb()} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := yamlfile.Value("f.yaml", data, reflect.TypeFor[wire]())
		var wrong *yamlfile.Error
		switch {
		case err != nil && (!errors.As(err, &wrong) || wrong.File != "f.yaml" || wrong.Message == ""):
			t.Errorf("error %#v", err)
		case err == nil:
			if _, err := json.Marshal(value); err != nil {
				t.Errorf("%#v: %v", value, err)
			}
		}
	})
}
