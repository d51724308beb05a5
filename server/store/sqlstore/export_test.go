package sqlstore

import (
	"database/sql"

	"github.com/jackc/pgx/v5/stdlib"
)

// UsePlain makes every transaction commit alone, and every statement go through database/sql.
func (s *Store) UsePlain() {
	switch e := s.db.engine.(type) {
	case *sqliteEngine:
		s.db.engine = plain{e.writers, e.readers, e}
	case *pgEngine:
		pool := stdlib.OpenDBFromPool(e.pool)
		pool.SetMaxOpenConns(e.maxConns)
		s.db.engine = plain{pool, pool, e}
	}
}

// pools returns the pools of a store on SQLite.
func (s *Store) pools() (write, read *sql.DB) {
	e := s.db.engine.(*sqliteEngine)
	return e.writers, e.readers
}
