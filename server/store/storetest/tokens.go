package storetest

import (
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// Tokens tests the methods of tokens.
func (suite) Tokens() map[string]test {
	return map[string]test{
		"Create": func(b *bed) {
			expires := b.clock.Now().Add(time.Hour)
			cutExpires := expires.UTC().Truncate(time.Microsecond)
			got, err := b.CreateToken(b.ctx, store.NewToken{Account: account, Name: "ci", Hash: "h1", ExpiresAt: &expires})
			check(b.T, err)
			equal(b.T, "token", store.Token{
				ID: "tok_000001", Account: account, Name: "ci", Hash: "h1",
				CreatedAt: b.clock.stamp(), ExpiresAt: &cutExpires,
			}, got)
			utc(b.T, got.CreatedAt, *got.ExpiresAt)
			read, err := b.TokenByHash(b.ctx, "h1")
			check(b.T, err)
			equal(b.T, "token read", got, read)
			utc(b.T, read.CreatedAt, *read.ExpiresAt)
		},
		"HashExists": func(b *bed) {
			first := b.token(account, "h1")
			for _, acc := range []string{account, other} {
				_, err := b.CreateToken(b.ctx, store.NewToken{Account: acc, Hash: "h1"})
				fails(b.T, "second token of "+acc, store.ErrExists, err)
			}
			got, err := b.TokenByHash(b.ctx, "h1")
			check(b.T, err)
			equal(b.T, "first token", first, got)
		},
		"ByHash": func(b *bed) {
			_, err := b.TokenByHash(b.ctx, "h1")
			fails(b.T, "unknown hash", store.ErrNotFound, err)
			past := b.clock.stamp().Add(-time.Hour)
			expired, err := b.CreateToken(b.ctx, store.NewToken{Account: account, Hash: "h1", ExpiresAt: &past})
			check(b.T, err)
			revoked, err := b.RevokeToken(b.ctx, b.token(account, "h2").ID)
			check(b.T, err)
			for _, want := range []store.Token{expired, revoked} {
				got, err := b.TokenByHash(b.ctx, want.Hash)
				check(b.T, err)
				equal(b.T, "token", want, got)
			}
		},
		"List": func(b *bed) {
			none, err := b.ListTokens(b.ctx, account)
			check(b.T, err)
			equal(b.T, "no tokens", []store.Token{}, none)
			first := b.token(account, "h1")
			tied := b.token(account, "h2")
			b.clock.advance(time.Second)
			foreign := b.token(other, "h3")
			b.clock.advance(time.Second)
			last := b.token(account, "h4")
			for acc, want := range map[string][]store.Token{
				account: {last, tied, first}, other: {foreign}, "": {last, foreign, tied, first}, "acc_unknown": {},
			} {
				got, err := b.ListTokens(b.ctx, acc)
				check(b.T, err)
				equal(b.T, "tokens of '"+acc+"'", want, got)
			}
		},
		"Extend": func(b *bed) {
			_, err := b.ExtendToken(b.ctx, "tok_unknown", b.clock.Now())
			fails(b.T, "unknown token", store.ErrNotFound, err)
			want, bystander := b.token(account, "h1"), b.token(account, "h2")
			for _, at := range []time.Time{b.clock.Now().Add(time.Hour), b.clock.Now().Add(time.Minute)} {
				cut := at.UTC().Truncate(time.Microsecond)
				want.ExpiresAt = &cut
				got, err := b.ExtendToken(b.ctx, want.ID, at)
				check(b.T, err)
				equal(b.T, "extended token", want, got)
				read, err := b.TokenByHash(b.ctx, "h1")
				check(b.T, err)
				equal(b.T, "token read", want, read)
			}
			got, err := b.TokenByHash(b.ctx, "h2")
			check(b.T, err)
			equal(b.T, "another token", bystander, got)
		},
		"Revoke": func(b *bed) {
			_, err := b.RevokeToken(b.ctx, "tok_unknown")
			fails(b.T, "unknown token", store.ErrNotFound, err)
			want := b.token(account, "h1")
			bystander := b.token(account, "h2")
			b.clock.advance(time.Minute)
			at := b.clock.stamp()
			want.RevokedAt = &at
			for range 2 { // the second time it keeps its time
				before := b.Revocations()
				got, err := b.RevokeToken(b.ctx, want.ID)
				check(b.T, err)
				if b.Revocations() == before {
					b.Error("Revocations is the same after a revocation")
				}
				equal(b.T, "revoked token", want, got)
				utc(b.T, *got.RevokedAt)
				b.clock.advance(time.Minute)
			}
			got, err := b.TokenByHash(b.ctx, "h2")
			check(b.T, err)
			equal(b.T, "another token", bystander, got)
		},
	}
}

func (b *bed) token(acc, hash string) store.Token {
	b.Helper()
	t, err := b.CreateToken(b.ctx, store.NewToken{Account: acc, Name: "n", Hash: hash})
	check(b.T, err)
	return t
}
