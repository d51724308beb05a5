package request_test

import (
	"slices"
	"testing"

	"github.com/cloud-sessions/sessions/server/request"
)

// What is to happen at a response's end happens then: at once, or when a response that continues has ended, in order.
func TestAtEnd(t *testing.T) {
	t.Parallel()
	var happened []string
	note := func(what string) func() { return func() { happened = append(happened, what) } }
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(happened, want) {
			t.Errorf("%v, want %v", happened, want)
		}
	}
	info := &request.Info{}
	info.AtEnd(note("at once"))
	expect("at once")

	var end func()
	info.Continue = func(e func()) { end = e }
	info.AtEnd(note("first"))
	info.AtEnd(note("second"))
	info.Continue(note("last"))
	expect("at once")
	end()
	expect("at once", "first", "second", "last")
}
