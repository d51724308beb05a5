package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

var errOwn = errors.New("own")

// batches is a store whose batches a test can arrange.
type batches struct {
	*Store
	t      *testing.T
	engine *sqliteEngine

	mu    sync.Mutex
	sizes []int // of the batches committed, or tried, after their holder's
}

// onBatches runs a test on a file and in memory.
func onBatches(t *testing.T, run func(t *testing.T, s *batches)) {
	t.Parallel()
	for name, dsn := range map[string]string{
		"memory": "sqlite::memory:", "file": "sqlite:" + filepath.Join(t.TempDir(), "test.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openTest(t, dsn)
			b := &batches{Store: s, t: t, engine: s.db.engine.(*sqliteEngine)}
			b.engine.maxTime = time.Hour // how slow the machine is must not matter
			b.commits(b.engine.commit)
			run(t, b)
		})
	}
}

// commits has batches commit with the given function.
func (s *batches) commits(commit func(b *sqliteBatch) error) {
	s.engine.commit = func(b *sqliteBatch) error {
		s.mu.Lock()
		s.sizes = append(s.sizes, b.kept)
		s.mu.Unlock()
		return commit(b)
	}
}

// add stores an environment with that name.
func (s *batches) add(ctx context.Context, name string) error {
	spec := store.EnvironmentSpec{Name: name, Config: []byte("{}")}
	_, err := s.CreateEnvironment(ctx, "acc", spec)
	return err
}

// names returns the names of the environments that are stored, sorted.
func (s *batches) names() []string {
	s.t.Helper()
	list, err := s.ListEnvironments(context.Background(), "acc", store.Page{Limit: 10000})
	check(s.t, err)
	names := []string{}
	for _, e := range list.Items {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

// together makes the calls one batch, in that order: it holds the turn until all of them are in line. It
// returns their errors.
func (s *batches) together(calls ...func() error) []error {
	s.t.Helper()
	errs := make([]error, len(calls))
	var all sync.WaitGroup
	err := s.Atomically(context.Background(), func(context.Context) error {
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

// lined waits until n callers are in line.
func (s *batches) lined(n int) {
	for {
		s.engine.line.mu.Lock()
		waiting := len(s.engine.line.waiting)
		s.engine.line.mu.Unlock()
		if waiting == n {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// adder returns a call that adds an environment and then does what then does, if anything.
func (s *batches) adder(name string, then func(ctx context.Context) error) func() error {
	return func() error {
		return s.Atomically(context.Background(), func(ctx context.Context) error {
			if err := s.add(ctx, name); err != nil || then == nil {
				return err
			}
			return then(ctx)
		})
	}
}

func (s *batches) has(want ...string) {
	s.t.Helper()
	if got := s.names(); !slices.Equal(got, want) {
		s.t.Errorf("want %q stored, got %q", want, got)
	}
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
		s.engine.maxTime = 0
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
				panics := func(context.Context) error { panic("oh") }
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
					"kept": s.adder("0", nil), "error": s.adder("0", func(context.Context) error { return errOwn }),
					"panic": caught(s.adder("0", panics)),
				}
				want := map[string]error{"error": errOwn}
				errs := s.together(
					calls[first],
					s.adder("1", nil),
					s.adder("2", func(context.Context) error { return errOwn }),
					s.adder("3", nil),
					caught(s.adder("4", panics)),
					s.adder("5", nil),
					s.adder("6", func(context.Context) error { runtime.Goexit(); return nil }),
					s.adder("7", func(ctx context.Context) error { // a part of a part fails
						err := s.Atomically(ctx, func(ctx context.Context) error {
							check(t, s.add(ctx, "7a"))
							check(t, s.Atomically(ctx, func(ctx context.Context) error { return s.add(ctx, "7b") }))
							return errOwn
						})
						if err != errOwn {
							t.Error(err)
						}
						return s.Atomically(ctx, func(ctx context.Context) error { return s.add(ctx, "7c") })
					}),
					func() error { // a context ends while its caller has the turn
						return s.Atomically(cancelled, func(ctx context.Context) error {
							check(t, s.add(ctx, "8"))
							cancel()
							if err := s.add(ctx, "8a"); err != context.Canceled {
								t.Errorf("a write in an ended context: %v", err)
							}
							return nil
						})
					},
					s.adder("9", func(ctx context.Context) error { // a statement fails, and its caller goes on
						if _, err := s.exec(ctx, "INSERT INTO tokens (id) VALUES (NULL)"); err == nil {
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
		agent, err := s.CreateAgent(ctx, "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
		check(t, err)
		environment, err := s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
		check(t, err)
		s.sizes = nil
		var ids []string // in the order of the turns
		s.newID = func(prefix string) string {
			if prefix != "sess" {
				return newID(prefix)
			}
			id := ids[0]
			ids = ids[1:]
			return id
		}
		create := func() error {
			_, err := s.CreateSession(ctx, "acc", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
			return err
		}
		stored := func(want ...string) {
			t.Helper()
			list, err := s.ListSessions(ctx, "acc", store.SessionFilter{}, store.Page{Limit: 100})
			check(t, err)
			var got []string
			for _, v := range list.Items {
				got = append(got, v.ID)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("want %q stored, got %q", want, got)
			}
		}
		ids = []string{"sess_1", "sess_2", "sess_1", "sess_3", "sess_4"}
		errs := s.together(create, create, create, create,
			func() error {
				_, err := s.CreateSession(ctx, "acc", store.SessionSpec{AgentID: agent.ID, EnvironmentID: "env_none"})
				return err
			},
			s.adder("mixed", nil), create)
		if errs[2] == nil || !errors.Is(errs[4], store.ErrNotFound) {
			t.Errorf("an id that is there, and an environment that is not: %v", errs)
		}
		errs[2], errs[4] = nil, nil
		check(t, errors.Join(errs...))
		stored("sess_1", "sess_2", "sess_3", "sess_4")
		if !slices.Equal(s.sizes, []int{5}) {
			t.Errorf("batches of %d", s.sizes)
		}

		// What has ended can be undone only with all of the batch, which must not be kept half.
		late := func() error {
			return s.Atomically(ctx, func(ctx context.Context) error {
				check(t, s.finish(ctx, `UPDATE environments SET name = 'late' WHERE id = $1`, environment.ID))
				return errOwn
			})
		}
		ids = []string{"sess_5", "sess_6"}
		errs = s.together(create, late, create)
		for i, err := range errs[:2] {
			if !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("caller %d: %v", i, err)
			}
		}
		check(t, errs[2]) // it begins another batch
		stored("sess_1", "sess_2", "sess_3", "sess_4", "sess_6")
	})
}

// TestBatchCommitFails has commits that fail: of their own accord, with the connection, and before they
// begin. All callers must know, those included whose error rests on what others did.
func TestBatchCommitFails(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		commit := s.engine.commit
		for name, fail := range map[string]func(b *sqliteBatch) error{
			"injected": func(*sqliteBatch) error { return errOwn },
			"constraint": func(b *sqliteBatch) error {
				check(t, b.run(t.Context(), "PRAGMA defer_foreign_keys = on"))
				check(t, b.run(t.Context(), `INSERT INTO agent_versions VALUES
					('acc', 'none', 1, '', '', '', '', '[]', '[]', '[]', '', '{}', 0)`))
				return b.run(t.Context(), "COMMIT")
			},
			"rolled back": func(b *sqliteBatch) error {
				check(t, b.run(t.Context(), "ROLLBACK"))
				return b.run(t.Context(), "COMMIT")
			},
			"closed": func(b *sqliteBatch) error {
				check(t, b.conn.Close()) // back to the pool, in a transaction
				return b.run(t.Context(), "COMMIT")
			},
		} {
			s.engine.commit = fail
			errs := s.together(
				s.adder("0", nil),
				s.adder("1", func(context.Context) error { return errOwn }),
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
			s.engine.commit = commit
			s.has()
			check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
				check(t, s.add(ctx, "x"))
				return s.DeleteEnvironment(ctx, "acc", s.only(ctx))
			}))
		}
	})
}

// only returns the id of the one environment.
func (s *batches) only(ctx context.Context) string {
	s.t.Helper()
	list, err := s.ListEnvironments(ctx, "acc", store.Page{Limit: 2})
	check(s.t, err)
	if len(list.Items) != 1 {
		s.t.Fatalf("%d environments", len(list.Items))
	}
	return list.Items[0].ID
}

// TestBatchLost has the database give up a transaction during one caller's part, as it may when the disk
// is full. Those before it must know; those after it begin anew.
func TestBatchLost(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		errs := s.together(
			s.adder("0", nil),
			s.adder("1", func(context.Context) error { return errOwn }),
			s.adder("2", func(ctx context.Context) error {
				_, err := s.exec(ctx, "ROLLBACK")
				check(t, err)
				_, err = s.exec(ctx, "INSERT INTO tokens (id) VALUES (NULL)") // fails, and is suspect
				if err == nil {
					t.Error("a NULL is stored")
				}
				if err := s.add(ctx, "2a"); !errors.Is(err, sql.ErrTxDone) {
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
				return s.Atomically(ctx, func(ctx context.Context) error {
					canceller.Go(func() {
						time.Sleep(time.Millisecond)
						cancel()
					})
					_, err := s.exec(ctx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
						INSERT INTO tokens (account_id, id, name, hash, created_at) SELECT '', i, '', i, i FROM n`)
					<-ctx.Done() // where the write was faster
					return err
				})
			},
			s.adder("2", nil),
		)
		canceller.Wait()
		wantErrors(t, errs, nil, context.Canceled, nil)
		s.has("0", "2")
		tokens, err := s.ListTokens(t.Context(), "")
		check(t, err)
		if len(tokens) != 0 {
			t.Errorf("%d tokens of a cancelled caller", len(tokens))
		}
	})
}

// TestBatchLeave has a caller leave the line while another has the turn.
func TestBatchLeave(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		errs := s.together(
			s.adder("0", func(context.Context) error {
				cancel()
				if err := <-left; err != context.Canceled { // now, not when it would have been its turn
					t.Error(err)
				}
				return nil
			}),
			func() error {
				left <- s.Atomically(ctx, func(context.Context) error {
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

// TestBatchStray uses a part's context after the part, while the batch goes on.
func TestBatchStray(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		var kept context.Context
		errs := s.together(
			s.adder("0", func(ctx context.Context) error {
				kept = ctx
				return nil
			}),
			s.adder("1", func(context.Context) error {
				if err := s.add(kept, "stray"); !errors.Is(err, sql.ErrTxDone) {
					t.Errorf("want %v, got %v", sql.ErrTxDone, err)
				}
				return nil
			}),
		)
		wantErrors(t, errs, nil, nil)
		s.has("0", "1")
	})
}

// TestBatchHeld has a commit under way: its callers wait for it, and the next batch gathers meanwhile.
func TestBatchHeld(t *testing.T) {
	onBatches(t, func(t *testing.T, s *batches) {
		began, end := make(chan struct{}), make(chan struct{})
		var once sync.Once
		commit := s.engine.commit
		s.engine.commit = func(b *sqliteBatch) error {
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
