package auth

import (
	"context"
	"time"

	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// freshFor is how long a token is used without reading it again, unless a token is revoked meanwhile.
	freshFor = time.Second
	// cacheSize bounds the tokens that are cached.
	cacheSize = 10_000
)

// tokenCache caches tokens by their hash, so that requests in quick succession read the store once.
type tokenCache struct {
	tokens store.Tokens
	now    func() time.Time
	byHash *cache.Cache[string, cachedToken]
}

type cachedToken struct {
	token store.Token
	until time.Time
	// revocations is the store's number just before the token was read.
	revocations int64
}

func newTokenCache(tokens store.Tokens, now func() time.Time) *tokenCache {
	return &tokenCache{tokens: tokens, now: now, byHash: cache.New[string, cachedToken](cacheSize)}
}

// get returns the token with that hash as it was in the store at most freshFor ago, and after the latest revocation of
// any token. A token that the store does not have is not cached.
func (c *tokenCache) get(ctx context.Context, hash string) (store.Token, error) {
	now, revocations := c.now(), c.tokens.Revocations()
	if cached, ok := c.byHash.Get(hash); ok && cached.revocations == revocations && now.Before(cached.until) {
		return cached.token, nil
	}
	token, err := c.tokens.TokenByHash(ctx, hash)
	if err != nil {
		return store.Token{}, err
	}
	c.byHash.Add(hash, cachedToken{token: token, until: now.Add(freshFor), revocations: revocations}, 1)
	return token, nil
}
