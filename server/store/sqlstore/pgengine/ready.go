package pgengine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// ready returns nil when the database can do all that a server needs: it writes, it has space, and its notifications
// arrive.
func (e *postgres) ready(ctx context.Context) error {
	if err := e.canWrite(ctx); err != nil {
		return err
	}
	if refused := e.space.refused.Load(); refused != nil {
		return engine.Failure(ctx, refused.err, true)
	}
	return engine.Failure(ctx, e.hearing.check(ctx), true)
}

func (e *postgres) canWrite(ctx context.Context) error {
	t := &tx{postgres: e, outside: true}
	defer t.end()
	return t.Query(ctx, engine.Query{Text: selectReadOnly}, func(row engine.Scanner) error {
		if err := row.Scan(&t.readOnly); err != nil || !t.readOnly {
			return err
		}
		return engine.Failure(ctx, errReadOnly, true)
	})
}

// space is what is known about the space that the database's server has left. Its zero value is ready for use.
type space struct{ refused atomic.Pointer[refusedWrite] }

// refusedWrite is a write for which there was no space.
type refusedWrite struct {
	statement string
	err       error
	at        time.Time
}

// spaceProof is how long after a refused write another one, which may need less space, proves that there is space again.
// The refused one itself proves it at once.
const spaceProof = 10 * time.Second

// judge notes when a statement failed for want of space.
func (s *space) judge(statement string, err error) {
	var said *pgconn.PgError
	if errors.As(err, &said) && said.Code == "53100" {
		s.refused.Store(&refusedWrite{statement: statement, err: fmt.Errorf("no space is left for writes: %w", err), at: time.Now()})
	}
}

// written notes that a transaction with these writes is committed.
func (s *space) written(statements []string) {
	refused := s.refused.Load()
	if refused == nil || len(statements) == 0 {
		return
	}
	if refused.statement == commit || slices.Contains(statements, refused.statement) || time.Since(refused.at) >= spaceProof {
		s.refused.CompareAndSwap(refused, nil)
	}
}
