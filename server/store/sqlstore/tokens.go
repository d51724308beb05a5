package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

const selectTokens = `SELECT id, account_id, name, hash, created_at, expires_at, revoked_at, environment_id FROM tokens`

func scanToken(row engine.Scanner) (t store.Token, err error) {
	err = row.Scan(&t.ID, &t.Account, &t.Name, &t.Hash,
		timeTo{&t.CreatedAt}, timeOrNilTo{&t.ExpiresAt}, timeOrNilTo{&t.RevokedAt}, &t.Scope.EnvironmentID)
	return t, err
}

// CreateToken implements store.Tokens.
func (s *Store) CreateToken(ctx context.Context, n store.NewToken) (t store.Token, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		t = store.Token{
			ID: s.newID("tok"), Account: n.Account, Name: n.Name, Hash: n.Hash,
			CreatedAt: cut(s.now()), ExpiresAt: cutOrNil(n.ExpiresAt), Scope: store.TokenScope{EnvironmentID: n.EnvironmentID},
		}
		return s.add(ctx, `INSERT INTO tokens (account_id, id, name, hash, created_at, expires_at, environment_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (hash) DO NOTHING`,
			t.Account, t.ID, t.Name, t.Hash, toMicros(t.CreatedAt), toMicrosOrNull(t.ExpiresAt), n.EnvironmentID)
	})
	return orZero(t, err)
}

// TokenByHash implements store.Tokens.
func (s *Store) TokenByHash(ctx context.Context, hash string) (store.Token, error) {
	t, err := one(ctx, s, scanToken, selectTokens+` WHERE hash = $1`, hash)
	if errors.Is(err, store.ErrNotFound) {
		return s.deliveryToken(ctx, hash)
	}
	return t, err
}

// selectDelivery finds the work item whose latest or previous delivery came with a token.
const selectDelivery = `SELECT account_id, id, environment_id, session_id, state, created_at, free_at, token_hash FROM work_items
	WHERE token_hash = $1 AND token_hash <> '' OR last_token_hash = $1 AND last_token_hash <> '' LIMIT 1`

// deliveryToken returns the token of a delivery of a work item, or store.ErrNotFound.
func (s *Store) deliveryToken(ctx context.Context, hash string) (store.Token, error) {
	if hash == "" {
		return store.Token{}, store.ErrNotFound
	}
	return one(ctx, s, func(row engine.Scanner) (store.Token, error) {
		t := store.Token{Hash: hash}
		var w store.WorkItem
		err := row.Scan(&t.Account, &t.ID, &t.Scope.EnvironmentID, &t.Scope.SessionID, (*string)(&w.State), timeTo{&t.CreatedAt},
			timeOrNilTo{&w.Lease.FreeAt}, &w.Lease.Token)
		w.Lapse(cut(s.now()))
		t.Scope.WorkID, t.Scope.Ended = t.ID, w.Lease.Token != hash
		return t, err
	}, selectDelivery, hash)
}

// ListTokens implements store.Tokens.
func (s *Store) ListTokens(ctx context.Context, account string) ([]store.Token, error) {
	const newestFirst = ` ORDER BY created_at DESC, id DESC`
	if account == "" {
		return all(ctx, s, scanToken, selectTokens+newestFirst)
	}
	return all(ctx, s, scanToken, selectTokens+` WHERE account_id = $1`+newestFirst, account)
}

// ExtendToken implements store.Tokens.
func (s *Store) ExtendToken(ctx context.Context, id string, expiresAt time.Time) (t store.Token, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		_, err := s.exec(ctx, `UPDATE tokens SET expires_at = $1 WHERE id = $2`, toMicros(expiresAt), id)
		if err != nil {
			return err
		}
		t, err = one(ctx, s, scanToken, selectTokens+` WHERE id = $1`, id)
		return missing(err, store.MissingError{Noun: store.NounToken, ID: id})
	})
	return orZero(t, err)
}

// RevokeToken implements store.Tokens.
func (s *Store) RevokeToken(ctx context.Context, id string) (t store.Token, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		_, err := s.exec(ctx, `UPDATE tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL`,
			toMicros(s.now()), id)
		if err != nil {
			return err
		}
		t, err = one(ctx, s, scanToken, selectTokens+` WHERE id = $1`, id)
		if err != nil {
			return missing(err, store.MissingError{Noun: store.NounToken, ID: id})
		}
		return s.notify(ctx, note{Revoked: true})
	})
	if err == nil {
		err = s.db.Revocations.Add()
	}
	return orZero(t, err)
}

// Revocations implements store.Tokens.
func (s *Store) Revocations() int64 { return s.db.Revocations.Number() }
