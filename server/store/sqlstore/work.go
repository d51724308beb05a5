package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

const selectWork = `SELECT r.id, r.environment_id, r.session_id, r.state, r.metadata, r.created_at, r.acknowledged_at, r.started_at,
		r.heartbeat_at, r.stop_requested_at, r.stopped_at, r.token_hash, r.worker, r.previous_heartbeat_at, r.by_token, r.ttl, r.free_at
	FROM work_items r`

// workRows reads work items as they are now.
func (s *Store) workRows() rows[store.WorkItem] {
	return rows[store.WorkItem]{
		noun: store.NounWork, table: "work_items", selection: selectWork,
		scan: func(row engine.Scanner) (store.WorkItem, error) {
			w, err := scanWork(row)
			w.Lapse(cut(s.now()))
			return w, err
		},
		size: func(w *store.WorkItem) int { return mapSize(w.Metadata) + rowOverhead },
	}
}

func scanWork(row engine.Scanner) (w store.WorkItem, err error) {
	var byToken, ttl int64
	err = row.Scan(&w.ID, &w.EnvironmentID, &w.SessionID, (*string)(&w.State), fromJSON{&w.Metadata}, timeTo{&w.CreatedAt},
		timeOrNilTo{&w.AcknowledgedAt}, timeOrNilTo{&w.StartedAt}, timeOrNilTo{&w.HeartbeatAt}, timeOrNilTo{&w.StopRequestedAt},
		timeOrNilTo{&w.StoppedAt}, &w.Lease.Token, &w.Lease.Worker, timeOrNilTo{&w.Lease.PreviousAt}, &byToken, &ttl,
		timeOrNilTo{&w.Lease.FreeAt})
	w.Lease.ByToken, w.Lease.TTL = byToken != 0, time.Duration(ttl)*time.Microsecond
	return w, err
}

// GetWork implements store.Work.
func (s *Store) GetWork(ctx context.Context, account, environment, id string) (store.WorkItem, error) {
	w, err := one(ctx, s, s.workRows().scan, selectWork+` WHERE r.account_id = $1 AND r.id = $2 AND (r.environment_id = $3) IS TRUE`, account, id, environment)
	return w, missing(err, store.MissingError{Noun: store.NounWork, ID: id})
}

// ListWork implements store.Work.
func (s *Store) ListWork(ctx context.Context, account, environment string, page store.Page) (store.List[store.WorkItem], error) {
	cursor, err := placeOf(ctx, s, "work_items", account, page.Cursor)
	if err != nil {
		return store.List[store.WorkItem]{Items: []store.WorkItem{}}, err
	}
	return listFrom(ctx, s, s.workRows(), workIn(account, environment), byAge, cursor, page)
}

// workIn returns a filter that matches the environment's work items.
func workIn(account, environment string) *filter {
	f := &filter{account: account}
	f.and("r.account_id = " + f.bind(account))
	f.and("r.environment_id = " + f.bind(environment))
	return f
}

// selectLapsed finds an item whose lease has ended.
const selectLapsed = `SELECT id FROM work_items WHERE account_id = $1 AND environment_id = $2
	AND state IN ('starting', 'active', 'stopping') AND free_at <= $3 LIMIT 1`

// selectDeliverable finds the item that is delivered next.
const selectDeliverable = `SELECT r.id, r.token_hash FROM work_items r WHERE r.account_id = $1 AND r.environment_id = $2 AND r.state = 'queued'
	AND r.not_before <= $3 AND (r.delivered_at IS NULL OR r.delivered_at <= $4)
	AND NOT EXISTS (SELECT 1 FROM work_items o WHERE o.account_id = r.account_id AND o.session_id = r.session_id
		AND o.state = 'stopping' AND o.free_at > $3)
	ORDER BY r.queued_at, r.id LIMIT 1`

// deliverable is an item that is delivered next, with the token of its latest delivery.
type deliverable struct{ id, token string }

func scanDeliverable(row engine.Scanner) (d deliverable, err error) {
	return d, row.Scan(&d.id, &d.token)
}

// PollWork looks for an item before it begins a transaction: most polls find none.
func (s *Store) PollWork(ctx context.Context, account, environment string, p store.Poll) (*store.WorkItem, error) {
	if err := s.polled(ctx, account, environment, p.Worker); err != nil {
		return nil, err
	}
	if err := s.releaseLapsed(ctx, account, environment); err != nil {
		return nil, err
	}
	now := cut(s.now())
	args := []any{account, environment, toMicros(now), toMicros(p.DeliveredBefore)}
	if found, err := all(ctx, s, scanDeliverable, selectDeliverable, args...); err != nil || len(found) == 0 {
		return nil, err
	}
	var delivered *store.WorkItem
	err := s.Atomically(ctx, func(ctx context.Context) error {
		found, err := all(ctx, s, scanDeliverable, selectDeliverable+s.db.SkipLocked, args...)
		if err != nil || len(found) == 0 {
			return err
		}
		if _, err := s.exec(ctx, `UPDATE work_items SET last_token_hash = CASE WHEN token_hash = '' THEN last_token_hash ELSE token_hash END,
				token_hash = $1, worker = $2, delivered_at = $3
			WHERE account_id = $4 AND id = $5`, p.Token, p.Worker, toMicros(now), account, found[0].id); err != nil {
			return err
		}
		if found[0].token != "" {
			if err := s.tokensEnded(ctx); err != nil {
				return err
			}
		}
		w, err := s.GetWork(ctx, account, environment, found[0].id)
		delivered = &w
		return err
	})
	return orZero(delivered, err)
}

// lapsedAtOnce bounds the items that one poll releases.
const lapsedAtOnce = 16

// releaseLapsed stores that the leases of items have ended: then they are queued again, or stopped.
func (s *Store) releaseLapsed(ctx context.Context, account, environment string) error {
	for range lapsedAtOnce {
		found, err := all(ctx, s, scanID, selectLapsed, account, environment, toMicros(s.now()))
		if err != nil || len(found) == 0 {
			return err
		}
		_, err = s.UpdateWork(ctx, account, environment, found[0], func(*store.WorkItem) error { return nil })
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// UpdateWork locks the session first, as a change of the session does.
func (s *Store) UpdateWork(ctx context.Context, account, environment, id string, change func(*store.WorkItem) error) (w store.WorkItem, err error) {
	err = s.Atomically(ctx, func(ctx context.Context) error {
		w, err = s.GetWork(ctx, account, environment, id)
		if err != nil {
			return err
		}
		if err := s.lock(ctx, "sessions", account, w.SessionID, s.db.ForUpdate); err != nil {
			return err
		}
		if err := s.lock(ctx, "work_items", account, id, s.db.ForUpdate); err != nil {
			return err
		}
		old, err := one(ctx, s, scanWork, selectWork+` WHERE r.account_id = $1 AND r.id = $2`, account, id)
		if err != nil { // it was erased
			return missing(err, store.MissingError{Noun: store.NounWork, ID: id})
		}
		w = old
		w.Lapse(cut(s.now()))
		if err := change(&w); err != nil {
			return err
		}
		if err := s.setWork(ctx, account, old, &w); err != nil {
			return err
		}
		w, err = s.GetWork(ctx, account, environment, id)
		return err
	})
	return orZero(w, err)
}

// setWork stores an item that was old. The session of an item that was stopped gets a new one, if it still runs or waits.
func (s *Store) setWork(ctx context.Context, account string, old store.WorkItem, w *store.WorkItem) error {
	stopped := w.State == store.WorkStopped && old.State != store.WorkStopped
	if stopped {
		w.Lease = store.WorkLease{}
	}
	if w.Metadata = orEmpty(w.Metadata); workText(old) == workText(*w) {
		return nil
	}
	_, err := s.exec(ctx, `UPDATE work_items SET state = $1, metadata = $2, acknowledged_at = $3, started_at = $4, heartbeat_at = $5,
			stop_requested_at = $6, stopped_at = $7, token_hash = $8, worker = $9, previous_heartbeat_at = $10, by_token = $11, ttl = $12, free_at = $13
		WHERE account_id = $14 AND id = $15`,
		string(w.State), toJSON(w.Metadata), toMicrosOrNull(w.AcknowledgedAt), toMicrosOrNull(w.StartedAt), toMicrosOrNull(w.HeartbeatAt),
		toMicrosOrNull(w.StopRequestedAt), toMicrosOrNull(w.StoppedAt), w.Lease.Token, w.Lease.Worker, toMicrosOrNull(w.Lease.PreviousAt),
		toFlag(w.Lease.ByToken), w.Lease.TTL.Microseconds(), toMicrosOrNull(w.Lease.FreeAt), account, w.ID)
	if err != nil {
		return err
	}
	if old.Lease.Token != "" && w.Lease.Token == "" {
		if err := s.soon(ctx, `UPDATE work_items SET last_token_hash = $1 WHERE account_id = $2 AND id = $3`, old.Lease.Token, account, w.ID); err != nil {
			return err
		}
		if err := s.tokensEnded(ctx); err != nil {
			return err
		}
	}
	switch {
	case w.State == store.WorkQueued && old.State != store.WorkQueued:
		if err := s.soon(ctx, `UPDATE work_items SET queued_at = $1, delivered_at = NULL WHERE account_id = $2 AND id = $3`,
			toMicros(s.now()), account, w.ID); err != nil {
			return err
		}
		return s.workQueued(ctx, account, w.EnvironmentID)
	case stopped:
		session, err := s.GetSession(ctx, account, w.SessionID)
		if err == nil && needsWork(session) {
			err = s.queueWork(ctx, account, session, cut(s.now()).Add(store.RequeueDelay))
		}
		return err
	}
	return nil
}

// workText is an item in a form that is equal when nothing has changed.
func workText(w store.WorkItem) string { return toJSON(w) }

// toFlag is how a condition is stored.
func toFlag(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// needsWork reports whether a session needs a live work item: it runs, or waits for a tool.
func needsWork(v store.Session) bool {
	return v.SelfHosted && v.ArchivedAt == nil && (v.Status.Busy() || len(v.Turn.Pending) > 0)
}

// queueWork queues an item for a locked session, unless the session has one that is live. It is delivered at notBefore at
// the earliest.
func (s *Store) queueWork(ctx context.Context, account string, v store.Session, notBefore time.Time) error {
	live, err := all(ctx, s, scanID, `SELECT id FROM work_items WHERE account_id = $1 AND session_id = $2
		AND state IN ('queued', 'starting', 'active') LIMIT 1`, account, v.ID)
	if err != nil || len(live) > 0 {
		return err
	}
	now := toMicros(s.now())
	if err := s.add(ctx, `INSERT INTO work_items (account_id, id, environment_id, session_id, state, metadata, created_at, queued_at, not_before)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		account, s.newID("work"), v.EnvironmentID, v.ID, string(store.WorkQueued), toJSON(orEmpty(v.Metadata)), now, now, toMicros(notBefore)); err != nil {
		return err
	}
	return s.workQueued(ctx, account, v.EnvironmentID)
}

// stopWork stops the work items of an archived session; a worker that has one is asked to stop.
func (s *Store) stopWork(ctx context.Context, account, session string) error {
	now := toMicros(s.now())
	if err := s.soon(ctx, `UPDATE work_items SET state = 'stopped', stopped_at = $1, last_token_hash = token_hash, token_hash = ''
		WHERE account_id = $2 AND session_id = $3 AND state = 'queued'`, now, account, session); err != nil {
		return err
	}
	if err := s.soon(ctx, `UPDATE work_items SET state = 'stopping', stop_requested_at = $1
		WHERE account_id = $2 AND session_id = $3 AND state IN ('starting', 'active')`, now, account, session); err != nil {
		return err
	}
	return s.tokensEnded(ctx)
}

// tokensEnded makes every process read tokens again once ctx's transaction has committed.
func (s *Store) tokensEnded(ctx context.Context) error {
	s.afterCommit(ctx, func() { _ = s.db.Revocations.Add() }) // if it fails, tokens are read again within a second
	return s.notify(ctx, note{Revoked: true})
}

// polledAgain is how long after a poll the next one of the same worker is not recorded.
const polledAgain = 5 * time.Second

// polled records that a worker polls.
func (s *Store) polled(ctx context.Context, account, environment, worker string) error {
	key, now := [3]string{account, environment, worker}, s.now()
	if worker == "" {
		return nil
	}
	if last, ok := s.pollers.Get(key); ok && now.Sub(last) < polledAgain && !now.Before(last) {
		return nil
	}
	err := s.Atomically(ctx, func(ctx context.Context) error {
		if err := s.soon(ctx, `DELETE FROM work_pollers WHERE account_id = $1 AND environment_id = $2 AND polled_at < $3`,
			account, environment, toMicros(now.Add(-store.PollerLifetime-polledAgain))); err != nil {
			return err
		}
		_, err := s.exec(ctx, `INSERT INTO work_pollers (account_id, environment_id, worker, polled_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account_id, environment_id, worker) DO UPDATE SET polled_at = excluded.polled_at`,
			account, environment, worker, toMicros(now))
		return err
	})
	if err == nil {
		s.pollers.Add(key, now, 1)
	}
	return err
}

// countWork counts what a poll can deliver, what was delivered, and finds the oldest.
const countWork = `SELECT count(CASE WHEN not_before <= $3 AND (delivered_at IS NULL OR delivered_at <= $4) THEN 1 END),
		count(delivered_at), min(queued_at)
	FROM work_items WHERE account_id = $1 AND environment_id = $2 AND state = 'queued'`

// WorkStats implements store.Work.
func (s *Store) WorkStats(ctx context.Context, account, environment string) (store.WorkStats, error) {
	now := cut(s.now())
	stats, err := one(ctx, s, func(row engine.Scanner) (w store.WorkStats, err error) {
		return w, row.Scan(&w.Depth, &w.Pending, timeOrNilTo{&w.OldestQueuedAt})
	}, countWork, account, environment, toMicros(now), toMicros(now.Add(-store.DefaultReclaim)))
	if err != nil {
		return store.WorkStats{}, err
	}
	count := func(row engine.Scanner) (n int, err error) { return n, row.Scan(&n) }
	lapsed, err := one(ctx, s, count, `SELECT count(*) FROM work_items WHERE account_id = $1 AND environment_id = $2
		AND state IN ('starting', 'active') AND free_at <= $3`, account, environment, toMicros(now))
	if err != nil {
		return store.WorkStats{}, err
	}
	stats.Depth += lapsed
	stats.Pollers, err = one(ctx, s, count, `SELECT count(*) FROM work_pollers WHERE account_id = $1 AND environment_id = $2 AND polled_at > $3`,
		account, environment, toMicros(now.Add(-store.PollerLifetime-polledAgain)))
	return orZero(stats, err)
}
