package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

const selectMemos = `SELECT event_id, memo FROM event_memos
	WHERE account_id = $1 AND session_id = $2 AND position > $3 ORDER BY position DESC LIMIT $4`

// ListMemos looks for the session last, as ListEvents does.
func (s *Store) ListMemos(ctx context.Context, account, session string, after int64) (map[string]json.RawMessage, error) {
	memos, there := map[string]json.RawMessage{}, false
	q := engine.Query{Text: selectMemos, Args: []any{account, session, after, store.MaxMemos}}
	err := s.pipeline(ctx, engine.Step{Query: q, Each: func(row engine.Scanner) error {
		var id string
		var memo json.RawMessage
		err := row.Scan(&id, fromJSON{&memo})
		memos[id] = memo
		return err
	}}, sessionStep(&there, account, session))
	if err == nil && !there {
		err = missing(store.ErrNotFound, store.MissingError{Noun: store.NounSession, ID: session})
	}
	return orZero(memos, err)
}
