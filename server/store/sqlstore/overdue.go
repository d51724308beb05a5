package sqlstore

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// selectOverdue selects the sessions whose turn waits for a worker for too long. A poll is recorded polledAgain late at
// most.
const selectOverdue = `SELECT account_id, id, workers FROM (
		SELECT s.account_id, s.id, s.updated_at,
			CASE WHEN EXISTS (SELECT 1 FROM work_items w WHERE w.account_id = s.account_id AND w.environment_id = s.environment_id
					AND w.state IN ('starting', 'active', 'stopping') AND w.free_at > $1)
				OR EXISTS (SELECT 1 FROM work_pollers p WHERE p.account_id = s.account_id AND p.environment_id = s.environment_id
					AND p.polled_at > $3)
			THEN 1 ELSE 0 END AS workers
		FROM sessions s
		WHERE s.self_hosted = 1 AND s.turn_id <> '' AND s.status = 'idle' AND s.deleted_at IS NULL
			AND s.turn_pending LIKE '%"allowed":true%' AND s.updated_at <= $1
	) waiting
	WHERE updated_at <= $2 OR workers = 0
	ORDER BY updated_at LIMIT $4`

// OverdueTurns implements store.Turns.
func (s *Store) OverdueTurns(ctx context.Context, o store.Overdue, limit int) ([]store.OverdueTurn, error) {
	return all(ctx, s, func(row engine.Scanner) (turn store.OverdueTurn, err error) {
		var workers int64
		err = row.Scan(&turn.Session.Account, &turn.Session.ID, &workers)
		turn.Workers = workers != 0
		return turn, err
	}, selectOverdue, toMicros(o.UnchangedSince), toMicros(o.AnywaySince), toMicros(o.UnchangedSince.Add(-polledAgain)), limit)
}
