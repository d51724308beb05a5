// Package usage counts what turns consume. It imports nothing, so that the store and the runners, which know nothing of
// each other, can share its one type.
package usage

// Usage counts tokens, and credits in hundredths. No field is negative.
type Usage struct {
	// InputTokens excludes the tokens that were read from or written to a cache.
	InputTokens, OutputTokens, CacheReadInputTokens int64
	// CacheCreation5m and CacheCreation1h are input tokens written to a cache that lives that long.
	CacheCreation5m, CacheCreation1h int64
	CreditCents                      int64
}

// Add returns the sum of u and v.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		InputTokens:          u.InputTokens + v.InputTokens,
		OutputTokens:         u.OutputTokens + v.OutputTokens,
		CacheReadInputTokens: u.CacheReadInputTokens + v.CacheReadInputTokens,
		CacheCreation5m:      u.CacheCreation5m + v.CacheCreation5m,
		CacheCreation1h:      u.CacheCreation1h + v.CacheCreation1h,
		CreditCents:          u.CreditCents + v.CreditCents,
	}
}
