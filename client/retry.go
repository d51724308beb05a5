package client

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// The wait before the next attempt.
const (
	firstWait   = 500 * time.Millisecond
	longestWait = 8 * time.Second
	// jitter is the largest part of a wait that is omitted at random.
	jitter = 0.25
	// patience is the longest wait that a server may ask for.
	patience = time.Minute
)

// clock is where time and chance come from.
type clock struct {
	now func() time.Time
	// sleep waits for d or until ctx is done, and then returns its error.
	sleep func(ctx context.Context, d time.Duration) error
	// random returns a number in [0, 1).
	random func() float64
}

// systemClock is the real one.
func systemClock() clock {
	return clock{now: time.Now, sleep: sleep, random: rand.Float64}
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// retryable reports whether another attempt is harmless and may succeed, after a response or, if resp is nil, without
// one.
func retryable(req *http.Request, resp *response, err error) bool {
	if req.Body != nil && req.GetBody == nil {
		return false
	}
	harmless := req.Method == http.MethodGet || req.Method == http.MethodHead || req.Header.Get("Idempotency-Key") != ""
	if resp == nil {
		var untrusted *tls.CertificateVerificationError
		return harmless && !errors.As(err, &untrusted) && !isPermanent(err)
	}
	if resp.status < 400 || resp.status == http.StatusConflict {
		return false
	}
	switch resp.header.Get("X-Should-Retry") {
	case "true":
		return true
	case "false":
		return false
	}
	switch resp.status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusRequestTimeout:
		return harmless
	}
	return harmless && resp.status >= 500
}

// Permanent marks an error of a [Middleware], or of the body of a response that it passes on, as one that another attempt
// would return again: the call, or the stream, ends with it. It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

// permanent is an error that no retry avoids.
type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

// isPermanent reports whether err was marked.
func isPermanent(err error) bool {
	var p *permanent
	return errors.As(err, &p)
}

// wait returns how long to wait before attempt n+1, counted from 1, and whether that is worth it: it is not when the
// server asks for more than patience or the context ends earlier.
func (c clock) wait(ctx context.Context, n int, resp *response) (time.Duration, bool) {
	d := min(firstWait<<min(n-1, 4), longestWait)
	d -= time.Duration(jitter * c.random() * float64(d))
	if resp != nil {
		if asked, ok := retryAfter(resp.header, c.now()); ok {
			d = asked
		}
	}
	deadline, ok := ctx.Deadline()
	return d, d <= patience && (!ok || c.now().Add(d).Before(deadline))
}

// retryAfter returns the wait that a server asks for, never negative, and whether it asks for one.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	if d, ok := amount(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d, true
	}
	raw := h.Get("Retry-After")
	if d, ok := amount(raw, time.Second); ok {
		return d, true
	}
	if at, err := http.ParseTime(raw); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// amount reads a number of units, at most a year of them.
func amount(s string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, false
	}
	const year = 365 * 24 * time.Hour
	return time.Duration(min(n*float64(unit), float64(year))), true
}
