// Package auth turns access tokens into principals: it mints, hashes and checks them. It imports the store's and the
// errors' vocabulary, the cache and the standard library.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

// Prefix starts every token (decision "Tokens").
const Prefix = "pt-"

// Error says why a request is not authenticated. Its text is for callers.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

// Problem implements problem.Error.
func (e *Error) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeAuthenticationError, Message: e.Message}
}

// Principal is whom a request acts for.
type Principal struct {
	// Account owns everything that the request can see.
	Account string
	// TokenID names the token, for logs.
	TokenID string
	// Token identifies the token to Check and Hold. It is not the token itself.
	Token string
	// Scope is what the token opens.
	Scope store.TokenScope
}

// Authenticator checks tokens against the store.
type Authenticator struct {
	cache    *tokenCache
	sessions Sessions
	now      func() time.Time
	holds    holds
}

// Store is what an Authenticator uses of the store.
type Store interface {
	store.Tokens
	Sessions
}

// New returns an Authenticator over a store. It relies on what it read of a token for a second, unless a token is
// revoked meanwhile: expiry and revocation take effect at once.
func New(s Store, now func() time.Time) *Authenticator {
	return &Authenticator{cache: newTokenCache(s, now), sessions: s, now: now}
}

// Authenticate returns the principal of a request's bearer token. A token that is missing, malformed,
// unknown, expired or revoked is an *Error; anything else is a failure of the store. The token of a work item that has ended
// is left to Authorize.
func (a *Authenticator) Authenticate(ctx context.Context, header http.Header) (Principal, error) {
	token, err := bearer(header)
	if err != nil {
		return Principal{}, err
	}
	hash := Hash(token)
	known, err := a.known(ctx, hash)
	if err != nil {
		return Principal{}, err
	}
	return Principal{Account: known.Account, TokenID: known.ID, Token: hash, Scope: known.Scope}, nil
}

// Check returns nil while a principal's token is valid. Its errors are those of Authenticate; that a work item has ended is
// another one.
func (a *Authenticator) Check(ctx context.Context, token string) error {
	_, err := a.check(ctx, token)
	return err
}

// check returns the token with that hash, unless it is not valid or its work item has ended.
func (a *Authenticator) check(ctx context.Context, hash string) (store.Token, error) {
	known, err := a.known(ctx, hash)
	if err == nil && known.Scope.Ended {
		err = errEnded
	}
	return known, err
}

// known returns the token with that hash, unless it is not valid.
func (a *Authenticator) known(ctx context.Context, hash string) (store.Token, error) {
	known, err := a.cache.get(ctx, hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Token{}, &Error{"Invalid API key or token."}
	case err != nil:
		return store.Token{}, err
	case subtle.ConstantTimeCompare([]byte(known.Hash), []byte(hash)) != 1:
		return store.Token{}, &Error{"Invalid API key or token."}
	case known.RevokedAt != nil:
		return store.Token{}, &Error{"The token has been revoked."}
	}
	return known, a.expired(known)
}

// expired returns an *Error once the token has expired.
func (a *Authenticator) expired(t store.Token) error {
	if t.ExpiresAt != nil && !a.now().Before(*t.ExpiresAt) {
		return &Error{"The token has expired."}
	}
	return nil
}

// bearer reads the token out of the Authorization header.
func bearer(header http.Header) (string, error) {
	values := header["Authorization"]
	if len(values) == 0 {
		if header.Get("X-Api-Key") != "" {
			return "", &Error{"Header 'x-api-key' is not supported; send 'Authorization: Bearer <PAT>'."}
		}
		return "", &Error{"Missing token; send 'Authorization: Bearer <PAT>'."}
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || !WellFormed(token) {
		return "", &Error{"Malformed token; send 'Authorization: Bearer <PAT>', where the PAT starts with 'pt-'."}
	}
	return token, nil
}

// maxLength bounds a token, in bytes.
const maxLength = 256

// WellFormed reports whether a text can be a token: the prefix, then token68 characters (RFC 9110).
func WellFormed(token string) bool {
	rest, ok := strings.CutPrefix(token, Prefix)
	if !ok || rest == "" || len(token) > maxLength {
		return false
	}
	for i := range len(rest) {
		b := rest[i]
		alphanumeric := b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
		if !alphanumeric && strings.IndexByte("-._~+/=", b) < 0 {
			return false
		}
	}
	return true
}

// Mint returns a new token of an account with 256 bits of randomness.
func Mint() string { return mint("") }

// MintKey returns a new key of an environment.
func MintKey() string { return mint("env-") }

// MintDelivery returns a new token for the delivery of a work item.
func MintDelivery() string { return mint("work-") }

// mint returns a new token whose kind shows.
func mint(kind string) string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand aborts the program instead
	return Prefix + kind + hex.EncodeToString(secret[:])
}

// Hash returns what is stored of a token. Tokens are random, so that one round of SHA-256 is enough.
func Hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
