package sqlstore_test

import (
	"fmt"
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlitetest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testOptions(o storetest.Options) sqlstore.Options {
	return sqlstore.Options{Now: o.Now, NewID: o.NewID}
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T, opts storetest.Options) store.Store {
		return mustOpen(t, "sqlite::memory:", testOptions(opts))
	})
}

func TestFile(t *testing.T) {
	storetest.Run(t, func(t *testing.T, opts storetest.Options) store.Store {
		return mustOpen(t, sqlitetest.Database(t), testOptions(opts))
	})
}

func TestFileShared(t *testing.T) {
	storetest.RunShared(t, func(t *testing.T) storetest.Opener {
		dsn := sqlitetest.Database(t)
		return func(t *testing.T, opts storetest.Options) store.Store {
			return mustOpen(t, dsn, testOptions(opts))
		}
	})
}

func TestMemoryRandom(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			storetest.RunRandom(t, func(t *testing.T, opts storetest.Options) store.Store {
				return mustOpen(t, "sqlite::memory:", testOptions(opts))
			}, seed, 500)
		})
	}
}

func TestFileRandom(t *testing.T) {
	t.Parallel()
	storetest.RunRandom(t, func(t *testing.T, opts storetest.Options) store.Store {
		return mustOpen(t, sqlitetest.Database(t), testOptions(opts))
	}, 99, 300)
}

func TestDefaultIDs(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, "sqlite::memory:", sqlstore.Options{})
	last := ""
	for range 100 {
		e, err := s.CreateEnvironment(t.Context(), "acc", store.EnvironmentSpec{Config: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^env_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$`).MatchString(e.ID) {
			t.Errorf("%q is not a prefix and a UUIDv7", e.ID)
		}
		if e.ID <= last {
			t.Errorf("%q follows %q", e.ID, last)
		}
		last = e.ID
	}
}
