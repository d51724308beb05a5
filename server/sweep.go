package server

import (
	"context"
	"time"
)

// The sweeper removes a few rows in each transaction, so that writers hardly wait for it. What was deleted is gone from the
// database's files within a minute, even when it takes the sweeper a second attempt.
const (
	sweepEvery = 20 * time.Second
	sweepBatch = 200
)

// sweep removes expired idempotency keys, the events of deleted sessions and what deleted memory stores held, and then the space that they took, until
// ctx ends.
func (s *Server) sweep(ctx context.Context) {
	tasks := []struct {
		what string
		some func(ctx context.Context, limit int) (int, error)
	}{
		{"idempotency keys", s.store.SweepKeys},
		{"events of deleted sessions", s.store.SweepEvents},
		{"memories of deleted memory stores", s.store.SweepMemories},
		{"turns without a worker", s.turns.EndOverdue},
		{"space of what was deleted", s.store.SweepSpace},
	}
	for ticker := time.NewTicker(sweepEvery); ; {
		for _, task := range tasks {
			if err := sweepAll(ctx, task.some); err != nil && ctx.Err() == nil {
				s.log.Warn(task.what+" not swept", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
	}
}

// sweepAll calls some until nothing is left to sweep.
func sweepAll(ctx context.Context, some func(ctx context.Context, limit int) (int, error)) error {
	for {
		n, err := some(ctx, sweepBatch)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
