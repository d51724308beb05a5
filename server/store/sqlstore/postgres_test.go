package sqlstore_test

import (
	"fmt"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/storetest"
)

func openPostgres(t *testing.T, opts storetest.Options) store.Store {
	return mustOpen(t, pgtest.Database(t), testOptions(opts))
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
	dsn := pgtest.NewDatabase(t)
	return func(t *testing.T, opts storetest.Options) store.Store {
		return mustOpen(t, dsn, testOptions(opts))
	}
}

func TestPostgresRandom(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			storetest.RunRandom(t, openPostgres, seed, 300)
		})
	}
}
