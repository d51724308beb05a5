package contractcheck

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The elements of JUnit's XML, as CI systems read it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitFailure `xml:"failure"`
		Skipped *junitSkipped `xml:"skipped"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr,omitempty"`
	}
)

// WriteJUnit writes the report as JUnit's XML: a suite for each operation, and in it a test for each check. Characters that
// XML cannot have are replaced.
func (r *Conformance) WriteJUnit(w io.Writer) error {
	all := junitSuites{Name: "contract", Tests: r.Score.Passed + r.Score.Failed + r.Score.Unchecked, Failures: r.Score.Failed, Skipped: r.Score.Unchecked}
	for _, res := range r.Operations {
		suite := junitSuite{Name: res.Operation, Tests: len(res.Checks)}
		for _, c := range res.Checks {
			one := junitCase{Class: "contract." + res.Operation, Name: c.Check}
			switch c.Verdict {
			case Drifts:
				suite.Failures++
				one.Failure = res.failure(c)
			case Unchecked:
				suite.Skipped++
				one.Skipped = &junitSkipped{Message: c.Reason}
			}
			suite.Cases = append(suite.Cases, one)
		}
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// failure describes the violations of a check.
func (r *Result) failure(c *CheckResult) *junitFailure {
	var lines []string
	for _, v := range r.Violations {
		if v.Check == c.Check {
			lines = append(lines, fmt.Sprintf("%s %s: %s", v.Method, v.Path, v.Error()))
		}
	}
	message := fmt.Sprintf("%d violations", len(lines))
	if len(lines) == 1 {
		message = "1 violation"
	}
	return &junitFailure{Message: message, Text: strings.Join(lines, "\n")}
}
