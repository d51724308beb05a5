package usage_test

import (
	"math"
	"testing"

	"github.com/cloud-sessions/sessions/server/usage"
)

func all(n int64) usage.Usage {
	return usage.Usage{InputTokens: n, OutputTokens: n, CacheReadInputTokens: n, CacheCreation5m: n, CacheCreation1h: n, CreditCents: n}
}

func TestAdd(t *testing.T) {
	for _, c := range [][3]int64{
		{1, 2, 3}, {0, math.MaxInt64, math.MaxInt64}, {1, math.MaxInt64, math.MaxInt64}, {math.MaxInt64, math.MaxInt64, math.MaxInt64}, {math.MaxInt64, 1, math.MaxInt64},
	} {
		if got := all(c[0]).Add(all(c[1])); got != all(c[2]) {
			t.Errorf("%d + %d = %+v", c[0], c[1], got)
		}
	}
}

func TestWithin(t *testing.T) {
	for n, want := range map[int64]int64{math.MinInt64: 0, -1: 0, 0: 0, 7: 7, 8: 7, math.MaxInt64: 7} {
		if got := all(n).Within(usage.Bounds{Tokens: 7, Cents: 7}); got != all(want) {
			t.Errorf("%d: %+v", n, got)
		}
	}
}
