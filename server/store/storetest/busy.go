package storetest

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
)

// Busy tests CountBusySessions.
func (suite) Busy() map[string]test {
	return map[string]test{
		"EachStatus": func(b *bed) {
			v := b.session()
			for status, want := range map[store.Status]int{
				store.StatusIdle: 0, store.StatusProcessing: 1, store.StatusCanceling: 1, store.StatusInterrupting: 1, store.StatusCancelled: 0,
			} {
				b.sets(b.ctx, v.ID, status)
				b.hasBusy(b.ctx, account, 10, want)
				if status.Busy() != (want == 1) {
					b.Errorf("%s: Busy is %v", status, status.Busy())
				}
			}
		},
		"Limit": func(b *bed) {
			for n, r := range b.fill(sessionKind(), 4) {
				b.hasBusy(b.ctx, account, 10, n)
				b.sets(b.ctx, r.id, store.StatusProcessing)
			}
			for _, limit := range []int{1, 3, 4, 5} {
				b.hasBusy(b.ctx, account, limit, min(4, limit))
			}
			b.hasBusy(b.ctx, other, 10, 0)
		},
		"Archived": func(b *bed) {
			v := b.session()
			b.sets(b.ctx, v.ID, store.StatusProcessing)
			_, err := sessionKind().archive(b.ctx, b, account, v.ID, b.clock.Now())
			check(b.T, err)
			b.hasBusy(b.ctx, account, 10, 1)
		},
		"Deleted": func(b *bed) {
			v := b.session()
			b.sets(b.ctx, v.ID, store.StatusProcessing)
			check(b.T, b.DeleteSession(b.ctx, account, v.ID, allowed))
			b.hasBusy(b.ctx, account, 10, 0)
		},
		"InATransaction": func(b *bed) {
			v := b.session()
			fails(b.T, "transaction", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
				b.sets(ctx, v.ID, store.StatusCanceling)
				b.hasBusy(ctx, account, 10, 1)
				return errStop
			}))
			b.hasBusy(b.ctx, account, 10, 0)
		},
	}
}

// sets sets a session's status.
func (b *bed) sets(ctx context.Context, session string, status store.Status) {
	b.Helper()
	_, err := b.UpdateSession(ctx, account, session, func(v *store.Session) error {
		v.Status = status
		return nil
	})
	check(b.T, err)
}

func (b *bed) hasBusy(ctx context.Context, account string, limit, want int) {
	b.Helper()
	got, err := b.CountBusySessions(ctx, account, limit)
	check(b.T, err)
	equal(b.T, "busy sessions", want, got)
}
