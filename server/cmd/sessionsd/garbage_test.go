package main

import (
	"runtime/debug"
	"testing"
)

// TestPauseCollector tests that the collector runs again, as before, after the last of several starts.
func TestPauseCollector(t *testing.T) {
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	percent := func() int {
		p := debug.SetGCPercent(70)
		debug.SetGCPercent(p)
		return p
	}
	first, second := pauseCollector(), pauseCollector()
	first()
	first() // again without effect
	if got := percent(); got != -1 {
		t.Errorf("%d while a server starts", got)
	}
	second()
	if got := percent(); got != 70 {
		t.Errorf("%d after the starts, want 70", got)
	}
}
