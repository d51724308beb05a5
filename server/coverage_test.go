package server_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, then, when all of them ran, asks that every operation was seen with every
// status that the contract declares for it.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && wholeRun() {
		if missing := unseen(); len(missing) > 0 {
			fmt.Printf("FAIL: never answered, though the contract declares it: %s\n", strings.Join(missing, ", "))
			code = 1
		}
		if err := goleak.Find(goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")); err != nil {
			fmt.Println("FAIL:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// wholeRun reports whether nothing was left out by -run, -skip, -list, -bench or fuzzing.
func wholeRun() bool {
	return !slices.ContainsFunc(os.Args[1:], func(arg string) bool {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimLeft(arg, "-"), "test."), "=")
		return slices.Contains([]string{"run", "skip", "list", "fuzz", "bench", "fuzzworker"}, name) && value != "" && value != "^$"
	})
}

// unseen lists the operations' declared statuses that no test has met.
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

// TestEveryOperationFailsWell breaks the database under each operation, and leaves out the token.
func TestEveryOperationFailsWell(t *testing.T) {
	h := start(t)
	requests := exampleRequests(t)
	for name, r := range requests {
		r.token = "-"
		if got := refusalOf(h.do(r)); got.Status != 401 || got.Type != "authentication_error" {
			t.Errorf("%s without a token: %+v", name, got)
		}
	}
	for name, r := range requests {
		if !strings.Contains(r.path, "/") {
			t.Errorf("%s: %s", name, r.path)
		}
		if strings.Count(r.path, "/") == 2 {
			bad := r
			bad.path = r.path + "-"
			if got := refusalOf(h.do(bad)); got.Status != 400 || !strings.HasSuffix(got.Param, "_id") {
				t.Errorf("%s with a malformed id: %+v", name, got)
			}
		}
	}
	if err := h.server.Close(); err != nil {
		t.Fatal(err)
	}
	want := refusal{500, "api_error", "", "The server failed to answer. Try again with the same idempotency key."}
	for name, r := range requests {
		if got := refusalOf(h.do(r)); got != want {
			t.Errorf("%s without a database: %+v", name, got)
		}
	}
	if log := h.log.String(); !strings.Contains(log, "request failed") || strings.Contains(log, aliceToken) {
		t.Errorf("log: %s", log)
	}
}

// exampleRequests has a request for each operation, made of the contract's own examples.
func exampleRequests(t *testing.T) map[string]request {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	requests := map[string]request{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			r := request{method: method, path: path}
			for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
				if p := ref.Value; p.In == "path" {
					r.path = strings.ReplaceAll(r.path, "{"+p.Name+"}", fmt.Sprint(p.Example))
				}
			}
			if op.RequestBody != nil {
				r.body = exampleBody(t, op.RequestBody.Value.Content["application/json"])
			}
			requests[op.OperationID] = r
		}
	}
	return requests
}
