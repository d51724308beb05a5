// Package usage counts what turns consume. It imports only math, so that the store and the runners, which know nothing of
// each other, can share its one type.
package usage

import "math"

// Usage counts tokens, and credits in hundredths. No field is negative.
type Usage struct {
	// InputTokens excludes the tokens that were read from or written to a cache.
	InputTokens, OutputTokens, CacheReadInputTokens int64
	// CacheCreation5m and CacheCreation1h are input tokens written to a cache that lives that long.
	CacheCreation5m, CacheCreation1h int64
	CreditCents                      int64
}

// Bounds are the largest values that a Usage may have in the contract.
type Bounds struct {
	// Tokens bounds each count of tokens, Cents the credits in hundredths.
	Tokens, Cents int64
}

// Add returns the sum of u and v, neither of which has negative fields. A sum that overflows is math.MaxInt64.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		InputTokens:          Sum(u.InputTokens, v.InputTokens),
		OutputTokens:         Sum(u.OutputTokens, v.OutputTokens),
		CacheReadInputTokens: Sum(u.CacheReadInputTokens, v.CacheReadInputTokens),
		CacheCreation5m:      Sum(u.CacheCreation5m, v.CacheCreation5m),
		CacheCreation1h:      Sum(u.CacheCreation1h, v.CacheCreation1h),
		CreditCents:          Sum(u.CreditCents, v.CreditCents),
	}
}

// Within returns u with each field moved to the nearest value from 0 to its bound.
func (u Usage) Within(b Bounds) Usage {
	tokens := func(n int64) int64 { return min(max(n, 0), b.Tokens) }
	return Usage{
		InputTokens:          tokens(u.InputTokens),
		OutputTokens:         tokens(u.OutputTokens),
		CacheReadInputTokens: tokens(u.CacheReadInputTokens),
		CacheCreation5m:      tokens(u.CacheCreation5m),
		CacheCreation1h:      tokens(u.CacheCreation1h),
		CreditCents:          min(max(u.CreditCents, 0), b.Cents),
	}
}

// Sum returns a + b for numbers that are not negative, or math.MaxInt64 when the sum overflows.
func Sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
