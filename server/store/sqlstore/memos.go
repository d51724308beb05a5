package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func (s *Store) addMemo(ctx context.Context, account string, e store.Event, memo json.RawMessage) error {
	return s.add(ctx, `INSERT INTO event_memos (account_id, session_id, position, event_id, memo) VALUES ($1, $2, $3, $4, $5)`,
		account, e.SessionID, e.Position, e.ID, string(memo))
}

const selectMemos = `SELECT event_id, memo FROM event_memos
	WHERE account_id = $1 AND session_id = $2 AND position > $3 ORDER BY position DESC LIMIT $4`

// ListMemos looks for the session last, as ListEvents does.
func (s *Store) ListMemos(ctx context.Context, account, session string, after int64) (map[string]json.RawMessage, error) {
	memos := map[string]json.RawMessage{}
	q := engine.Query{Text: selectMemos, Args: []any{account, session, after, store.MaxMemos}}
	err := s.query(ctx, q, func(row engine.Scanner) error {
		var id string
		var memo json.RawMessage
		err := row.Scan(&id, fromJSON{&memo})
		memos[id] = memo
		return err
	})
	if sessionErr := s.checkSession(ctx, account, session); sessionErr != nil {
		return nil, sessionErr
	}
	return orZero(memos, err)
}
