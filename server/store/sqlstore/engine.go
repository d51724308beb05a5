package sqlstore

import (
	"context"
	"database/sql"
)

// engine runs statements on a database. Errors of its own are those that failure makes; errors of the
// functions that it is given are returned as they are.
type engine interface {
	// read runs a query outside of transactions.
	read(ctx context.Context, q query, each func(scanner) error) error

	// transact runs fn in a transaction and commits it when fn returns nil. When fn fails, panics or ends
	// the goroutine, or when ctx ends before the commit, nothing that fn did takes effect.
	transact(ctx context.Context, fn func(tx transaction) error) error
}

// transaction is what fn uses of a transaction. Once that has ended, everything fails with sql.ErrTxDone.
type transaction interface {
	query(ctx context.Context, q query, each func(scanner) error) error
	// exec returns how many rows the statement wrote.
	exec(ctx context.Context, statement string, args []any) (int, error)
	// abort ends the transaction there and then: it will not be committed.
	abort()
}

// query is a SELECT with its arguments.
type query struct {
	text string
	args []any
	// quick queries find one row by a key. There is no use in interrupting them.
	quick bool
}

// plain is an engine that leaves everything to database/sql: each transaction commits alone.
type plain struct{ writers, readers *sql.DB }

func (p plain) read(ctx context.Context, q query, each func(scanner) error) error {
	return queryRows(ctx, p.readers, q, each)
}

func (p plain) transact(ctx context.Context, fn func(tx transaction) error) error {
	tx, err := p.writers.BeginTx(ctx, nil)
	if err != nil {
		return failure(ctx, err)
	}
	return settle(
		func() error { return fn(plainTx{tx}) },
		func() error { return failure(ctx, tx.Commit()) },
		func() { _ = tx.Rollback() }, // when it fails, there is no transaction left to roll back
	)
}

type plainTx struct{ tx *sql.Tx }

func (t plainTx) query(ctx context.Context, q query, each func(scanner) error) error {
	return queryRows(ctx, t.tx, q, each)
}

func (t plainTx) exec(ctx context.Context, statement string, args []any) (int, error) {
	result, err := t.tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, failure(ctx, err)
	}
	n, err := result.RowsAffected()
	return int(n), failure(ctx, err)
}

func (t plainTx) abort() { _ = t.tx.Rollback() }

// queryRows calls each for every row that a query yields.
func queryRows(ctx context.Context, source interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, q query, each func(scanner) error) error {
	rows, err := source.QueryContext(ctx, q.text, q.args...)
	if err != nil {
		return failure(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return failure(ctx, err)
		}
	}
	return failure(ctx, rows.Err())
}
