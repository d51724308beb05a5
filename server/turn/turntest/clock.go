package turntest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/turn"
)

// Clock is a turn.Clock that records the durations instead of waiting. The zero value is ready;
// it is safe for concurrent use.
type Clock struct {
	mu    sync.Mutex
	slept []time.Duration
}

var _ turn.Clock = (*Clock)(nil)

// Sleep returns ctx's error at once.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, d)
	return ctx.Err()
}

// Slept returns a copy of the durations that Sleep was given, oldest first.
func (c *Clock) Slept() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.slept)
}
