package faults_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/faults"
)

func parse(t testing.TB, text string) *faults.Plan {
	t.Helper()
	plan, err := faults.ParsePlan("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// kinds asks for faults for these requests and joins what they are; - is none.
func kinds(i *faults.Injector, operations ...string) string {
	var all []string
	for _, op := range operations {
		kind := "-"
		if f := i.Next(op); !f.None() {
			kind = f.Kind()
		}
		all = append(all, kind)
	}
	return strings.Join(all, " ")
}

func TestNext(t *testing.T) {
	t.Parallel()
	gets := slices.Repeat([]string{"getSession"}, 6)
	for name, c := range map[string]struct {
		rules    string
		requests []string
		want     string
	}{
		"all":        {"drop: before", gets, "drop_before drop_before drop_before drop_before drop_before drop_before"},
		"nth":        {"{nth: 2, drop: after}", gets, "- drop_after - - - -"},
		"every":      {"{every: 3, drop: after}", gets, "- - drop_after - - drop_after"},
		"first":      {"{first: 2, answer: {status: 503}}", gets, "answer_503 answer_503 - - - -"},
		"certain":    {"{probability: 1, cut: {}}", gets, "cut cut cut cut cut cut"},
		"operation":  {"{operations: createSession, nth: 2, drop: before}", []string{"createSession", "getSession", "createSession"}, "- - drop_before"},
		"operations": {"{operations: [createSession, getSession], nth: 2, drop: before}", []string{"createSession", "listSessions", "getSession"}, "- - drop_before"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "rules: [" + c.rules + "]"
			if !strings.HasPrefix(c.rules, "{") {
				text = "rules: [{" + c.rules + "}]"
			}
			if got := kinds(faults.NewInjector(parse(t, text)), c.requests...); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestNextOrder(t *testing.T) {
	t.Parallel()
	i := faults.NewInjector(parse(t, `
rules:
  - {nth: 2, answer: {status: 429}}
  - {every: 2, latency: 3s, drop: before}
  - latency: 1s
`))
	for n, want := range []struct {
		kind    string
		latency time.Duration
	}{{"latency", time.Second}, {"answer_429", 4 * time.Second}, {"latency", time.Second}, {"drop_before", 4 * time.Second}} {
		if f := i.Next("getAgent"); f.Kind() != want.kind || f.Latency() != want.latency {
			t.Errorf("request %d: %s after %s, want %s after %s", n+1, f.Kind(), f.Latency(), want.kind, want.latency)
		}
	}
}

func TestUse(t *testing.T) {
	t.Parallel()
	var none *faults.Injector
	if f := none.Next("getAgent"); !f.None() {
		t.Error("a nil injector injects")
	}
	var i faults.Injector
	if got := kinds(&i, "getAgent"); got != "-" {
		t.Errorf("without a plan: %s", got)
	}
	plan := parse(t, "rules: [{nth: 2, drop: before}]")
	for range 2 { // the second time counts anew
		i.Use(plan)
		if got := kinds(&i, "getAgent", "getAgent"); got != "- drop_before" {
			t.Errorf("got %s", got)
		}
	}
	i.Use(nil)
	if got := kinds(&i, "getAgent", "getAgent"); got != "- -" {
		t.Errorf("without a plan: %s", got)
	}
}

// TestRepeatable tests that the same seed and the same requests give the same faults, whatever the rules, and that
// about as many requests fail as a probability says.
func TestRepeatable(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...[]string) []string { return of[random.IntN(len(of))] }
	for range 200 {
		var rules []faults.Rule
		for range 1 + random.IntN(4) {
			rules = append(rules, faults.Rule{
				Operations:  pick(nil, []string{"getAgent"}, []string{"getSession", "getAgent"}),
				Every:       random.IntN(4),
				Probability: 0.01 + 0.98*random.Float64(),
				Latency:     1, Drop: faults.DropBefore,
			})
		}
		plan, err := faults.NewPlan(random.Uint64(), rules...)
		if err != nil {
			t.Fatal(err)
		}
		var requests []string
		for range 50 {
			requests = append(requests, pick([]string{"getAgent"}, []string{"getSession"}, []string{"listAgents"})...)
		}
		once, again := kinds(faults.NewInjector(plan), requests...), kinds(faults.NewInjector(plan), requests...)
		if once != again {
			t.Errorf("once %s\nthen %s", once, again)
		}
	}
	const requests = 10_000
	var runs []string
	for _, seed := range []int{1, 2} {
		i := faults.NewInjector(parse(t, fmt.Sprintf("seed: %d\nrules: [{probability: 0.3, drop: before}]", seed)))
		got := kinds(i, slices.Repeat([]string{"getAgent"}, requests)...)
		if n := strings.Count(got, "drop_before"); n < requests/4 || n > requests*35/100 {
			t.Errorf("seed %d: %d of %d requests fail, want about 3,000", seed, n, requests)
		}
		runs = append(runs, got)
	}
	if runs[0] == runs[1] {
		t.Error("another seed gives the same faults")
	}
}

func TestParsePlanErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                   `test.yaml: the fault file is empty`,
		"rules: [":                           `test.yaml:1: not valid YAML: did not find expected node content`,
		"rule: []":                           `test.yaml:1:1: the fault file has no key "rule"; its keys are: seed, rules`,
		"seed: 1":                            `test.yaml:1:1: the fault file needs the key "rules"`,
		"seed: -1\nrules: []":                `test.yaml:1:7: seed must be a whole number from 0 to 9223372036854775807, not the number -1`,
		"rules: {}":                          `test.yaml:1:8: rules must be a list, not a mapping`,
		"rules:\n- drop":                     `test.yaml:2:3: a rule must be a mapping, not "drop"`,
		"rules:\n- nth: 1":                   `test.yaml:2:3: a rule needs a fault: latency, answer, drop or cut`,
		"rules:\n- {status: 429}":            `test.yaml:2:4: a rule has no key "status"; its keys are: operations, nth, every, first, latency, answer, drop, cut, probability`,
		"rules:\n- {latency: 5}":             `test.yaml:2:13: latency must be a duration from 0s to 1h, such as 50ms, not the number 5`,
		"rules:\n- {drop: never}":            `test.yaml:2:10: drop must be before or after, not "never"`,
		"rules:\n- {drop: 1}":                `test.yaml:2:10: drop must be before or after, not "1"`,
		"rules:\n- {nth: 0, drop: before}":   `test.yaml:2:9: nth must be a whole number from 1 to 1000000000, not the number 0`,
		"rules:\n- {nth: 1.5, drop: before}": `test.yaml:2:9: nth must be a whole number from 1 to 1000000000, not the number 1.5`,
		"rules:\n- {nth: 1, every: 2, drop: before}":          `test.yaml:2:19: nth, every and first exclude one another`,
		"rules:\n- {probability: 30, drop: before}":           `test.yaml:2:17: probability must be a number above 0, 1 at most, not the number 30`,
		"rules:\n- {probability: .nan, drop: before}":         `test.yaml:2:17: probability must be a number above 0, 1 at most, not the number .nan`,
		"rules:\n- {drop: before, cut: {}}":                   `test.yaml:2:3: answer, drop and cut exclude one another`,
		"rules:\n- {operations: [], drop: before}":            `test.yaml:2:16: operations must not be empty; leave it out to mean every operation`,
		"rules:\n- {operations: [{}], drop: before}":          `test.yaml:2:17: operations must be a text, not a mapping`,
		"rules:\n- {nth: 012, drop: before}":                  `test.yaml:2:9: nth must be a whole number from 1 to 1000000000, not the number 012`,
		"rules:\n- {nth: 0x1F, drop: before}":                 `test.yaml:2:9: nth must be a whole number from 1 to 1000000000, not the number 0x1F`,
		"rules: []\n---\nrules: []":                           `test.yaml:2:1: the fault file must be only one document; a second one begins here`,
		"rules: []\nrules: []":                                `test.yaml:2:1: the key "rules" is already defined at line 1`,
		"\ufeffrule: []":                                      `test.yaml:1:1: the fault file has no key "rule"; its keys are: seed, rules`,
		"rules:\n- {answer: {}}":                              `test.yaml:2:12: answer needs the key "status"`,
		"rules:\n- {answer: 429}":                             `test.yaml:2:12: answer must be a mapping, not the number 429`,
		"rules:\n- {answer: {status: 99, body: html}}":        `test.yaml:2:12: status must be a whole number from 200 to 599, not 99`,
		"rules:\n- {answer: {status: 502}}":                   `test.yaml:2:12: the contract has no error for the status 502, only for 400 401 403 404 409 412 429 500 501 503; choose another body: html, broken_json or empty`,
		"rules:\n- {answer: {status: 502, body: xml}}":        `test.yaml:2:12: body must be error, html, broken_json or empty, not "xml"`,
		"rules:\n- {answer: {status: 204, body: html}}":       `test.yaml:2:12: a response with the status 204 has no body; choose body: empty`,
		"rules:\n- {answer: {status: 429, retry_after: 2}}":   `test.yaml:2:39: retry_after must be a duration from 0s to 1h, such as 50ms, not the number 2`,
		"rules:\n- {answer: {status: 429, retry_after: 1us}}": `test.yaml:2:12: retry_after must be whole milliseconds, not 1µs`,
		"rules:\n- {cut: {bytes: 1, events: 1}}":              `test.yaml:2:9: bytes and events exclude one another`,
		"rules:\n- {operations: getAgent, cut: {events: 1}}":  `test.yaml:2:31: only the operation streamEvents has events; cut after bytes`,
		"rules:\n- drop: before\n- drop: after":               `test.yaml:3:3: no request reaches this rule: an earlier rule matches them all`,
		"rules: &a [{drop: before}]":                          `test.yaml:1:8: anchors and aliases are not allowed`,
	} {
		_, err := faults.ParsePlan("test.yaml", []byte(text))
		var wrong *faults.FileError
		if !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	// A name that YAML reads as a number, a boolean or a date is named as it is spelled.
	for _, name := range []string{"createSesion", "1.10", "012", "yes", "true", "0x1F", "2026-05-18"} {
		_, err := faults.ParsePlan("test.yaml", []byte("rules:\n- {operations: "+name+", drop: before}"))
		if want := `test.yaml:2:16: the contract has no operation "` + name + `"; its operations are: ackWork, addSessionResources, archiveAgent, `; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
	if _, err := faults.LoadPlan("testdata/missing.yaml"); err == nil || !strings.HasPrefix(err.Error(), "fault file: open ") {
		t.Errorf("missing file: %v", err)
	}
}

func TestNewPlanErrors(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]faults.Rule{
		"rule 1: a rule needs a fault: latency, answer, drop or cut":             {},
		"rule 1: nth must be a whole number from 1 to 1000000000, not -1":        {Nth: -1, Drop: faults.DropAfter},
		"rule 1: probability must be a number above 0, 1 at most, not 1.5":       {Probability: 1.5, Drop: faults.DropAfter},
		"rule 1: latency must be a duration from 0s to 1h, not 2h0m0s":           {Latency: 2 * time.Hour},
		"rule 1: bytes and events must be whole numbers from 0 to 1000000000":    {Cut: &faults.Cut{Bytes: -1}},
		"rule 1: retry_after must be a duration from 0s to 1h, not -1s":          {Answer: &faults.Answer{Status: 429, RetryAfter: -time.Second}},
		"rule 1: no request reaches this rule: an earlier rule matches them all": {Operations: []string{"getAgent"}, First: 2, Drop: faults.DropAfter},
	} {
		if _, err := faults.NewPlan(0, faults.Rule{Operations: []string{"getAgent"}, Drop: faults.DropAfter}, r); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// FuzzParsePlan tests that ParsePlan never panics, says where it fails, and gives plans that can be followed.
func FuzzParsePlan(f *testing.F) {
	for _, seed := range []string{
		"seed: 7\nrules:\n- {operations: [createSession, sendEvents], first: 2, answer: {status: 429, retry_after: 2s}}",
		"rules: [{probability: 0.25, answer: {status: 502, body: html}}, {nth: 10, drop: after}, {latency: 50ms}]",
		"rules: [{operations: streamEvents, every: 3, cut: {events: 4}}, {cut: {}}]", "a: &a [*a]", "rules: [{answer: !!x 1}]", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, err := faults.ParsePlan("fuzz.yaml", data)
		if err != nil {
			var wrong *faults.FileError
			if !errors.As(err, &wrong) || wrong.File != "fuzz.yaml" || wrong.Message == "" {
				t.Errorf("error %#v", err)
			}
			return
		}
		i := faults.NewInjector(plan)
		for range 3 {
			if f := i.Next("streamEvents"); !f.None() && f.Kind() == "" {
				t.Errorf("a fault without a name: %#v", f)
			}
		}
	})
}
