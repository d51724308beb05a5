package pgengine

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// queue holds the turns of all processes on a database, in the table queued_turns. A turn's row is inserted by the
// transaction that stores the message and deleted when the turn is done. A process holds an advisory lock under the name
// that it writes into the rows of the turns that it runs, over a connection of its own: a row whose process does not hold
// it was left behind, and is dispatched again.
type queue struct {
	postgres *postgres
	bell     engine.Bell
	mu       sync.Mutex
	here     *here // nil while this process runs no turns
	// every is how often a process looks for turns that nothing has notified it of: those that were left behind, and those
	// whose notification was lost.
	every time.Duration
}

// Restore does nothing: other processes may be running the turns that are in the queue, and reclaim finds those that
// were left behind.
func (q *queue) Restore(context.Context) error { return nil }

// here are the workers of this process.
type here struct {
	name    string
	ctx     context.Context // ends when they are to stop
	workers *engine.Workers

	mu   sync.Mutex
	held map[string]bool // the ids of the rows whose turns they run, or are about to
}

// Enqueue claims the turn for a worker of this process, if one is free: then it need not be looked for. The account counts as
// served; a transaction that enqueues a turn has the account to itself, so this lock keeps nobody waiting.
func (q *queue) Enqueue(ctx context.Context, tx engine.Tx, t store.TurnRef) (engine.Enqueued, error) {
	id := rand.Text()
	if !t.Again {
		if h, reserved, ok := q.reserve(t.Session.Account); ok {
			claim := h.claim(q, id, t) // before the commit: others see the row before its outcome arrives here
			undone := func() {
				h.forget(id)
				reserved.Cancel()
			}
			err := tx.Soon(ctx, enqueueClaimed, []any{id, t.Session.Account, t.Session.ID, t.TurnID, h.name})
			if err != nil {
				undone()
				return engine.Enqueued{}, err
			}
			return engine.Enqueued{Committed: func() { reserved.Start(claim) }, Undone: undone}, nil
		}
	}
	dispatched := 0
	if t.Again {
		dispatched = 1
	}
	err := tx.Soon(ctx, enqueueTurn, []any{id, t.Session.Account, t.Session.ID, t.TurnID, dispatched})
	return engine.Enqueued{Committed: q.Wake, Waits: true}, err
}

// reserve reserves a worker of this process, if one is free.
func (q *queue) reserve(account string) (h *here, r engine.Reservation, ok bool) {
	q.mu.Lock()
	h = q.here
	q.mu.Unlock()
	if h == nil {
		return nil, r, false
	}
	r, ok = h.workers.Reserve(account)
	return h, r, ok
}

// claim returns the claim of a row that the process has written its name into, or is about to.
func (h *here) claim(q *queue, id string, t store.TurnRef) engine.Claim {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[id] = true
	return engine.Claim{Turn: t, Release: func(done bool) {
		q.release(h.ctx, id, h.name, done)
		h.forget(id)
	}}
}

// forget ends what claim began: the workers do not run the row's turn.
func (h *here) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, id)
}

// now is the database's time in microseconds since 1970: processes' clocks differ.
const now = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

const enqueueTurn = `INSERT INTO queued_turns (id, account_id, session_id, turn_id, queued_at, dispatched)
	VALUES ($1, $2, $3, $4, ` + now + `, $5)`

const enqueueClaimed = `WITH served AS (
		INSERT INTO served_accounts (account_id, served_at) VALUES ($2, ` + now + `)
		ON CONFLICT (account_id) DO UPDATE SET served_at = excluded.served_at
	)
	INSERT INTO queued_turns (id, account_id, session_id, turn_id, queued_at, worker, dispatched)
	VALUES ($1, $2, $3, $4, ` + now + `, $5, 1)`

// Depth implements engine.Queue.
func (q *queue) Depth(ctx context.Context) (waiting int, oldest time.Duration, err error) {
	const count = `SELECT count(*), COALESCE(` + now + ` - min(queued_at), 0) FROM queued_turns WHERE worker = ''`
	err = q.postgres.Read(ctx, engine.Query{Text: count}, func(row engine.Scanner) error {
		var micros int64
		err := row.Scan(&waiting, &micros)
		oldest = max(time.Duration(micros)*time.Microsecond, 0)
		return err
	})
	return waiting, oldest, err
}

// Wake implements engine.Queue.
func (q *queue) Wake() { q.bell.Ring() }

// turnsEvery is queue.every outside of tests.
const turnsEvery = time.Second

// Work implements engine.Queue.
func (q *queue) Work(ctx context.Context, workers int, work func(context.Context, store.TurnRef) bool) error {
	name := "worker_" + rand.Text()
	var others sync.WaitGroup
	defer others.Wait()
	held := make(chan struct{})
	holding, letGo := context.WithCancel(context.WithoutCancel(ctx)) // until the last turn is left
	defer letGo()
	others.Go(func() { hold(holding, q.postgres.kept, name, sync.OnceFunc(func() { close(held) })) })
	select {
	case <-held:
	case <-ctx.Done():
		return nil
	}
	h := &here{name: name, ctx: ctx, held: map[string]bool{}}
	h.workers = &engine.Workers{Count: workers, Bell: &q.bell, Every: q.every, Work: work, Next: func(ctx context.Context, full []string, most int) ([]engine.Claim, error) {
		return q.claim(ctx, h, full, most)
	}}
	others.Go(func() { q.reclaimAll(ctx, h) })
	q.become(nil, h)
	defer q.become(h, nil)
	h.workers.Run(ctx)
	return nil
}

// become has others be the workers of this process, if was are; nil for any.
func (q *queue) become(was, others *here) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if was == nil || q.here == was {
		q.here = others
	}
}

// claim claims the next turns for a process, if there are some.
func (q *queue) claim(ctx context.Context, h *here, full []string, most int) (claims []engine.Claim, err error) {
	if full == nil {
		full = []string{}
	}
	// When the outcome of the commit is unknown, forgotten finds the turns.
	type row struct {
		id   string
		turn store.TurnRef
	}
	var claimed []row
	err = q.postgres.hastily(ctx, engine.Step{
		Query: engine.Query{Text: claimTurn, Args: []any{full, h.name, most}},
		Each: func(scanned engine.Scanner) error {
			var r row
			var dispatched int
			err := scanned.Scan(&r.id, &r.turn.Session.Account, &r.turn.Session.ID, &r.turn.TurnID, &dispatched)
			r.turn.Again = dispatched > 1
			claimed = append(claimed, r)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	for _, r := range claimed {
		claims = append(claims, h.claim(q, r.id, r.turn))
	}
	return claims, nil
}

// release takes a turn that is done out of the queue, and makes another one wait again, unless another process has
// reclaimed it. It tries until it succeeds or ctx has ended: then the turn is left behind.
func (q *queue) release(ctx context.Context, id, name string, done bool) {
	statement := `UPDATE queued_turns SET worker = '' WHERE id = $1 AND worker = $2`
	if done {
		statement = `DELETE FROM queued_turns WHERE id = $1 AND worker = $2`
	}
	for {
		step := engine.Step{Query: engine.Query{Text: statement, Args: []any{id, name}}}
		err := q.postgres.hastily(context.WithoutCancel(ctx), step)
		if err == nil || ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(q.every):
		}
	}
}

// claimTurn finds the accounts with waiting turns, one after the other along the index, and claims the oldest turn of each
// of those that were served longest ago. Turns that another process claims at the same time are passed over. Accounts are
// marked in the order of their ids, so that two processes do not deadlock.
const claimTurn = `WITH RECURSIVE waiting (account_id) AS (
		(SELECT account_id FROM queued_turns WHERE worker = '' ORDER BY account_id LIMIT 1)
		UNION ALL
		SELECT (SELECT q.account_id FROM queued_turns q WHERE q.worker = '' AND q.account_id > w.account_id
			ORDER BY q.account_id LIMIT 1)
		FROM waiting w WHERE w.account_id IS NOT NULL
	), next AS MATERIALIZED (
		SELECT q.id, q.account_id
		FROM (SELECT w.account_id FROM waiting w LEFT JOIN served_accounts s USING (account_id)
			WHERE w.account_id <> ALL ($1) ORDER BY s.served_at NULLS FIRST) AS accounts
		CROSS JOIN LATERAL (SELECT t.id, t.account_id FROM queued_turns t
			WHERE t.worker = '' AND t.account_id = accounts.account_id
			ORDER BY t.queued_at, t.id LIMIT 1 FOR UPDATE SKIP LOCKED) AS q
		LIMIT $3
	), served AS (
		INSERT INTO served_accounts (account_id, served_at) SELECT account_id, ` + now + ` FROM next ORDER BY account_id
		ON CONFLICT (account_id) DO UPDATE SET served_at = excluded.served_at
	)
	UPDATE queued_turns t SET worker = $2, dispatched = t.dispatched + 1 FROM next WHERE t.id = next.id
	RETURNING t.id, t.account_id, t.session_id, t.turn_id, t.dispatched`

// reclaimAll reclaims turns until ctx ends.
func (q *queue) reclaimAll(ctx context.Context, h *here) {
	suspects := map[string]bool{}
	for {
		found, _ := q.reclaim(ctx) // it is tried again soon
		forgotten := q.forgotten(ctx, h, suspects)
		if found || forgotten {
			q.bell.Ring()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(q.every):
		}
	}
}

// reclaim makes the turns wait again whose process is gone, and enqueues strays: turns that are running without a row. It
// reports whether it found any.
func (q *queue) reclaim(ctx context.Context) (found bool, err error) {
	err = q.postgres.Transact(ctx, func(tx engine.Tx) error {
		reclaimed, err := tx.Exec(ctx, reclaimTurns, []any{lockID})
		if err != nil {
			return err
		}
		var strays []store.TurnRef
		err = tx.Query(ctx, engine.Query{Text: selectStrays}, func(row engine.Scanner) error {
			t, err := engine.ScanTurn(row)
			t.Again = true
			strays = append(strays, t)
			return err
		})
		if err != nil {
			return err
		}
		for _, t := range strays {
			if _, err := q.Enqueue(ctx, tx, t); err != nil {
				return err
			}
		}
		found = reclaimed+len(strays) > 0
		return nil
	})
	return found, err
}

const reclaimTurns = `UPDATE queued_turns SET worker = ''
	WHERE worker IN (SELECT worker FROM (SELECT DISTINCT worker FROM queued_turns WHERE worker <> '' OFFSET 0) AS workers
		WHERE pg_try_advisory_xact_lock(hashtextextended(worker, $1)))`

// forgotten makes those turns wait again that have this process's name but that it does not run, as after a commit whose
// outcome it does not know. They had its name the last time, too: suspects are those that it has found once. It reports whether
// it found any.
func (q *queue) forgotten(ctx context.Context, h *here, suspects map[string]bool) (found bool) {
	var named []string
	err := q.postgres.Read(ctx, engine.Query{Text: `SELECT id FROM queued_turns WHERE worker = $1`, Args: []any{h.name}}, func(row engine.Scanner) error {
		var id string
		err := row.Scan(&id)
		named = append(named, id)
		return err
	})
	if err != nil {
		return false
	}
	before := maps.Clone(suspects)
	clear(suspects)
	for _, id := range named {
		switch {
		case h.holds(id):
		case before[id]:
			q.release(ctx, id, h.name, false)
			found = true
		default:
			suspects[id] = true
		}
	}
	return found
}

// holds reports whether the workers run the turn of a row, or are about to.
func (h *here) holds(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held[id]
}

const selectStrays = engine.SelectBusy + ` AND NOT EXISTS (SELECT 1 FROM queued_turns q
		WHERE q.account_id = sessions.account_id AND q.session_id = sessions.id AND q.turn_id = sessions.turn_id)
	LIMIT 100 FOR UPDATE SKIP LOCKED`

// hold holds the advisory lock of a name until ctx ends, over a connection of its own; when that is lost, over another
// one. It calls held each time that it has acquired the lock.
func hold(ctx context.Context, k *keeper, name string, held func()) {
	k.keep(ctx, "the lock of workers", func(ctx context.Context, conn *pgx.Conn) error {
		err := within(ctx, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended($1, $2))`, name, lockID)
			return err
		})
		if err != nil {
			return err
		}
		held()
		for {
			if _, err := next(ctx, conn, listenCheck); err != nil && !errors.Is(err, errSilent) {
				return err
			}
			if err := within(ctx, conn.Ping); err != nil {
				return err
			}
		}
	}, nil)
}
