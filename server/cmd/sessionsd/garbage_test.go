package main

import (
	"runtime/debug"
	"testing"
)

// TestPauseCollector tests that the collector runs again after the last of several starts: as GOGC says, or else with the
// server's own setting.
func TestPauseCollector(t *testing.T) {
	for gogc, want := range map[string]int{"70": 70, "": collectorPercent} {
		testPauseCollector(t, gogc, want)
	}
}

func testPauseCollector(t *testing.T, gogc string, want int) {
	t.Setenv("GOGC", gogc)
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
	if got := percent(); got != want {
		t.Errorf("%d after the starts, want %d", got, want)
	}
}
