package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/cloud-sessions/sessions/server/store"
)

// turnArgs is a turn as a job of river.
type turnArgs struct {
	Account string `json:"account"`
	Session string `json:"session"`
	Turn    string `json:"turn"`
}

// Kind implements river.JobArgs.
func (turnArgs) Kind() string { return turnKind }

const (
	turnKind  = "turn"
	turnQueue = "turns"
)

// pgQueue is the line of turns of all processes on a database: jobs of river, which are put in line by the
// transaction that stores the message. Who works holds an advisory lock under the name that river knows it by, over a
// connection of its own: a job whose worker holds none was left behind, and is handed out again.
type pgQueue struct {
	pool      *pgxpool.Pool
	unhurried *pgx.ConnConfig
	inserts   *river.Client[pgx.Tx]
}

func newPGQueue(pool *pgxpool.Pool, unhurried *pgx.ConnConfig) (*pgQueue, error) {
	inserts, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	return &pgQueue{pool: pool, unhurried: unhurried, inserts: inserts}, err
}

// migrate brings river's own tables up to date. It must be called under the lock of the schema.
func (q *pgQueue) migrate(ctx context.Context) error {
	config := q.pool.Config()
	config.ConnConfig, config.MaxConns = q.unhurried, 1
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// push puts a turn in line, in a transaction.
func (q *pgQueue) push(ctx context.Context, tx *pgTx, t store.TurnRef) error {
	return tx.lend(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := q.inserts.InsertTx(ctx, tx, turnArgs{t.Session.Account, t.Session.ID, t.TurnID}, &river.InsertOpts{
			Queue: turnQueue, MaxAttempts: maxHandOuts,
		})
		return err
	})
}

// maxHandOuts is as often as a turn can be handed out: as often as river can count.
const maxHandOuts = 32767

// errAgain tells river to hand a turn out again.
var errAgain = errors.New("handed back")

// turnWorker gives river's jobs to work.
type turnWorker struct {
	river.WorkerDefaults[turnArgs]
	work func(context.Context, store.TurnRef) bool
}

// Work implements river.Worker.
func (w *turnWorker) Work(ctx context.Context, job *river.Job[turnArgs]) error {
	done := w.work(ctx, store.TurnRef{
		Session: store.SessionRef{Account: job.Args.Account, ID: job.Args.Session}, TurnID: job.Args.Turn, Again: job.Attempt > 1,
	})
	if !done {
		return errAgain
	}
	return nil
}

// NextRetry implements river.Worker.
func (w *turnWorker) NextRetry(*river.Job[turnArgs]) time.Time { return time.Now() }

// Timeout implements river.Worker: a turn may take as long as it takes.
func (w *turnWorker) Timeout(*river.Job[turnArgs]) time.Duration { return -1 }

// work hands out turns until ctx ends.
func (q *pgQueue) work(ctx context.Context, workers int, work func(context.Context, store.TurnRef) bool, reclaim func(context.Context) error) error {
	all := river.NewWorkers()
	river.AddWorker(all, &turnWorker{work: work})
	name := newID("worker")
	client, err := river.NewClient(riverpgxv5.New(q.pool), &river.Config{
		ID:                          name,
		Queues:                      map[string]river.QueueConfig{turnQueue: {MaxWorkers: workers}},
		Workers:                     all,
		Logger:                      slog.New(slog.DiscardHandler),
		FetchCooldown:               10 * time.Millisecond,
		FetchPollInterval:           time.Second,
		JobTimeout:                  -1,
		RescueStuckJobsAfter:        100 * 365 * 24 * time.Hour, // reclaim knows better
		CompletedJobRetentionPeriod: 10 * time.Minute,
	})
	if err != nil {
		return err
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	held := make(chan struct{})
	holding, letGo := context.WithCancel(context.WithoutCancel(ctx)) // until the last turn is left
	defer letGo()
	beside.Go(func() { pgHold(holding, q.unhurried, name, sync.OnceFunc(func() { close(held) })) })
	select {
	case <-held:
	case <-ctx.Done():
		return nil
	}
	for client.Start(ctx) != nil { // the database is away
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reclaimEvery):
		}
	}
	for {
		select {
		case <-ctx.Done():
			<-client.Stopped()
			return nil
		case <-time.After(reclaimEvery):
			_ = reclaim(ctx) // it is tried again soon
		}
	}
}

// reclaimEvery is how often who works looks for turns that were left behind.
const reclaimEvery = time.Second

// reclaimTurns puts turns back in line whose worker is gone, and those that are in no line.
func (s *Store) reclaimTurns(ctx context.Context) error {
	return s.Atomically(ctx, func(ctx context.Context) error {
		_, err := s.exec(ctx, `UPDATE river_job SET state = 'available', scheduled_at = now()
			WHERE id IN (SELECT id FROM river_job
				WHERE state = 'running' AND kind = $1 AND pg_try_advisory_xact_lock(hashtextextended(attempted_by[cardinality(attempted_by)], 7365737369))
				FOR UPDATE SKIP LOCKED)`, turnKind)
		if err != nil {
			return err
		}
		stray, err := all(ctx, s, func(row scanner) (t store.TurnRef, err error) {
			return t, row.Scan(&t.Session.Account, &t.Session.ID, &t.TurnID)
		}, `SELECT account_id, id, turn_id FROM sessions WHERE `+isBusy+` AND NOT EXISTS (SELECT 1 FROM river_job
				WHERE kind = 'turn' AND args @> jsonb_build_object('turn', turn_id)
				AND state IN ('available', 'pending', 'retryable', 'running', 'scheduled'))
			LIMIT 100 FOR UPDATE SKIP LOCKED`)
		if err != nil {
			return err
		}
		for _, t := range stray {
			if err := s.QueueTurn(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// pgHold holds the advisory lock of a name until ctx ends, over a connection of its own; when that is lost, over
// another one. It calls held each time that it has the lock.
func pgHold(ctx context.Context, config *pgx.ConnConfig, name string, held func()) {
	pgKeep(ctx, config, func(conn *pgx.Conn) bool {
		return answers(ctx, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended($1, 7365737369))`, name)
			return err
		})
	}, held, func(string) {})
}

// lend lends a transaction of pgx over the same connection, with all that was put off sent before.
func (t *pgTx) lend(ctx context.Context, use func(ctx context.Context, tx pgx.Tx) error) error {
	if _, err := t.run(ctx, pgStatement{text: "SELECT 1"}, func(scanner) error { return nil }); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, t.engine.statementTimeout)
	defer cancel()
	return t.failure(ctx, use(bounded, lentTx{conn: t.conn.Conn()}))
}

// lentTx is a transaction that somebody else ends: it has no use for the rest of pgx.Tx.
type lentTx struct {
	pgx.Tx // nil
	conn   *pgx.Conn
}

// Exec implements pgx.Tx.
func (l lentTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return l.conn.Exec(ctx, sql, args...)
}

// Query implements pgx.Tx.
func (l lentTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return l.conn.Query(ctx, sql, args...)
}

// QueryRow implements pgx.Tx.
func (l lentTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return l.conn.QueryRow(ctx, sql, args...)
}

// Conn implements pgx.Tx.
func (l lentTx) Conn() *pgx.Conn { return l.conn }
