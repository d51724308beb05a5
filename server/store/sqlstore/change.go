package sqlstore

import (
	"context"
	"math"

	"github.com/cloud-sessions/sessions/server/store"
)

// changed calls change with the row locked and returns what change makes of it; change stores that itself. A
// store.MissingError when the row does not exist.
func changed[T any](ctx context.Context, s *Store, r rows[T], account, id string, change func(ctx context.Context, v *T) error) (v T, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		if err := s.lock(ctx, r.table, account, id, s.db.ForUpdate); err != nil {
			return err
		}
		if v, err = get(ctx, s, r, account, id); err != nil {
			return err
		}
		return change(ctx, &v)
	})
	return orZero(v, err)
}

// lock locks a row, if it exists, with the database's ForUpdate or ForShare.
//
// The row is read by a later statement of its own: a statement that waited for a lock may join the row's current
// version with earlier versions of other tables' rows.
func (s *Store) lock(ctx context.Context, table, account, id, clause string) error {
	if clause == "" {
		return nil
	}
	return s.soon(ctx, `SELECT 1 FROM `+table+` WHERE account_id = $1 AND id = $2`+clause, account, id)
}

// hide deletes a row of a table whose rows are never removed, and erases the recorded responses that show it.
func (s *Store) hide(ctx context.Context, table, account, id string) error {
	_, err := s.exec(ctx, `UPDATE `+table+` SET deleted_at = $1 WHERE account_id = $2 AND id = $3`,
		toMicros(s.now()), account, id)
	if err != nil {
		return err
	}
	_, err = s.eraseResponses(ctx, account, id, math.MaxInt32)
	return err
}

// takesNoChanges is the error of changing a resource that is archived.
func takesNoChanges(noun store.Noun, id string) error {
	return &store.StateError{Noun: noun, ID: id, Reason: "is archived and takes no changes."}
}
