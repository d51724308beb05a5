package sqlstore

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// keyRow is a row of idempotency_keys with a response.
type keyRow struct {
	fingerprint string
	response    store.RecordedResponse
}

func scanKeyRow(row engine.Scanner) (r keyRow, err error) {
	var body string
	err = row.Scan(&r.fingerprint, &r.response.Status, &r.response.ContentType, &body)
	r.response.Body = []byte(body)
	return r, err
}

// ClaimKey claims with one statement, which takes over every row that counts as absent: one that has reached
// KeyLifetime, and one without a status, left by a transaction that committed without RecordResponse. So a claim
// never outlives its transaction.
//
// While another transaction holds the key, the statement waits: in SQLite for the one writer, in PostgreSQL for the
// row.
func (s *Store) ClaimKey(ctx context.Context, k store.Key) (response *store.RecordedResponse, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		now := s.now()
		claimed, err := s.exec(ctx, `INSERT INTO idempotency_keys (account_id, key, fingerprint, created_at)
			VALUES ($1, $2, $3, $4)
			ON CONFLICT (account_id, key) DO UPDATE SET fingerprint = excluded.fingerprint,
				status = NULL, content_type = '', body = '', created_at = excluded.created_at
			WHERE idempotency_keys.status IS NULL OR idempotency_keys.created_at <= $5`,
			k.Account, k.Value, k.Fingerprint, toMicros(now), toMicros(now.Add(-store.KeyLifetime)))
		if err != nil || claimed == 1 {
			return err
		}
		recorded, err := one(ctx, s, scanKeyRow, `SELECT fingerprint, status, content_type, body
			FROM idempotency_keys WHERE account_id = $1 AND key = $2`, k.Account, k.Value)
		if err == nil && recorded.fingerprint != k.Fingerprint {
			err = store.ErrKeyReused
		}
		response = &recorded.response
		return err
	})
	return orZero(response, err)
}

// RecordResponse returns store.ErrNotFound when the key is not claimed, or claimed for another fingerprint.
func (s *Store) RecordResponse(ctx context.Context, k store.Key, r store.RecordedResponse) error {
	return s.Atomically(ctx, func(ctx context.Context) error {
		recorded, err := s.exec(ctx, `UPDATE idempotency_keys
			SET status = $1, content_type = $2, body = $3, created_at = $4
			WHERE account_id = $5 AND key = $6 AND fingerprint = $7 AND status IS NULL`,
			r.Status, r.ContentType, string(r.Body), toMicros(s.now()), k.Account, k.Value, k.Fingerprint)
		if err == nil && recorded == 0 {
			err = store.ErrNotFound
		}
		return err
	})
}

// sweepStep is how many rows one transaction removes at most for a sweep: some milliseconds of work.
const sweepStep = 100

// deleteOldKeys skips keys that other transactions claim or sweep.
func deleteOldKeys(skipLocked string) string {
	return `DELETE FROM idempotency_keys WHERE (account_id, key) IN (
		SELECT account_id, key FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2` + skipLocked + `)`
}

// SweepKeys removes the oldest keys first, each step in a transaction of its own. When a step fails, the steps before
// it have taken effect.
func (s *Store) SweepKeys(ctx context.Context, limit int) (int, error) {
	removed, before := 0, toMicros(s.now().Add(-store.KeyLifetime))
	for removed < limit {
		step, swept := min(limit-removed, sweepStep), 0
		err := s.Atomically(ctx, func(ctx context.Context) (err error) {
			swept, err = s.exec(ctx, deleteOldKeys(s.db.SkipLocked), before, step)
			return err
		})
		if err != nil {
			return removed, err
		}
		removed += swept
		if swept < step {
			break
		}
	}
	return removed, nil
}
