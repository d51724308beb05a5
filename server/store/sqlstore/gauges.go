package sqlstore

import (
	"context"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// Pool implements store.Gauges.
func (s *Store) Pool() store.Pool { return s.db.Pool() }

// selectQueuedWork counts the work items that wait, and finds when the oldest one began to. An index has them.
const selectQueuedWork = `SELECT COUNT(*), COALESCE(MIN(queued_at), 0) FROM work_items WHERE state = 'queued'`

// Queues implements store.Gauges.
func (s *Store) Queues(ctx context.Context) ([]store.Queue, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	turns, work := store.Queue{Kind: "turns"}, store.Queue{Kind: "work"}
	var err error
	if turns.Waiting, turns.Oldest, err = s.db.Queue.Depth(ctx); err != nil {
		return nil, err
	}
	since, err := one(ctx, s, func(row engine.Scanner) (micros int64, err error) { return micros, row.Scan(&work.Waiting, &micros) }, selectQueuedWork)
	if work.Waiting > 0 {
		work.Oldest = max(s.now().Sub(time.UnixMicro(since)), 0)
	}
	return []store.Queue{turns, work}, err
}
