package sqliteengine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

var errOwn = errors.New("own")

// batches is an engine whose batches a test can arrange.
type batches struct {
	*pools
	t *testing.T

	mu    sync.Mutex
	sizes []int // of the batches committed, or tried, after their holder's
}

// onBatches runs a test on a file and in memory.
func onBatches(t *testing.T, run func(t *testing.T, s *batches)) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *pools{"memory": openInMemory, "file": openFile} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &batches{pools: open(t), t: t}
			b.maxTime = time.Hour // how slow the machine is must not matter
			b.commits(b.commit)
			run(t, b)
		})
	}
}

// commits has batches commit with the given function.
func (s *batches) commits(commit func(b *batch) error) {
	s.commit = func(b *batch) error {
		s.mu.Lock()
		s.sizes = append(s.sizes, b.kept)
		s.mu.Unlock()
		return commit(b)
	}
}

// add stores a thing with that name, in a transaction of its own.
func (s *batches) add(ctx context.Context, name string) error {
	return s.Transact(ctx, func(tx engine.Tx) error { return insert(ctx, tx, name) })
}

// together makes the calls one batch, in that order: it holds the turn until all of them are in the queue. It
// returns their errors.
func (s *batches) together(calls ...func() error) []error {
	s.t.Helper()
	errs := make([]error, len(calls))
	var all sync.WaitGroup
	err := s.Transact(context.Background(), func(engine.Tx) error {
		for i, call := range calls {
			all.Go(func() { errs[i] = call() })
			s.lined(i + 1)
		}
		return errOwn // so that this batch ends
	})
	all.Wait()
	if err != errOwn {
		s.t.Errorf("holder: %v", err)
	}
	return errs
}

// lined waits until n callers are in the queue.
func (s *batches) lined(n int) {
	for {
		s.queue.mu.Lock()
		waiting := len(s.queue.waiting)
		s.queue.mu.Unlock()
		if waiting == n {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// adder returns a call that adds a thing and then does what then does, if anything.
func (s *batches) adder(name string, then func(tx engine.Tx) error) func() error {
	return func() error {
		return s.Transact(context.Background(), func(tx engine.Tx) error {
			if err := insert(context.Background(), tx, name); err != nil || then == nil {
				return err
			}
			return then(tx)
		})
	}
}

func (s *batches) has(want ...string) {
	s.t.Helper()
	if got := names(s.t, s.pools); !slices.Equal(got, want) {
		s.t.Errorf("want %q stored, got %q", want, got)
	}
}

// inPart runs fn as a part of a transaction that is undone alone when fn fails.
func inPart(ctx context.Context, tx engine.Tx, fn func() error) error {
	run := func(command string) error {
		_, err := tx.Exec(ctx, command, nil)
		return err
	}
	return engine.Settle(
		func() error { return errors.Join(run("SAVEPOINT p"), fn()) },
		func() error { return run("RELEASE SAVEPOINT p") },
		func() { _ = errors.Join(run("ROLLBACK TO SAVEPOINT p"), run("RELEASE SAVEPOINT p")) },
	)
}

func wantErrors(t *testing.T, got []error, want ...error) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("caller %d: want %v, got %v", i, want[i], got[i])
		}
	}
}

// TestBatchShares has many writers come at once.
func TestBatchShares(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		var calls []func() error
		var want []string
		for i := range 250 {
			name := fmt.Sprintf("%03d", i)
			want = append(want, name)
			calls = append(calls, s.adder(name, nil))
		}
		check(t, errors.Join(s.together(calls...)...))
		s.has(want...)
		if !slices.Equal(s.sizes, []int{100, 100, 50}) {
			t.Errorf("batches of %d", s.sizes)
		}
	})
}

// TestBatchTime has batches that are over when they have begun.
func TestBatchTime(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		s.maxTime = 0
		check(t, errors.Join(s.together(s.adder("a", nil), s.adder("b", nil))...))
		s.has("a", "b")
		if !slices.Equal(s.sizes, []int{1, 1}) {
			t.Errorf("batches of %d", s.sizes)
		}
	})
}

// TestBatchFates has callers of one batch fail in every way; the others never know.
func TestBatchFates(t *testing.T) {
	for _, first := range []string{"kept", "error", "panic"} {
		t.Run(first, func(t *testing.T) {
			onBatches(t, func(t *testing.T, s *batches) {
				cancelled, cancel := context.WithCancel(t.Context())
				panics := func(engine.Tx) error { panic("oh") }
				caught := func(call func() error) func() error {
					return func() error {
						defer func() {
							if thrown := recover(); thrown != "oh" {
								t.Errorf("recovered %v", thrown)
							}
						}()
						return call()
					}
				}
				calls := map[string]func() error{
					"kept": s.adder("0", nil), "error": s.adder("0", func(engine.Tx) error { return errOwn }),
					"panic": caught(s.adder("0", panics)),
				}
				want := map[string]error{"error": errOwn}
				errs := s.together(
					calls[first],
					s.adder("1", nil),
					s.adder("2", func(engine.Tx) error { return errOwn }),
					s.adder("3", nil),
					caught(s.adder("4", panics)),
					s.adder("5", nil),
					s.adder("6", func(engine.Tx) error { runtime.Goexit(); return nil }),
					s.adder("7", func(tx engine.Tx) error { // a part of its part fails
						ctx := t.Context()
						err := inPart(ctx, tx, func() error {
							check(t, insert(ctx, tx, "7a"))
							check(t, inPart(ctx, tx, func() error { return insert(ctx, tx, "7b") }))
							return errOwn
						})
						if !errors.Is(err, errOwn) {
							t.Error(err)
						}
						return inPart(ctx, tx, func() error { return insert(ctx, tx, "7c") })
					}),
					func() error { // a context ends while its caller has the turn
						return s.Transact(cancelled, func(tx engine.Tx) error {
							check(t, insert(cancelled, tx, "8"))
							cancel()
							if err := insert(cancelled, tx, "8a"); err != context.Canceled {
								t.Errorf("a write in an ended context: %v", err)
							}
							return nil
						})
					},
					s.adder("9", func(tx engine.Tx) error { // a statement fails, and its caller continues
						if _, err := tx.Exec(t.Context(), "INSERT INTO things (name) VALUES (NULL)", nil); err == nil {
							t.Error("a NULL is stored")
						}
						return nil
					}),
				)
				wantErrors(t, errs, want[first], nil, errOwn, nil, nil, nil, nil, nil, context.Canceled, nil)
				stored := []string{"1", "3", "5", "7", "7c", "9"}
				sizes := []int{5}
				if first == "kept" {
					stored, sizes = append([]string{"0"}, stored...), []int{6}
				}
				s.has(stored...)
				if !slices.Equal(s.sizes, sizes) {
					t.Errorf("batches of %d", s.sizes)
				}
			})
		})
	}
}

// TestBatchOfSingleStatements has callers that write with one statement only, which do without savepoints.
func TestBatchOfSingleStatements(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		ctx := t.Context()
		only := func(name string) func() error {
			return func() error {
				return s.Transact(ctx, func(tx engine.Tx) error {
					err := tx.Query(ctx, engine.Query{Text: "SELECT 1", Quick: true}, func(engine.Scanner) error { return nil })
					check(t, err)
					return tx.Finish(ctx, "INSERT INTO things (name) VALUES ($1)", []any{name})
				})
			}
		}
		errs := s.together(only("1"), only("2"), only("1"), only("3"),
			func() error { return s.Transact(ctx, func(engine.Tx) error { return errOwn }) },
			s.adder("mixed", nil), only("4"))
		if errs[2] == nil || errs[4] != errOwn {
			t.Errorf("a name that is there, and a caller that fails without a write: %v", errs)
		}
		errs[2], errs[4] = nil, nil
		check(t, errors.Join(errs...))
		s.has("1", "2", "3", "4", "mixed")
		if !slices.Equal(s.sizes, []int{5}) {
			t.Errorf("batches of %d", s.sizes)
		}

		// What has ended can be undone only with all of the batch, which must not be kept half.
		late := func() error {
			return s.Transact(ctx, func(tx engine.Tx) error {
				check(t, tx.Finish(ctx, `UPDATE things SET name = 'late' WHERE name = $1`, []any{"1"}))
				return errOwn
			})
		}
		errs = s.together(only("5"), late, only("6"))
		for i, err := range errs[:2] {
			if !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("caller %d: %v", i, err)
			}
		}
		check(t, errs[2]) // it begins another batch
		s.has("1", "2", "3", "4", "6", "mixed")
	})
}

// TestBatchCommitFails has commits that fail: of their own accord, with the connection, and before they
// begin. All callers must know, those included whose error rests on what others did.
func TestBatchCommitFails(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		commit := s.commit
		for name, fail := range map[string]func(b *batch) error{
			"injected": func(*batch) error { return errOwn },
			"constraint": func(b *batch) error {
				check(t, b.run(t.Context(), "PRAGMA defer_foreign_keys = on"))
				check(t, b.run(t.Context(), `INSERT INTO things VALUES ('child', 'none')`))
				return b.run(t.Context(), "COMMIT")
			},
			"rolled back": func(b *batch) error {
				check(t, b.run(t.Context(), "ROLLBACK"))
				return b.run(t.Context(), "COMMIT")
			},
			"closed": func(b *batch) error {
				check(t, b.conn.Close()) // back to the pool, in a transaction
				return b.run(t.Context(), "COMMIT")
			},
		} {
			s.commit = fail
			errs := s.together(
				s.adder("0", nil),
				s.adder("1", func(engine.Tx) error { return errOwn }),
				s.adder("2", nil),
			)
			for i, err := range errs {
				if err == nil || err == errOwn {
					t.Errorf("%s: caller %d got %v", name, i, err)
				}
			}
			if name == "closed" { // what came back to the pool is not clean; the next to begin finds out
				_ = s.add(t.Context(), "x")
			}
			s.commit = commit
			s.has()
			check(t, s.Transact(t.Context(), func(tx engine.Tx) error {
				check(t, insert(t.Context(), tx, "x"))
				n, err := tx.Exec(t.Context(), "DELETE FROM things", nil)
				if n != 1 {
					t.Errorf("%s: %d rows", name, n)
				}
				return err
			}))
		}
	})
}

// TestBatchLost has the database give up a transaction during one caller's part, as it may when the disk
// is full. Those before it must know; those after it begin anew.
func TestBatchLost(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		errs := s.together(
			s.adder("0", nil),
			s.adder("1", func(engine.Tx) error { return errOwn }),
			s.adder("2", func(tx engine.Tx) error {
				_, err := tx.Exec(t.Context(), "ROLLBACK", nil)
				check(t, err)
				_, err = tx.Exec(t.Context(), "INSERT INTO things (name) VALUES (NULL)", nil) // fails, and is suspect
				if err == nil {
					t.Error("a NULL is stored")
				}
				if err := insert(t.Context(), tx, "2a"); !errors.Is(err, sql.ErrTxDone) {
					t.Errorf("a write after the end: %v", err)
				}
				return nil // does not even notice
			}),
			s.adder("3", nil),
			s.adder("4", nil),
		)
		for i, err := range errs[:3] {
			if !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("caller %d: %v", i, err)
			}
		}
		wantErrors(t, errs[3:], nil, nil)
		s.has("3", "4")
	})
}

// TestBatchNotInterrupted ends a context during a long write in a shared transaction: it must not take what
// others wrote with it.
func TestBatchNotInterrupted(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		ctx, cancel := context.WithCancel(t.Context())
		var canceller sync.WaitGroup
		errs := s.together(
			s.adder("0", nil),
			func() error {
				return s.Transact(ctx, func(tx engine.Tx) error {
					canceller.Go(func() {
						time.Sleep(time.Millisecond)
						cancel()
					})
					_, err := tx.Exec(ctx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
						INSERT INTO things (name) SELECT 'x' || i FROM n`, nil)
					<-ctx.Done() // where the write was faster
					return err
				})
			},
			s.adder("2", nil),
		)
		canceller.Wait()
		wantErrors(t, errs, nil, context.Canceled, nil)
		s.has("0", "2")
	})
}

// TestBatchLeave has a caller leave the queue while another has the turn.
func TestBatchLeave(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		errs := s.together(
			s.adder("0", func(engine.Tx) error {
				cancel()
				if err := <-left; err != context.Canceled { // now, not when it would have been its turn
					t.Error(err)
				}
				return nil
			}),
			func() error {
				left <- s.Transact(ctx, func(engine.Tx) error {
					t.Error("a caller that left has the turn")
					return nil
				})
				return nil
			},
			s.adder("2", nil),
		)
		wantErrors(t, errs, nil, nil, nil)
		s.has("0", "2")
	})
}

// TestBatchStray uses a part's transaction after the part, while the batch continues.
func TestBatchStray(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		var kept engine.Tx
		errs := s.together(
			s.adder("0", func(tx engine.Tx) error {
				kept = tx
				return nil
			}),
			s.adder("1", func(engine.Tx) error {
				if err := insert(t.Context(), kept, "stray"); !errors.Is(err, sql.ErrTxDone) {
					t.Errorf("want %v, got %v", sql.ErrTxDone, err)
				}
				return nil
			}),
		)
		wantErrors(t, errs, nil, nil)
		s.has("0", "1")
	})
}

// TestBatchHeld has a commit that lasts: its callers wait for it, and the next batch gathers meanwhile.
func TestBatchHeld(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		began, end := make(chan struct{}), make(chan struct{})
		var once sync.Once
		commit := s.commit
		s.commit = func(b *batch) error {
			once.Do(func() {
				close(began)
				<-end
			})
			return commit(b)
		}
		var all sync.WaitGroup
		first := make(chan error, 1)
		all.Go(func() { first <- s.add(t.Context(), "0") })
		<-began
		for i := range 10 {
			all.Go(func() { check(t, s.add(t.Context(), fmt.Sprint(i+1))) })
		}
		s.lined(10)
		select {
		case err := <-first:
			t.Errorf("a caller did not wait for its commit: %v", err)
		default:
		}
		close(end)
		all.Wait()
		check(t, <-first)
		if !slices.Equal(s.sizes, []int{1, 10}) {
			t.Errorf("batches of %d", s.sizes)
		}
	})
}

// TestBatchStress has many callers meet every fate at random, while commits fail at random: what is stored
// in the end is what callers were told, in the order of each caller.
func TestBatchStress(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		const callers, rounds = 16, 40
		s.maxTime, s.maxTurns = 2*time.Millisecond, 10
		commit := s.commit
		commits := 0
		s.commit = func(b *batch) error {
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

// tryFate adds a thing, unless its fate is another.
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
	return s.Transact(ctx, func(tx engine.Tx) error {
		if err := insert(ctx, tx, name); err != nil {
			return err
		}
		switch fate {
		case 1:
			return errOwn
		case 2:
			panic("oh")
		case 3:
			err := inPart(ctx, tx, func() error {
				if err := insert(ctx, tx, "undone"); err != nil {
					return err
				}
				return errOwn
			})
			if !errors.Is(err, errOwn) {
				t.Error(err)
			}
		}
		return nil
	})
}
