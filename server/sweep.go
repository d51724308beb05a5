package server

import (
	"context"
	"time"
)

// How the sweeper works: a few rows in each transaction, so that writers hardly wait for it.
const (
	sweepEvery = time.Minute
	sweepBatch = 200
)

// sweep removes expired idempotency keys until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	for ticker := time.NewTicker(sweepEvery); ; {
		if err := s.sweepKeys(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("idempotency keys not swept", "error", err)
		}
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
	}
}

// sweepKeys removes the keys that have expired by now.
func (s *Server) sweepKeys(ctx context.Context) error {
	for {
		n, err := s.store.SweepKeys(ctx, sweepBatch)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
