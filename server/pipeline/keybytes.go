package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// keySize is what a key occupies besides its response, in bytes, about.
	keySize = 512
	// keyAccounts bounds the accounts whose bytes are remembered.
	keyAccounts = 10_000
	// reconsider is how long an account whose keys are at the bound is refused before they are counted again.
	reconsider = time.Second
)

// keyBytes bounds what the idempotency keys of an account occupy (decision "Recorded responses"). It reads that from the
// store and adds what this process records; it reads again after a sixteenth of the bound. So all processes together
// exceed the bound by at most a sixteenth each.
type keyBytes struct {
	store    store.Keys
	most     int64
	accounts *cache.Cache[string, *accountBytes]
}

// accountBytes is what is known of one account.
type accountBytes struct {
	mu           sync.Mutex
	total, added int64 // in all, and since it was read
	readAt       time.Time
}

func newKeyBytes(s store.Keys, most int64) *keyBytes {
	return &keyBytes{store: s, most: most, accounts: cache.New[string, *accountBytes](keyAccounts)}
}

// check returns a *fullError when the account's keys occupy what they may.
func (k *keyBytes) check(ctx context.Context, account string) error {
	a := k.account(account)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.readAt.IsZero() || a.added >= k.most/16 || a.total >= k.most && time.Since(a.readAt) >= reconsider {
		total, err := k.store.KeyBytes(ctx, account)
		if err != nil {
			return err
		}
		a.total, a.added, a.readAt = total, 0, time.Now()
	}
	if a.total >= k.most {
		return &fullError{k.most}
	}
	return nil
}

// add counts a key that is about to be recorded.
func (k *keyBytes) add(account string, bytes int) {
	a := k.account(account)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total += int64(bytes)
	a.added += int64(bytes)
}

func (k *keyBytes) account(account string) *accountBytes {
	if a, ok := k.accounts.Get(account); ok {
		return a
	}
	a := &accountBytes{}
	k.accounts.Add(account, a, 1)
	return a
}

// fullError is a new key of an account whose keys occupy what they may. Its text is for callers.
type fullError struct{ most int64 }

func (e *fullError) Error() string {
	return fmt.Sprintf("The account's idempotency keys of the last 24 hours occupy %d bytes, which is all that they may; "+
		"try again later, or send the request without a key.", e.most)
}

// Problem implements problem.Error.
func (e *fullError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeRateLimitError, Param: "Idempotency-Key", Message: e.Error(), RetryAfter: time.Minute}
}
