package api

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDecisionsExist tests that every decision that a comment or a document of the module refers to has its
// heading in decisions.md.
func TestDecisionsExist(t *testing.T) {
	headings := decisionHeadings(t)
	files := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(name, ".") && name != ".." || name == "node_modules"):
			return filepath.SkipDir
		case !slices.Contains([]string{".go", ".yaml", ".yml", ".md"}, filepath.Ext(name)), name == "decisions_test.go":
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, finding := range danglingDecisions(string(text), headings) {
			t.Errorf("%s: %s", path, finding)
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%v after %d files", err, files)
	}
}

func TestDanglingDecisionsAreFound(t *testing.T) {
	headings := []string{"Status", "Archive"}
	for text, want := range map[string]int{
		`// table is everything (decisions "Status", "Archive").`:         0,
		`// table is everything (decisions "Status" and "Delete").`:       1,
		"\t// a session (decision\n\t// \"Stat us\").":                    1,
		"\t// a session (decision \"Sta\n\t// tus\").":                    1,
		"# a session (decision\n      # \"Status\")":                      0,
		"a session (decisions \"Archive\", \"Status\",\n\"Archives\").":   1,
		"// Prefix starts every token (api-facts 1.2).":                   1,
		`// It is a decision. "Not this one" is.`:                         0,
		"| keys | (decision \"status\"), (decision \"Idempotency\") |":    2,
		"// The decision \"Status\" holds for archived sessions as well.": 0,
	} {
		if got := danglingDecisions(text, headings); len(got) != want {
			t.Errorf("%q: got %q, want %d findings", text, got, want)
		}
	}
}

// decisionHeadings returns the headings of decisions.md; each is there once.
func decisionHeadings(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("decisions.md")
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for _, match := range regexp.MustCompile(`(?m)^###? (.+)$`).FindAllStringSubmatch(string(text), -1) {
		if slices.Contains(headings, match[1]) {
			t.Errorf("decisions.md: two headings %q", match[1])
		}
		headings = append(headings, match[1])
	}
	return headings
}

var (
	lineBreak = regexp.MustCompile(`\s*\n\s*(//|#)?\s*`) // and the sign of a comment that goes on
	reference = regexp.MustCompile(`\bdecisions? ("[^"]*"(?:(?:,|,? and) "[^"]*")*)`)
	quoted    = regexp.MustCompile(`"([^"]*)"`)
)

// danglingDecisions returns a finding for each reference in a text to a heading that does not exist.
func danglingDecisions(text string, headings []string) (findings []string) {
	text = lineBreak.ReplaceAllString(text, " ")
	for _, match := range reference.FindAllStringSubmatch(text, -1) {
		for _, heading := range quoted.FindAllStringSubmatch(match[1], -1) {
			if !slices.Contains(headings, heading[1]) {
				findings = append(findings, fmt.Sprintf("api/decisions.md has no heading %q; refer to another one or record the decision", heading[1]))
			}
		}
	}
	if strings.Contains(text, "api-facts") {
		findings = append(findings, "api-facts is not in the repository; refer to a decision of api/decisions.md")
	}
	return findings
}
