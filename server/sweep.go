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
	// sweepAfter is how long the first sweep waits, so that the first requests do not wait for it.
	sweepAfter = 250 * time.Millisecond
)

// sweep removes expired idempotency keys and files, the blobs of deleted files, the events of deleted sessions and what deleted
// memory stores held, and then the space that they took, until ctx ends. Blobs without a file are removed less often, since that
// lists all blobs.
func (s *Server) sweep(ctx context.Context) {
	tasks := []*sweepTask{
		{what: "idempotency keys", some: s.store.SweepKeys},
		{what: "expired files", some: s.store.SweepFiles},
		{what: "contents of deleted files", some: s.sweepBlobs},
		{what: "contents without a file", some: s.sweepOrphans, every: orphansEvery},
		{what: "events of deleted sessions", some: s.store.SweepEvents},
		{what: "memories of deleted memory stores", some: s.store.SweepMemories},
		{what: "turns without a worker", some: s.turns.EndOverdue},
		{what: "space of what was deleted", some: s.store.SweepSpace},
	}
	select {
	case <-ctx.Done():
		return
	case <-time.After(sweepAfter):
	}
	for ticker := time.NewTicker(sweepEvery); ; {
		for _, task := range tasks {
			if err := task.run(ctx); err != nil && ctx.Err() == nil {
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

// sweepTask is something to sweep.
type sweepTask struct {
	what string
	// some removes at most limit of it and returns how many it removed.
	some func(ctx context.Context, limit int) (int, error)
	// every is the least time between two sweeps; 0 for none.
	every time.Duration

	next time.Time
}

// run sweeps if it is time to do so. A sweep that failed is tried again the next time.
func (t *sweepTask) run(ctx context.Context) error {
	if time.Now().Before(t.next) {
		return nil
	}
	err := sweepAll(ctx, t.some)
	if err == nil {
		t.next = time.Now().Add(t.every)
	}
	return err
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
