package pgengine

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
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

// queue holds the turns of all processes on a database: jobs of river, which the transaction that stores the message
// enqueues. A worker holds an advisory lock under the name that river knows it by, over a connection of its own: a job
// whose worker does not hold it was left behind, and is dispatched again.
type queue struct {
	postgres  *postgres
	unhurried *pgx.ConnConfig
	inserts   *river.Client[pgx.Tx]
}

func newQueue(e *postgres, unhurried *pgx.ConnConfig) (*queue, error) {
	inserts, err := river.NewClient(riverpgxv5.New(e.pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	return &queue{postgres: e, unhurried: unhurried, inserts: inserts}, err
}

// migrate brings river's own tables up to date. It must be called under the lock of the schema.
func (q *queue) migrate(ctx context.Context) error {
	config := q.postgres.pool.Config()
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

// Restore does nothing: other processes may be running the turns that are in the queue, and reclaim finds those that
// were left behind.
func (q *queue) Restore(context.Context) error { return nil }

// Enqueue implements engine.Queue. The job is part of the transaction.
func (q *queue) Enqueue(ctx context.Context, in engine.Tx, t store.TurnRef) (committed func(), err error) {
	own, ok := in.(*tx)
	if !ok {
		return nil, errForeignTx
	}
	return nil, own.lend(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := q.inserts.InsertTx(ctx, tx, turnArgs{t.Session.Account, t.Session.ID, t.TurnID}, &river.InsertOpts{
			Queue: turnQueue, MaxAttempts: maxAttempts,
		})
		return err
	})
}

var errForeignTx = errors.New("pgengine: a turn is enqueued in the transaction of another engine")

// maxAttempts is how often a turn can be dispatched: as often as river can count.
const maxAttempts = 32767

// errAgain tells river to dispatch a turn again.
var errAgain = errors.New("returned to the queue")

// turnWorker passes river's jobs to work.
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

// Timeout implements river.Worker: a turn may take any time.
func (w *turnWorker) Timeout(*river.Job[turnArgs]) time.Duration { return -1 }

// Work implements engine.Queue.
func (q *queue) Work(ctx context.Context, workers int, work func(context.Context, store.TurnRef) bool) error {
	all := river.NewWorkers()
	river.AddWorker(all, &turnWorker{work: work})
	name := "worker_" + rand.Text()
	client, err := river.NewClient(riverpgxv5.New(q.postgres.pool), &river.Config{
		ID:                          name,
		Queues:                      map[string]river.QueueConfig{turnQueue: {MaxWorkers: workers}},
		Workers:                     all,
		Logger:                      slog.New(slog.DiscardHandler),
		FetchCooldown:               10 * time.Millisecond,
		FetchPollInterval:           time.Second,
		JobTimeout:                  -1,
		RescueStuckJobsAfter:        100 * 365 * 24 * time.Hour, // never: reclaim does it, see the README of the store
		CompletedJobRetentionPeriod: 10 * time.Minute,
	})
	if err != nil {
		return err
	}
	var others sync.WaitGroup
	defer others.Wait()
	held := make(chan struct{})
	holding, letGo := context.WithCancel(context.WithoutCancel(ctx)) // until the last turn is left
	defer letGo()
	others.Go(func() { hold(holding, q.unhurried, name, sync.OnceFunc(func() { close(held) })) })
	select {
	case <-held:
	case <-ctx.Done():
		return nil
	}
	for client.Start(ctx) != nil { // the database is unavailable
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
			_ = q.reclaim(ctx) // it is tried again soon
		}
	}
}

// reclaimEvery is how often a worker looks for turns that were left behind.
const reclaimEvery = time.Second

// reclaim makes available the jobs whose worker is gone, and enqueues strays: turns that are running without a job.
func (q *queue) reclaim(ctx context.Context) error {
	return q.postgres.Transact(ctx, func(tx engine.Tx) error {
		if _, err := tx.Exec(ctx, reclaimJobs, []any{turnKind, lockID}); err != nil {
			return err
		}
		var strays []store.TurnRef
		err := tx.Query(ctx, engine.Query{Text: selectStrays, Args: []any{turnKind}}, func(row engine.Scanner) error {
			t, err := engine.ScanTurn(row)
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
		return nil
	})
}

const reclaimJobs = `UPDATE river_job SET state = 'available', scheduled_at = now()
	WHERE id IN (SELECT id FROM river_job
		WHERE state = 'running' AND kind = $1
		AND pg_try_advisory_xact_lock(hashtextextended(attempted_by[cardinality(attempted_by)], $2))
		FOR UPDATE SKIP LOCKED)`

const selectStrays = engine.SelectBusy + ` AND NOT EXISTS (SELECT 1 FROM river_job
		WHERE kind = $1 AND args @> jsonb_build_object('turn', turn_id)
		AND state IN ('available', 'pending', 'retryable', 'running', 'scheduled'))
	LIMIT 100 FOR UPDATE SKIP LOCKED`

// hold holds the advisory lock of a name until ctx ends, over a connection of its own; when that is lost, over another
// one. It calls held each time that it has acquired the lock.
func hold(ctx context.Context, config *pgx.ConnConfig, name string, held func()) {
	keepConn(ctx, config, func(conn *pgx.Conn) bool {
		return answers(ctx, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended($1, $2))`, name, lockID)
			return err
		})
	}, held, func(string) {})
}
