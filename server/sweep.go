package server

import (
	"context"
	"time"
)

// The sweeper removes a few rows in each transaction, so that writers hardly wait for it.
const (
	sweepEvery = time.Minute
	sweepBatch = 200
)

// sweep removes expired idempotency keys and the events of deleted sessions, until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	for ticker := time.NewTicker(sweepEvery); ; {
		for what, some := range map[string]func(context.Context, int) (int, error){
			"idempotency keys": s.store.SweepKeys, "events of deleted sessions": s.store.SweepEvents,
		} {
			if err := sweepAll(ctx, some); err != nil && ctx.Err() == nil {
				s.log.Warn(what+" not swept", "error", err)
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
