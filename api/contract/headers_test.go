package contract

import (
	"slices"
	"testing"
)

// The lists have what browser apps use of each kind: a header of one operation, and one of an error.
func TestHeadersOfTheContract(t *testing.T) {
	t.Parallel()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Idempotency-Key", "Last-Event-Id", "Range"} {
		if !slices.Contains(c.RequestHeaders(), name) {
			t.Errorf("the requests lack %s: %q", name, c.RequestHeaders())
		}
	}
	for _, name := range []string{"X-Request-Id", "Retry-After", "Idempotent-Replayed", "Content-Range"} {
		if !slices.Contains(c.ResponseHeaders(), name) {
			t.Errorf("the responses lack %s: %q", name, c.ResponseHeaders())
		}
	}
}
