package sqlstore

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// selectOverdue selects the sessions whose turn waits for a worker for too long.
const selectOverdue = `SELECT s.account_id, s.id FROM sessions s
	WHERE s.self_hosted = 1 AND s.turn_id <> '' AND s.status = 'idle' AND s.deleted_at IS NULL
		AND s.turn_pending LIKE '%"allowed":true%' AND s.updated_at <= $1
		AND (s.updated_at <= $2 OR NOT EXISTS (
			SELECT 1 FROM work_items w WHERE w.account_id = s.account_id AND w.session_id = s.id AND w.free_at > $1))
	ORDER BY s.updated_at LIMIT $3`

// OverdueTurns implements store.Turns.
func (s *Store) OverdueTurns(ctx context.Context, o store.Overdue, limit int) ([]store.SessionRef, error) {
	return all(ctx, s, func(row engine.Scanner) (ref store.SessionRef, err error) {
		return ref, row.Scan(&ref.Account, &ref.ID)
	}, selectOverdue, toMicros(o.UnchangedSince), toMicros(o.AnywaySince), limit)
}
