package storetest

import (
	"context"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// EventsUndone tests that nothing remains of an append that fails, in whatever way.
func (suite) EventsUndone() map[string]test {
	tests := map[string]test{}
	for name, fail := range map[string]func(b *bed, id string){
		"Error": func(b *bed, id string) {
			got, events, err := b.AppendEvents(b.ctx, account, id, startThen(func() error { return errStop }))
			if err != errStop { // as it is, not wrapped
				b.Errorf("want the error of the change, got %v", err)
			}
			equal(b.T, "session", store.Session{}, got)
			equal(b.T, "events", 0, len(events))
		},
		"Panic": func(b *bed, id string) {
			defer func() { equal[any](b.T, "panic", "oh", recover()) }()
			_, _, _ = b.AppendEvents(b.ctx, account, id, startThen(func() error { panic("oh") }))
		},
		"EndedContext": func(b *bed, id string) {
			ctx, cancel := context.WithCancel(b.ctx)
			_, _, err := b.AppendEvents(ctx, account, id, startThen(func() error {
				cancel()
				return nil
			}))
			fails(b.T, "append", context.Canceled, err)
		},
		"Transaction": func(b *bed, id string) {
			err := b.Atomically(b.ctx, func(ctx context.Context) error {
				b.starts(ctx, id)
				return errStop
			})
			fails(b.T, "transaction", errStop, err)
		},
		"TransactionOfPart": func(b *bed, id string) {
			err := b.Atomically(b.ctx, func(ctx context.Context) error {
				check(b.T, b.Atomically(ctx, func(ctx context.Context) error {
					b.starts(ctx, id)
					return nil
				}))
				return errStop
			})
			fails(b.T, "transaction", errStop, err)
		},
		"Part": func(b *bed, id string) {
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				err := b.Atomically(ctx, func(ctx context.Context) error {
					b.starts(ctx, id)
					return errStop
				})
				fails(b.T, "part", errStop, err)
				return nil
			}))
		},
		"FailedChangeInTransaction": func(b *bed, id string) {
			check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
				_, _, err := b.AppendEvents(ctx, account, id, startThen(func() error { return errStop }))
				fails(b.T, "append", errStop, err)
				return nil
			}))
		},
	} {
		tests[name] = func(b *bed) {
			v := b.session()
			log := b.append(v.ID, someEvents()...)
			b.clock.advance(time.Hour)
			fail(b, v.ID)
			b.reads(sessionKind(), account, sessionRow(v))
			b.hasLog(account, v.ID, log)
			b.hasLog(account, v.ID, append(log, b.append(v.ID, someEvents()...)...))
		}
	}
	tests["PartAlone"] = func(b *bed) { // what comes before and after a part stays
		v := b.session()
		var want []store.Event
		add := func(ctx context.Context) {
			added, err := appended(ctx, b, account, v.ID, someEvents()...)
			check(b.T, err)
			want = append(want, added...)
		}
		check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
			add(ctx)
			err := b.Atomically(ctx, func(ctx context.Context) error {
				b.starts(ctx, v.ID)
				return errStop
			})
			fails(b.T, "part", errStop, err)
			add(ctx)
			list, err := b.ListEvents(ctx, account, v.ID, store.EventFilter{}, wholeLog())
			check(b.T, err)
			equal(b.T, "log in the transaction", want, list.Items)
			return nil
		}))
		b.reads(sessionKind(), account, sessionRow(v))
		b.hasLog(account, v.ID, want)
	}
	return tests
}

// startThen returns a change that starts a turn and adds events, and then calls then.
func startThen(then func() error) func(*store.Session) ([]store.NewEvent, error) {
	return func(s *store.Session) ([]store.NewEvent, error) {
		s.Status, s.Turn, s.Usage.OutputTokens = store.StatusProcessing, store.Turn{ID: "turn_2", Lease: 2}, 9
		return someEvents(), then()
	}
}

// starts starts a turn with events.
func (b *bed) starts(ctx context.Context, id string) {
	b.Helper()
	_, _, err := b.AppendEvents(ctx, account, id, startThen(no))
	check(b.T, err)
}
