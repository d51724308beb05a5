package panics_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/internal/panics"
)

func explode() error { panic("out of luck") }

func TestToError(t *testing.T) {
	var panicked *panics.Error
	if err := panics.ToError(explode); !errors.As(err, &panicked) {
		t.Fatal(err)
	}
	if panicked.Value != "out of luck" || panicked.Error() != "panic: out of luck" {
		t.Errorf("%v: %v", panicked.Value, panicked)
	}
	if !strings.Contains(string(panicked.Stack), "explode") {
		t.Errorf("the stack does not name the function that panicked:\n%s", panicked.Stack)
	}
	failure := errors.New("some failure")
	for _, want := range []error{nil, failure} {
		if err := panics.ToError(func() error { return want }); err != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
