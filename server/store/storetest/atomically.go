package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"

	"github.com/cloud-sessions/sessions/server/store"
)

// errStop is what tests make a transaction fail with.
var errStop = errors.New("stop")

// Atomically tests transactions.
func (suite) Atomically() map[string]test {
	return map[string]test{
		"Commit": func(b *bed) {
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				a, err := b.CreateAgent(ctx, account, agentSpec())
				check(b.T, err)
				_, err = b.GetAgent(ctx, account, a.ID, 0) // it sees what it did
				check(b.T, err)
				_, err = b.CreateAgent(ctx, account, agentSpec())
				return err
			}))
			b.hasAgents(2)
		},
		"Rollback": func(b *bed) {
			err := b.Atomically(b.ctx, func(ctx context.Context) error {
				b.everyWrite(ctx)
				return errStop
			})
			if err != errStop { // as it is, not wrapped
				b.Errorf("want the error of fn, got %v", err)
			}
			b.hasNothing()
		},
		"UndoneAgents": func(b *bed) {
			hold := func(ctx context.Context, name string) {
				spec := agentSpec()
				spec.Name = name
				agent, err := b.CreateAgent(ctx, account, spec)
				check(b.T, err)
				agent, err = b.UpdateAgent(ctx, account, agent.ID, 1, func(*store.AgentSpec) error { return nil })
				check(b.T, err)
				environment, err := b.CreateEnvironment(ctx, account, environmentSpec())
				check(b.T, err)
				for _, version := range []int32{1, 2} {
					v, err := b.CreateSession(ctx, account, store.SessionSpec{AgentID: agent.ID, AgentVersion: version, EnvironmentID: environment.ID})
					check(b.T, err)
					equal(b.T, "agent of the new session", name, v.Agent.Name)
					v, err = b.GetSession(ctx, account, v.ID)
					check(b.T, err)
					equal(b.T, "agent of the session", name, v.Agent.Name)
				}
				list, err := b.ListSessions(ctx, account, store.SessionFilter{}, store.Page{Limit: 10})
				check(b.T, err)
				for _, v := range list.Items {
					equal(b.T, "agent of the listed session", name, v.Agent.Name)
				}
			}
			for _, undo := range []func(ctx context.Context, fn func(ctx context.Context) error) error{
				b.Atomically,
				func(ctx context.Context, fn func(ctx context.Context) error) error {
					var undone error
					check(b.T, b.Atomically(ctx, func(ctx context.Context) error {
						undone = b.Atomically(ctx, fn)
						return nil
					}))
					return undone
				},
			} {
				b.ids.restart()
				fails(b.T, "transaction", errStop, undo(b.ctx, func(ctx context.Context) error {
					hold(ctx, "undone")
					return errStop
				}))
			}
			b.ids.restart() // so that ids and versions come again
			hold(b.ctx, "kept")
		},
		"NestedRollbackAlone": func(b *bed) {
			var kept []string
			keep := func(ctx context.Context) {
				a, err := b.CreateAgent(ctx, account, agentSpec())
				check(b.T, err)
				kept = append(kept, a.ID)
			}
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				keep(ctx)
				err := b.Atomically(ctx, func(ctx context.Context) error {
					b.everyWrite(ctx)
					check(b.T, b.Atomically(ctx, func(ctx context.Context) error {
						b.everyWrite(ctx)
						return nil
					}))
					return errStop
				})
				if err != errStop {
					b.Errorf("want the error of fn, got %v", err)
				}
				check(b.T, b.Atomically(ctx, func(ctx context.Context) error {
					keep(ctx)
					return nil
				}))
				keep(ctx)
				return nil
			}))
			list, err := b.ListAgents(b.ctx, account, store.Page{Limit: 10, Ascending: true})
			check(b.T, err)
			equal(b.T, "agents", kept, ids(toRows(list, agentRow).Items))
		},
		"NestedCommitRolledBack": func(b *bed) {
			err := b.Atomically(b.ctx, func(ctx context.Context) error {
				check(b.T, b.Atomically(ctx, func(ctx context.Context) error {
					b.everyWrite(ctx)
					return nil
				}))
				return errStop
			})
			fails(b.T, "outer", errStop, err)
			b.hasNothing()
		},
		"FailedCallAlone": func(b *bed) {
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				for range 2 { // the second time it exists
					_, err := b.CreateToken(ctx, store.NewToken{Account: account, Hash: "h"})
					if err != nil && !errors.Is(err, store.ErrExists) {
						return err
					}
				}
				_, err := b.CreateSession(ctx, account, store.SessionSpec{AgentID: "agent_x", EnvironmentID: "env_x"})
				fails(b.T, "session", store.ErrNotFound, err)
				_, err = b.CreateAgent(ctx, account, agentSpec())
				return err
			}))
			b.hasAgents(1)
		},
		"Panic": func(b *bed) {
			func() {
				defer func() { equal[any](b.T, "panic", "oh", recover()) }()
				_ = b.Atomically(b.ctx, func(ctx context.Context) error {
					b.everyWrite(ctx)
					return b.Atomically(ctx, func(ctx context.Context) error {
						b.everyWrite(ctx)
						panic("oh")
					})
				})
			}()
			b.hasNothing()
		},
		"Goexit": func(b *bed) {
			var done sync.WaitGroup
			done.Go(func() {
				_ = b.Atomically(b.ctx, func(ctx context.Context) error {
					b.everyWrite(ctx)
					runtime.Goexit()
					return nil
				})
			})
			done.Wait()
			b.hasNothing()
		},
		"Cancelled": func(b *bed) {
			for range 10 { // often, as what ends the transaction is a race
				ctx, cancel := context.WithCancel(b.ctx)
				err := b.Atomically(ctx, func(ctx context.Context) error {
					b.everyWrite(ctx)
					cancel()
					return nil
				})
				fails(b.T, "commit", context.Canceled, err)
				ctx, cancel = context.WithCancel(b.ctx)
				err = b.Atomically(ctx, func(ctx context.Context) error {
					b.everyWrite(ctx)
					cancel()
					_, err := b.CreateAgent(ctx, account, agentSpec())
					return err
				})
				fails(b.T, "write", context.Canceled, err)
				b.hasNothing()
			}
		},
		"NestedCancelled": func(b *bed) {
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				part, cancel := context.WithCancel(ctx)
				err := b.Atomically(part, func(ctx context.Context) error {
					b.everyWrite(ctx)
					cancel()
					return ctx.Err()
				})
				fails(b.T, "part", context.Canceled, err)
				_, err = b.CreateAgent(ctx, account, agentSpec())
				return err
			}))
			b.hasAgents(1)
		},
		"CancelledWhileWaiting": func(b *bed) {
			check(b.T, b.Atomically(b.ctx, func(outer context.Context) error {
				_, err := b.ClaimKey(outer, key("k")) // so that others wait for this transaction
				check(b.T, err)
				ctx, cancel := context.WithCancel(b.ctx)
				waiting := make(chan error)
				go func() {
					_, err := b.ClaimKey(ctx, key("k"))
					waiting <- err
				}()
				cancel()
				fails(b.T, "claim", context.Canceled, <-waiting)
				_, err = b.CreateAgent(outer, account, agentSpec())
				return err
			}))
			b.hasAgents(1)
		},
		"PartsOfGoroutines": func(b *bed) {
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				each(b.T, 16, func(i int) error {
					err := b.Atomically(ctx, func(ctx context.Context) error {
						if _, err := b.CreateAgent(ctx, account, agentSpec()); err != nil || i%2 == 0 {
							return err
						}
						return errStop
					})
					if i%2 == 1 && err == errStop {
						err = nil
					}
					return err
				})
				return nil
			}))
			b.hasAgents(8)
		},
		"ConcurrentAlone": func(b *bed) { // none knows what becomes of the others
			each(b.T, 40, func(i int) (err error) {
				ctx, cancel := context.WithCancel(b.ctx)
				defer cancel()
				want := error(nil)
				defer func() {
					if thrown := recover(); thrown != nil {
						equal[any](b.T, "panic", "oh", thrown)
					}
				}()
				err = b.Atomically(ctx, func(ctx context.Context) error {
					if _, err := b.CreateAgent(ctx, account, agentSpec()); err != nil {
						return err
					}
					switch i % 4 {
					case 1:
						want = errStop
						return errStop
					case 2:
						panic("oh")
					case 3:
						want = context.Canceled
						cancel()
					}
					return nil
				})
				if want != nil && errors.Is(err, want) {
					return nil
				}
				return err
			})
			b.hasAgents(10)
		},
		"Concurrent": func(b *bed) {
			const writers, rounds = 16, 25
			each(b.T, writers, func(int) error { return count(b.ctx, b, rounds) })
			b.counted(writers * rounds)
		},
	}
}

// count adds rounds to a number that the store keeps, one at a time: each time it reads the number and
// writes the next one, under a key that makes others wait.
func count(ctx context.Context, s store.Store, rounds int) error {
	for range rounds {
		err := s.Atomically(ctx, func(ctx context.Context) error {
			if _, err := s.ClaimKey(ctx, key("counter")); err != nil {
				return err
			}
			newest, err := s.ListEnvironments(ctx, account, store.Page{Limit: 1})
			if err != nil {
				return err
			}
			n := 0
			if len(newest.Items) > 0 {
				if n, err = strconv.Atoi(newest.Items[0].Name); err != nil {
					return err
				}
			}
			spec := environmentSpec()
			spec.Name = strconv.Itoa(n + 1)
			_, err = s.CreateEnvironment(ctx, account, spec)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// counted fails the test unless the number that count adds to is n.
func (b *bed) counted(n int) {
	b.Helper()
	newest, err := b.ListEnvironments(b.ctx, account, store.Page{Limit: 1})
	check(b.T, err)
	equal(b.T, "counter", fmt.Sprint(n), newest.Items[0].Name)
}

// hasAgents fails the test unless the account has n agents, the seed aside.
func (b *bed) hasAgents(n int) {
	b.Helper()
	list, err := b.ListAgents(b.ctx, account, store.Page{Limit: 100})
	check(b.T, err)
	equal(b.T, "agents", n, len(list.Items))
}
