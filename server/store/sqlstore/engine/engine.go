// Package engine is what the store needs of a database: transactions, locks, a queue of turns, notifications. Packages
// sqliteengine and pgengine implement it, package sqlstore uses it. It imports package store and the standard library.
package engine

import (
	"context"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Database is an open database and all that differs between databases. Statements are written for what SQLite and
// PostgreSQL have in common.
type Database struct {
	Engine
	// ForUpdate and ForShare end a SELECT that locks its rows until the transaction's end: against all other locks, or
	// against ForUpdate only. SkipLocked ends one that leaves out the rows that are locked and locks the others. They are
	// empty where a transaction that may write is alone.
	ForUpdate, ForShare, SkipLocked string
	// LockAccount is a statement that locks an account, its argument, until the transaction's end, against other
	// transactions that do so. It is empty where a transaction that may write is alone.
	LockAccount string
	// Queue holds the turns that wait for a worker.
	Queue Queue
	// Notifier connects the processes that share the database; nil where one process has the sessions for itself.
	Notifier Notifier
	// Revocations is how processes notice that a token was revoked.
	Revocations Revocations
	// Migrate brings the schema up to date. It fails when the rights that a server needs are missing.
	Migrate func(ctx context.Context) error
	// Ready returns why the database, although it responds, cannot do all that a server needs; nil when it can. Ready
	// itself is nil where nothing but a response is needed.
	Ready func(ctx context.Context) error
	// GiveBack gives at most limit units of free space back to the system and returns how many it gave: fewer than limit
	// when nothing is left to give. What was deleted before is then overwritten. It is nil where the database does that
	// by itself.
	GiveBack func(ctx context.Context, limit int) (int, error)
	// Pool returns the state of the connections.
	Pool func() store.Pool
}

// OnCommit is called after each commit of transactions that write, with their number and the time that it took.
type OnCommit func(transactions int, took time.Duration)

// Space is what a database file takes, in bytes.
type Space struct {
	// File is the file's path.
	File string
	// Size is the size of the file, Free the part of it that holds no data.
	Size, Free int64
}

// Engine runs statements on a database. Its own errors are made by Failure; errors of the functions that it is given are
// returned unchanged.
type Engine interface {
	// Read runs a query outside of transactions.
	Read(ctx context.Context, q Query, each func(Scanner) error) error

	// Transact runs fn in a transaction and commits it when fn returns nil. When fn fails, panics or ends the goroutine,
	// or when ctx ends before it, nothing that fn did takes effect.
	Transact(ctx context.Context, fn func(tx Tx) error) error

	// Close frees everything. No call may be running.
	Close() error
}

// Tx is what fn uses of a transaction. Once that has ended, every method fails with sql.ErrTxDone.
type Tx interface {
	// Query calls each for every row.
	Query(ctx context.Context, q Query, each func(Scanner) error) error
	// Exec returns how many rows the statement wrote.
	Exec(ctx context.Context, statement string, args []any) (int, error)
	// Soon runs a statement whose result does not matter: at the latest before the next one that is not postponed, or the
	// commit, which then fails when this one does.
	Soon(ctx context.Context, statement string, args []any) error
	// Finish runs the last statement of fn: when it returns nil, fn must return at once. The commit fails when the
	// statement does.
	Finish(ctx context.Context, statement string, args []any) error
	// Abort ends the transaction at once: it will not be committed.
	Abort()
}

// Counter is a Tx that counts its statements, so that a part at its beginning needs no savepoint.
type Counter interface {
	// Count returns how many statements were run or postponed.
	Count() int
	// Restart undoes all of them; the transaction continues as one without any. When that fails, the transaction has ended.
	Restart()
}

// Pipeliner is a Tx, or an Engine outside of transactions, that runs several statements for the price of one round trip. Those
// without one run them one by one.
type Pipeliner interface {
	// Pipeline runs the steps in their order. When one fails, those after it are not run.
	Pipeline(ctx context.Context, steps []Step) error
}

// Writer is an Engine that runs one statement that writes for the price of one round trip, or of a part of one: statements of
// several callers that come at the same time share a transaction. When a connection is lost meanwhile, the statement may be run
// twice.
type Writer interface {
	// Write calls each for every row that the statement returns, which counts only when Write returns nil; ErrUndone when a
	// statement of another caller has failed. The statement must not wait for locks. The end of ctx does not interrupt it, so
	// that the outcome is known.
	Write(ctx context.Context, q Query, each func(Scanner) error) error
}

// Step is a statement of a pipeline.
type Step struct {
	Query
	// Each is called for every row that the statement yields, or until it returns ErrEnough; nil for a statement that yields
	// none.
	Each func(Scanner) error
	// Wrote gets how many rows a statement without Each wrote, unless it is nil.
	Wrote *int
}

// Query is a SELECT with its arguments.
type Query struct {
	Text string
	Args []any
	// Quick queries find one row by a key; they are not worth interrupting.
	Quick bool
	// Shared queries find few small rows along an index: outside of transactions they may share a round trip with others.
	Shared bool
}

// Scanner is a row to scan.
type Scanner interface{ Scan(dest ...any) error }

// Queue is the turns that wait for a worker. store.Turns says what callers may rely on.
type Queue interface {
	// Restore enqueues, as lost, the turns that were running when the database was last used. It does nothing where
	// other processes may be running them.
	Restore(ctx context.Context) error

	// Enqueue enqueues a turn when tx commits.
	Enqueue(ctx context.Context, tx Tx, t store.TurnRef) (Enqueued, error)

	// Depth returns how many turns wait, of all processes, and for how long the oldest one has.
	Depth(ctx context.Context) (waiting int, oldest time.Duration, err error)

	// Wake makes the workers of this process look for turns: another process may have enqueued some.
	Wake()

	// Work calls work for each turn until ctx ends, at most workers at a time, and returns when all calls have returned.
	Work(ctx context.Context, workers int, work func(ctx context.Context, t store.TurnRef) (done bool)) error
}

// Enqueued is a turn that a transaction enqueues. The caller must call Committed once the transaction has committed, and Undone
// when it has ended otherwise; when the outcome is unknown, Undone. Undone may be nil.
type Enqueued struct {
	Committed, Undone func()
	// Waits is whether the turn waits for a worker, of any process.
	Waits bool
}

// Notifier connects the stores on one database.
type Notifier interface {
	// Notify sends a payload to every process that listens, this one included, when tx commits. Payloads of one
	// transaction arrive in their order.
	Notify(ctx context.Context, tx Tx, payload string) error

	// Publish sends payloads at once, in their order, outside of transactions.
	Publish(ctx context.Context, payloads []string) error

	// Listen calls notified for each payload until ctx ends, and missed whenever some may have been lost, as at its
	// beginning.
	Listen(ctx context.Context, notified func(payload string), missed func())
}

// Busy is the condition that a row of sessions has a turn running, as store.Status.Busy has it, in the words of the index
// sessions_busy.
const Busy = `status IN ('processing', 'canceling', 'interrupting')`

// SelectBusy selects the turns that are running, for ScanTurn.
const SelectBusy = `SELECT account_id, id, turn_id FROM sessions WHERE ` + Busy

// ScanTurn scans a row of SelectBusy.
func ScanTurn(row Scanner) (t store.TurnRef, err error) {
	err = row.Scan(&t.Session.Account, &t.Session.ID, &t.TurnID)
	return t, err
}
