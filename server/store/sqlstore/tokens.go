package sqlstore

import (
	"context"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

const selectTokens = `SELECT id, account_id, name, hash, created_at, expires_at, revoked_at FROM tokens`

func scanToken(row engine.Scanner) (t store.Token, err error) {
	err = row.Scan(&t.ID, &t.Account, &t.Name, &t.Hash,
		timeTo{&t.CreatedAt}, timeOrNilTo{&t.ExpiresAt}, timeOrNilTo{&t.RevokedAt})
	return t, err
}

// CreateToken implements store.Tokens.
func (s *Store) CreateToken(ctx context.Context, n store.NewToken) (t store.Token, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		t = store.Token{
			ID: s.newID("tok"), Account: n.Account, Name: n.Name, Hash: n.Hash,
			CreatedAt: cut(s.now()), ExpiresAt: cutOrNil(n.ExpiresAt),
		}
		return s.add(ctx, `INSERT INTO tokens (account_id, id, name, hash, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING`,
			t.Account, t.ID, t.Name, t.Hash, toMicros(t.CreatedAt), toMicrosOrNull(t.ExpiresAt))
	})
	return orZero(t, err)
}

// TokenByHash implements store.Tokens.
func (s *Store) TokenByHash(ctx context.Context, hash string) (store.Token, error) {
	return one(ctx, s, scanToken, selectTokens+` WHERE hash = $1`, hash)
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
