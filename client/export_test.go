package client

import (
	"context"
	"net/http"
	"time"
)

// WithClock replaces time and chance.
func WithClock(now func() time.Time, sleep func(context.Context, time.Duration) error, random func() float64) Option {
	return func(c *config) error {
		c.clock = clock{now, sleep, random}
		return nil
	}
}

// Retryable is the retry rule for a request without an idempotency key.
func Retryable(method string, status int, err error) bool {
	var resp *response
	if err == nil {
		resp = &response{status: status}
	}
	return retryable(&http.Request{Method: method}, resp, err)
}
