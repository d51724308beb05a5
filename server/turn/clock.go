package turn

import (
	"context"
	"time"
)

// Clock is the time as runners see it; tests replace it.
type Clock interface {
	// Sleep waits for d, or until ctx ends, and then returns its error. It does not wait for a d of 0 or less.
	Sleep(ctx context.Context, d time.Duration) error
}

// WallClock is the Clock of real time.
type WallClock struct{}

// Sleep implements Clock.
func (WallClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
