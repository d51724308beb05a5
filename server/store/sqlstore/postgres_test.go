package sqlstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/pgengine"
	"github.com/cloud-sessions/sessions/server/store/storetest"
)

// migrated has the URLs of the databases that openOn has migrated: pgtest hands them out again, with their tables.
var migrated sync.Map

// openOn opens a store on a database of pgtest, with the engine that around makes of the usual one. It looks for migrations
// when it first opens the database only: that takes two connections, which are most of what a short test costs.
func openOn(t *testing.T, url string, opts storetest.Options, around func(engine.Engine) engine.Engine) *sqlstore.Store {
	t.Helper()
	db, err := pgengine.Open(url, pgengine.Options{
		MaxConns: sqlstore.DefaultMaxConns, StatementTimeout: sqlstore.DefaultStatementTimeout, ConnectTimeout: sqlstore.DefaultConnectTimeout, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Engine = around(db.Engine)
	if _, ok := migrated.Load(url); ok {
		db.Migrate = func(context.Context) error { return nil }
	}
	s, err := sqlstore.New(t.Context(), db, testOptions(opts))
	if err != nil {
		t.Fatal(err)
	}
	migrated.Store(url, true)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func usual(e engine.Engine) engine.Engine { return e }

func openPostgres(t *testing.T, opts storetest.Options) store.Store {
	return openOn(t, pgtest.Database(t), opts, usual)
}

// TestPostgres also asserts that every statement of the store that names a key uses it.
func TestPostgres(t *testing.T) {
	all := &statements{texts: map[string]bool{}}
	t.Cleanup(func() { all.useKeys(t, 0) }) // a part of the suite may run
	storetest.Run(t, all.open)
}

func TestPostgresShared(t *testing.T) { storetest.RunShared(t, postgresPlace) }

func TestPostgresCluster(t *testing.T) { storetest.RunCluster(t, postgresPlace) }

// postgresPlace returns what opens stores on one database.
func postgresPlace(t *testing.T) storetest.Opener {
	url := pgtest.Database(t)
	return func(t *testing.T, opts storetest.Options) store.Store { return openOn(t, url, opts, usual) }
}

func TestPostgresRandom(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			storetest.RunRandom(t, openPostgres, seed, 300)
		})
	}
}
