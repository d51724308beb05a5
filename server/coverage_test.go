package server_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests. If all of them ran, it fails for a status that the contract declares for an operation and that
// no test has received.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && completeRun() {
		if missing := unseen(); len(missing) > 0 {
			fmt.Printf("FAIL: the contract declares responses that no test has received; write a test for each: %s\n", strings.Join(missing, ", "))
			code = 1
		}
		if err := goleak.Find(goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")); err != nil {
			fmt.Println("FAIL:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// completeRun reports whether all tests run: none is excluded by -run, -skip, -list, -bench or fuzzing.
func completeRun() bool {
	return !slices.ContainsFunc(os.Args[1:], func(arg string) bool {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimLeft(arg, "-"), "test."), "=")
		return slices.Contains([]string{"run", "skip", "list", "fuzz", "bench", "fuzzworker"}, name) && value != "" && value != "^$"
	})
}

// unseen returns the operations' declared statuses that no test has received.
func unseen() []string {
	doc, err := document()
	if err != nil {
		return []string{err.Error()}
	}
	var missing []string
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for code := range op.Responses.Map() {
				if pair := op.OperationID + " " + code; !seen.pairs[pair] {
					missing = append(missing, pair)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}
