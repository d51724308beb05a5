package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestBatchStress has many callers meet every fate at random, while commits fail at random: what is stored
// in the end is what callers were told, in the order of each caller.
func TestBatchStress(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		const callers, rounds = 16, 40
		s.engine.maxTime, s.engine.maxTurns = 2*time.Millisecond, 10
		commit := s.engine.commit
		commits := 0
		s.engine.commit = func(b *sqliteBatch) error {
			if commits++; commits%13 == 0 {
				return errOwn
			}
			return commit(b)
		}
		stored := make([][]string, callers)
		var all sync.WaitGroup
		for i := range callers {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			all.Go(func() {
				for round := range rounds {
					name := fmt.Sprintf("%02d-%02d", i, round)
					if s.tryFate(t, random, name) == nil {
						stored[i] = append(stored[i], name)
					}
				}
			})
		}
		all.Wait()
		want := slices.Concat(stored...)
		s.has(want...)
		if len(want) == 0 || len(want) == callers*rounds {
			t.Errorf("%d of %d were stored", len(want), callers*rounds)
		}
		t.Logf("%d writes took %d commits", callers*rounds, commits)
	})
}

// tryFate adds an environment, unless its fate is another.
func (s *batches) tryFate(t *testing.T, random *rand.Rand, name string) (err error) {
	fate := random.IntN(10)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var canceller sync.WaitGroup
	defer canceller.Wait()
	if fate == 0 { // at whatever point
		after := time.Duration(random.IntN(2000)) * time.Microsecond
		canceller.Go(func() {
			time.Sleep(after)
			cancel()
		})
	}
	defer func() {
		if thrown := recover(); thrown != nil {
			err = errors.New("panicked")
		}
	}()
	return s.Atomically(ctx, func(ctx context.Context) error {
		if err := s.add(ctx, name); err != nil {
			return err
		}
		switch fate {
		case 1:
			return errOwn
		case 2:
			panic("oh")
		case 3:
			err := s.Atomically(ctx, func(ctx context.Context) error {
				if err := s.add(ctx, "undone"); err != nil {
					return err
				}
				return errOwn
			})
			if err != errOwn {
				t.Error(err)
			}
		}
		return nil
	})
}

// TestBatchClose closes the store while writers come and go: each is either stored or refused.
func TestBatchClose(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		var all sync.WaitGroup
		started := make(chan struct{}, 8)
		for range 8 {
			all.Go(func() {
				for i := 0; ; i++ {
					err := s.add(context.Background(), "x")
					if i == 0 {
						started <- struct{}{}
					}
					if errors.Is(err, errClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 8 {
			<-started
		}
		check(t, s.Close())
		all.Wait()
	})
}

// TestStatementsAreBounded runs more texts than a connection keeps.
func TestStatementsAreBounded(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		for i := range 3 * sqliteStatements {
			got, err := one(t.Context(), s.Store, func(row scanner) (n int, err error) { return n, row.Scan(&n) },
				fmt.Sprintf("SELECT %d", i))
			if err != nil || got != i {
				t.Fatal(got, err)
			}
		}
		_, read := s.pools()
		conn, err := read.Conn(t.Context())
		check(t, err)
		defer conn.Close()
		check(t, onSQLite(conn, func(c *sqliteConn) error {
			if n := len(c.statements); n != sqliteStatements {
				t.Errorf("%d statements are kept", n)
			}
			return nil
		}))
	})
}

// TestScanRefuses has columns that do not fit.
func TestScanRefuses(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	var text string
	var short int32
	var other uint
	for query, dest := range map[string][]any{
		"SELECT 1": {&text}, "SELECT 'a'": {&short}, "SELECT 1 << 40": {&short}, "SELECT NULL": {&text},
		"SELECT 2": {&other}, "SELECT 1, 2": {&short}, "SELECT 'b'": {timeTo{}}, "SELECT 3": {fromJSON{}},
	} {
		_, err := one(t.Context(), s, func(row scanner) (none struct{}, err error) { return none, row.Scan(dest...) }, query)
		if err == nil {
			t.Errorf("%s fits %T", query, dest[0])
		}
	}
}
