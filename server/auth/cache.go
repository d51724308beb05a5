package auth

import (
	"context"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// freshFor is how long what is known of a token is believed without asking the store. It bounds how
	// long a token works after another process revoked it.
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
}

func newCache(tokens store.Tokens, now func() time.Time) *cache {
	return &cache{tokens: tokens, now: now, byHash: map[string]remembered{}}
}

// get returns the token with that hash as the store knew it at most freshFor ago. Tokens that the store
// does not know are not remembered.
func (c *cache) get(ctx context.Context, hash string) (store.Token, error) {
	now := c.now()
	c.mu.RLock()
	known, ok := c.byHash[hash]
	c.mu.RUnlock()
	if ok && now.Before(known.until) {
		return known.token, nil
	}
	token, err := c.tokens.TokenByHash(ctx, hash)
	if err != nil {
		c.forget(func(r remembered) bool { return r.token.Hash == hash })
		return store.Token{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byHash) >= cacheSize {
		clear(c.byHash) // rare, and cheaper than keeping an order
	}
	c.byHash[hash] = remembered{token: token, until: now.Add(freshFor)}
	return token, nil
}

// forget drops the tokens that match.
func (c *cache) forget(match func(remembered) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for hash, r := range c.byHash {
		if match(r) {
			delete(c.byHash, hash)
		}
	}
}
