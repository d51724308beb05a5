package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// plain is an engine that leaves everything to database/sql: each transaction commits alone.
type plain struct {
	writers, readers *sql.DB
	instead          engine // the one that it stands in for
}

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

func (p plain) close() error {
	return errors.Join(p.readers.Close(), p.writers.Close(), p.instead.close())
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

func (t plainTx) finish(ctx context.Context, statement string, args []any) error {
	return t.soon(ctx, statement, args)
}

func (t plainTx) soon(ctx context.Context, statement string, args []any) error {
	_, err := t.exec(ctx, statement, args)
	return err
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
