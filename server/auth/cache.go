package auth

import (
	"context"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// freshFor is how long what is known of a token is believed without asking the store, unless a token
	// is revoked meanwhile.
	freshFor = time.Second
	// cacheSize bounds the tokens that are remembered, and so the memory they take.
	cacheSize = 10_000
)

// cache remembers tokens by their hash, so that requests in quick succession ask the store once.
type cache struct {
	tokens store.Tokens
	now    func() time.Time

	mu     sync.RWMutex
	byHash map[string]remembered
}

type remembered struct {
	token store.Token
	until time.Time
	// revocations is the store's number just before the token was read.
	revocations int64
}

func newCache(tokens store.Tokens, now func() time.Time) *cache {
	return &cache{tokens: tokens, now: now, byHash: map[string]remembered{}}
}

// get returns the token with that hash as the store knew it at most freshFor ago, and after the latest
// revocation of any token. Tokens that the store does not know are not remembered.
func (c *cache) get(ctx context.Context, hash string) (store.Token, error) {
	now, revocations := c.now(), c.tokens.Revocations()
	c.mu.RLock()
	known, ok := c.byHash[hash]
	c.mu.RUnlock()
	if ok && known.revocations == revocations && now.Before(known.until) {
		return known.token, nil
	}
	token, err := c.tokens.TokenByHash(ctx, hash)
	if err != nil {
		return store.Token{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byHash) >= cacheSize {
		clear(c.byHash) // rare, and cheaper than keeping an order
	}
	c.byHash[hash] = remembered{token: token, until: now.Add(freshFor), revocations: revocations}
	return token, nil
}
