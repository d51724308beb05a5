package sqlstore

import "context"

// engine runs statements on a database. Errors of its own are those that failure makes; errors of the
// functions that it is given are returned as they are.
type engine interface {
	// read runs a query outside of transactions.
	read(ctx context.Context, q query, each func(scanner) error) error

	// transact runs fn in a transaction and commits it when fn returns nil. When fn fails, panics or ends
	// the goroutine, or when ctx ends before it, nothing that fn did takes effect.
	transact(ctx context.Context, fn func(tx transaction) error) error

	// close frees everything. No call is under way.
	close() error
}

// transaction is what fn uses of a transaction. Once that has ended, everything fails with sql.ErrTxDone.
type transaction interface {
	query(ctx context.Context, q query, each func(scanner) error) error
	// exec returns how many rows the statement wrote.
	exec(ctx context.Context, statement string, args []any) (int, error)
	// soon runs a statement whose answer does not matter, before the next one that is not put off or not at all.
	// That one fails when it fails.
	soon(ctx context.Context, statement string, args []any) error
	// finish runs the statement that fn ends with: when it returns nil, fn must do so at once. The commit fails
	// when the statement does.
	finish(ctx context.Context, statement string, args []any) error
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
