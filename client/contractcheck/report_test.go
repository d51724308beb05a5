package contractcheck_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/client/contractcheck"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestChecksHaveASource tests that each check names where its rule is written.
func TestChecksHaveASource(t *testing.T) {
	t.Parallel()
	decisions, err := os.ReadFile("../../api/decisions.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range contractcheck.Checks() {
		if seen[c.Name] || c.Proves == "" || c.Source != "contract" && !strings.Contains(string(decisions), "\n### "+c.Source+"\n") {
			t.Errorf("%+v", c)
		}
		seen[c.Name] = true
		if !slices.ContainsFunc(variants(), func(v variant) bool { return v.check == c.Name }) {
			t.Errorf("no variant breaks %s", c.Name)
		}
	}
}

// TestSelection tests what a run tries when operations and checks are selected.
func TestSelection(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, open)
	report, err := contractcheck.Run(t.Context(), s.Client(), contractcheck.Options{Only: []string{"getMemory", "listMemories", "examples", "paging", "head"}, Skip: []string{"head"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, r := range report.Operations {
		for _, c := range r.Checks {
			got[r.Operation] = append(got[r.Operation], c.Check)
		}
	}
	want := map[string][]string{"getMemory": {"examples"}, "listMemories": {"examples", "paging"}}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !report.Conforms() || report.Score.Percent != 100 || report.Score.Passed != 3 {
		t.Errorf("%+v %v", report.Score, report.Violations())
	}
	before := len(s.Requests())
	for _, o := range []contractcheck.Options{{Only: []string{"page"}}, {Skip: []string{"getmemory"}}} {
		report, err := contractcheck.Run(t.Context(), s.Client(), o)
		if unknown, ok := errors.AsType[*contractcheck.UnknownNameError](err); !ok || report != nil || !strings.Contains(err.Error(), unknown.Name) {
			t.Errorf("%v: %v", o, err)
		}
	}
	if sent := len(s.Requests()) - before; sent != 0 {
		t.Errorf("%d requests were sent for a name that is unknown", sent)
	}
	_, err = contractcheck.DryRun(contractcheck.Options{Only: []string{"getmemory"}})
	if err == nil || !strings.HasSuffix(err.Error(), "did you mean getMemory or getMemoryStore or getMemoryVersion") {
		t.Errorf("%v", err)
	}
}

// TestDryRun tests that a run that reads creates nothing; TestOurServerConforms tests what a complete one creates.
func TestDryRun(t *testing.T) {
	t.Parallel()
	if planned, err := contractcheck.DryRun(contractcheck.Options{ReadOnly: true}); len(planned) > 0 || err != nil {
		t.Errorf("%v %v", planned, err)
	}
}

// TestJUnit tests that the report as JUnit's XML has each check, with what it has found.
func TestJUnit(t *testing.T) {
	t.Parallel()
	report := &contractcheck.Conformance{
		Score: contractcheck.Score{Passed: 1, Failed: 1, Unchecked: 1, Percent: 50},
		Operations: []*contractcheck.Result{{
			Operation: "getAgent",
			Checks: []*contractcheck.CheckResult{
				{Check: "responses", Verdict: contractcheck.Drifts, Violations: 1},
				{Check: "head", Verdict: contractcheck.Conforms},
				{Check: "paging", Verdict: contractcheck.Unchecked, Reason: "the list is <empty>"},
			},
			Violations: []*contractcheck.Violation{{Check: "responses", Operation: "getAgent", Method: "GET", Path: "/agents/a", Status: 200, Rule: "type", Reason: "a \x00 & <b>"}},
		}},
	}
	var out bytes.Buffer
	if err := report.WriteJUnit(&out); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string  `xml:"name,attr"`
				Failure *string `xml:"failure"`
				Skipped *struct {
					Message string `xml:"message,attr"`
				} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	cases := read.Suites[0].Cases
	if read.Tests != 3 || read.Failures != 1 || read.Suites[0].Name != "getAgent" || len(cases) != 3 {
		t.Fatalf("%s", &out)
	}
	if cases[0].Failure == nil || !strings.Contains(*cases[0].Failure, "GET /agents/a") || cases[1].Failure != nil || cases[1].Skipped != nil || cases[2].Skipped.Message != "the list is <empty>" {
		t.Errorf("%s", &out)
	}
}
