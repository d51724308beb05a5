package sqlstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func scanKey(row engine.Scanner) (r store.RecordedKey, err error) {
	var body string
	var erased int
	err = row.Scan(&r.Account, &r.Value, &r.Request, &r.Fingerprint, &r.Response.Status, &r.Response.ContentType,
		&r.Response.Resource, &body, &r.Response.Reference, &erased)
	r.Response.Body, r.Erased = []byte(body), erased != 0
	return r, err
}

// ClaimKey claims with one statement, which takes over every row that counts as absent: one that has reached
// KeyLifetime, and one without a status, left by a transaction that committed without RecordResponse. So a claim
// never outlives its transaction.
//
// While another transaction holds the key, the statement waits: in SQLite for the one writer, in PostgreSQL for the
// row.
func (s *Store) ClaimKey(ctx context.Context, k store.Key) (recorded *store.RecordedKey, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		now := s.now()
		claimed, err := s.exec(ctx, `INSERT INTO idempotency_keys (account_id, key, request, fingerprint, created_at)
			VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account_id, key) DO UPDATE SET request = excluded.request, fingerprint = excluded.fingerprint,
				status = NULL, content_type = '', resource_id = '', body = '', reference = '', erased = 0, size = 0,
				created_at = excluded.created_at
			WHERE idempotency_keys.status IS NULL OR idempotency_keys.created_at <= $6`,
			k.Account, k.Value, k.Request, k.Fingerprint, toMicros(now), toMicros(now.Add(-store.KeyLifetime)))
		if err != nil || claimed == 1 {
			return err
		}
		found, err := one(ctx, s, scanKey, `SELECT account_id, key, request, fingerprint, status, content_type,
				resource_id, body, reference, erased
			FROM idempotency_keys WHERE account_id = $1 AND key = $2`, k.Account, k.Value)
		recorded = &found
		return err
	})
	return orZero(recorded, err)
}

// keyOverhead is what a row of idempotency_keys occupies beyond its texts, indexes included, in bytes.
const keyOverhead = 256

// RecordResponse returns store.ErrNotFound when the key is not claimed, or claimed for another fingerprint.
func (s *Store) RecordResponse(ctx context.Context, k store.Key, r store.RecordedResponse) error {
	return s.Atomically(ctx, func(ctx context.Context) error {
		size := keyOverhead + len(k.Account) + len(k.Value) + len(k.Request) + len(k.Fingerprint) +
			len(r.ContentType) + len(r.Resource) + len(r.Body) + len(r.Reference)
		recorded, err := s.exec(ctx, `UPDATE idempotency_keys
			SET status = $1, content_type = $2, resource_id = $3, body = $4, reference = $5, size = $6, created_at = $7
			WHERE account_id = $8 AND key = $9 AND fingerprint = $10 AND status IS NULL`,
			r.Status, r.ContentType, r.Resource, string(r.Body), r.Reference, size, toMicros(s.now()),
			k.Account, k.Value, k.Fingerprint)
		if err == nil && recorded == 0 {
			err = store.ErrNotFound
		}
		return err
	})
}

const selectKeyBytes = `SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM idempotency_keys WHERE account_id = $1`

// KeyBytes implements store.Keys. The sum is read from an index.
func (s *Store) KeyBytes(ctx context.Context, account string) (int64, error) {
	scan := func(row engine.Scanner) (sum int64, err error) { return sum, row.Scan(&sum) }
	return one(ctx, s, scan, selectKeyBytes, account)
}

// Secret implements store.Keys.
func (s *Store) Secret(ctx context.Context, name string) (secret []byte, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		var fresh [32]byte
		_, _ = rand.Read(fresh[:]) // never fails: crypto/rand aborts the program instead
		if _, err := s.exec(ctx, `INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`,
			name, hex.EncodeToString(fresh[:])); err != nil {
			return err
		}
		value, err := one(ctx, s, scanID, `SELECT value FROM secrets WHERE name = $1`, name)
		if err != nil {
			return err
		}
		secret, err = hex.DecodeString(value)
		return err
	})
	return orZero(secret, err)
}

const eraseSomeResponses = `UPDATE idempotency_keys
	SET erased = 1, size = size - octet_length(body), resource_id = '', body = '', reference = ''
	WHERE account_id = $1 AND key IN (
		SELECT key FROM idempotency_keys WHERE account_id = $1 AND resource_id = $2 LIMIT $3)`

// eraseResponses erases at most limit of the responses that show a resource, and returns how many it erased. Their keys
// stay, so that a repeat of the request has no effect.
func (s *Store) eraseResponses(ctx context.Context, account, resource string, limit int) (int, error) {
	return s.exec(ctx, eraseSomeResponses, account, resource, limit)
}

// deleteOldKeys skips keys that other transactions claim or sweep.
func deleteOldKeys(skipLocked string) string {
	return `DELETE FROM idempotency_keys WHERE (account_id, key) IN (
		SELECT account_id, key FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2` + skipLocked + `)`
}

// SweepKeys removes the oldest keys first.
func (s *Store) SweepKeys(ctx context.Context, limit int) (int, error) {
	before := toMicros(s.now().Add(-store.KeyLifetime))
	return s.inSteps(ctx, limit, func(ctx context.Context, limit int) (removed int, more bool, err error) {
		removed, err = s.exec(ctx, deleteOldKeys(s.db.SkipLocked), before, limit)
		return removed, removed == limit, err
	})
}
