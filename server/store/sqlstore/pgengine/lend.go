package pgengine

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// lend lends a transaction of pgx over the same connection, after sending all that was postponed.
func (t *tx) lend(ctx context.Context, use func(ctx context.Context, tx pgx.Tx) error) error {
	if _, err := t.run(ctx, statement{text: "SELECT 1"}, func(engine.Scanner) error { return nil }); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, t.postgres.statementTimeout)
	defer cancel()
	return t.failure(ctx, use(bounded, lentTx{conn: t.conn.Conn()}))
}

// lentTx is a transaction whose owner ends it, so that the rest of pgx.Tx is not used.
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
