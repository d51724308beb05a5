package sqlstore

import (
	"context"
	"sync"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// workBells wake the polls that wait for the work of an environment. The zero value is ready for use.
type workBells struct {
	mu    sync.Mutex
	bells map[environmentKey]*workBell
}

type environmentKey struct{ account, environment string }

type workBell struct {
	engine.Bell
	waiting int // guarded by workBells
}

// AwaitWork implements store.Work.
func (s *Store) AwaitWork(account, environment string) (queued <-chan struct{}, release func()) {
	b, key := &s.workBells, environmentKey{account, environment}
	b.mu.Lock()
	defer b.mu.Unlock()
	bell := b.bells[key]
	if bell == nil {
		if b.bells == nil {
			b.bells = map[environmentKey]*workBell{}
		}
		bell = &workBell{}
		b.bells[key] = bell
	}
	bell.waiting++
	return bell.Rung(), sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if bell.waiting--; bell.waiting == 0 {
			delete(b.bells, key)
		}
	})
}

// ring wakes those who wait for the environment's work.
func (b *workBells) ring(key environmentKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bell := b.bells[key]; bell != nil {
		bell.Ring()
	}
}

// ringAll wakes all who wait.
func (b *workBells) ringAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bell := range b.bells {
		bell.Ring()
	}
}

// workQueued wakes the polls of the environment, in every process, once ctx's transaction has committed.
func (s *Store) workQueued(ctx context.Context, account, environment string) error {
	s.afterCommit(ctx, func() { s.workBells.ring(environmentKey{account, environment}) })
	return s.notify(ctx, note{Account: account, Work: environment})
}
