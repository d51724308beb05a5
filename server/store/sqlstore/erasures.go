package sqlstore

import (
	"context"
	"slices"
	"sync"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

const deleteSomeEvents = `DELETE FROM events WHERE account_id = $1 AND session_id = $2 AND position IN (
	SELECT position FROM events WHERE account_id = $1 AND session_id = $2 ORDER BY position LIMIT $3)`

// deleteSomeMemos is for the memos of those events: there are not more memos than events.
const deleteSomeMemos = `DELETE FROM event_memos WHERE account_id = $1 AND session_id = $2 AND position IN (
	SELECT position FROM event_memos WHERE account_id = $1 AND session_id = $2 ORDER BY position LIMIT $3)`

// eraseSome erases at most limit of a session's events, with their memos, and returns how many.
func (s *Store) eraseSome(ctx context.Context, account, session string, limit int) (int, error) {
	if _, err := s.exec(ctx, deleteSomeMemos, account, session, limit); err != nil {
		return 0, err
	}
	return s.exec(ctx, deleteSomeEvents, account, session, limit)
}

// erasedInSteps are the tables of a session that may have too many rows for one statement, and the orders to erase those.
var erasedInSteps = []string{"events", "event_memos", "erasures"}

// eraseStatements delete a session's rows from every table that has the columns account_id and session_id, except
// erasedInSteps.
var eraseStatements = sync.OnceValue(func() (statements []string) {
	columns := migrations.Columns()
	for _, table := range migrations.Tables() {
		of := columns[table]
		if slices.Contains(of, "account_id") && slices.Contains(of, "session_id") && !slices.Contains(erasedInSteps, table) {
			statements = append(statements, `DELETE FROM `+table+` WHERE account_id = $1 AND session_id = $2`)
		}
	}
	return statements
})

// erase erases a deleted session's rows, and the recorded responses that show it. It leaves the events and responses
// beyond one step to SweepEvents.
func (s *Store) erase(ctx context.Context, account, session string) error {
	for _, statement := range eraseStatements() {
		if err := s.soon(ctx, statement, account, session); err != nil {
			return err
		}
	}
	events, err := s.eraseSome(ctx, account, session, sweepStep)
	if err != nil {
		return err
	}
	responses, err := s.eraseResponses(ctx, account, session, sweepStep)
	if err != nil || events < sweepStep && responses < sweepStep {
		return err
	}
	return s.add(ctx, `INSERT INTO erasures (account_id, session_id) VALUES ($1, $2)`, account, session)
}

// SweepEvents erases one log after the other.
func (s *Store) SweepEvents(ctx context.Context, limit int) (int, error) {
	return s.inSteps(ctx, limit, func(ctx context.Context, limit int) (removed int, more bool, err error) {
		removed, err = s.sweepLog(ctx, limit)
		return removed, true, err
	})
}

// sweepLog erases at most limit events, and as many recorded responses, of one deleted session. It returns
// store.ErrNotFound when none are left that no other process is erasing.
func (s *Store) sweepLog(ctx context.Context, limit int) (int, error) {
	of, err := one(ctx, s, func(row engine.Scanner) (of store.SessionRef, err error) {
		return of, row.Scan(&of.Account, &of.ID)
	}, `SELECT account_id, session_id FROM erasures LIMIT 1`+s.db.SkipLocked)
	if err != nil {
		return 0, err
	}
	removed, err := s.eraseSome(ctx, of.Account, of.ID, limit)
	if err != nil {
		return 0, err
	}
	responses, err := s.eraseResponses(ctx, of.Account, of.ID, limit)
	if err != nil {
		return 0, err
	}
	_, err = s.exec(ctx, `DELETE FROM erasures WHERE account_id = $1 AND session_id = $2
		AND NOT EXISTS (SELECT 1 FROM events WHERE account_id = $1 AND session_id = $2)
		AND NOT EXISTS (SELECT 1 FROM idempotency_keys WHERE account_id = $1 AND resource_id = $2)`, of.Account, of.ID)
	return max(removed, responses), err
}

// SweepSpace implements store.Store.
func (s *Store) SweepSpace(ctx context.Context, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.calls.Done()
	if _, within := s.scopeOf(ctx); within || s.db.GiveBack == nil {
		return 0, nil
	}
	return s.db.GiveBack(ctx, limit)
}
