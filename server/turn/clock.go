package turn

import (
	"context"
	"time"
)

// Clock is the time as runners see it; tests put their own in its place.
type Clock interface {
	// Sleep waits for d, or until ctx ends, and then returns its error. A d of 0 or less does not wait.
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
