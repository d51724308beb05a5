package auth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// counted counts the reads of a store's tokens.
type counted struct {
	store.Tokens
	auth.Sessions
	reads int
}

func (c *counted) TokenByHash(ctx context.Context, hash string) (store.Token, error) {
	c.reads++
	return c.Tokens.TokenByHash(ctx, hash)
}

func TestRequestsInQuickSuccessionReadTheStoreOnce(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	db, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tokens := &counted{Tokens: db}
	a := auth.New(tokens, clock)
	mint := func(expires *time.Time) (http.Header, store.Token) {
		secret := auth.Mint()
		token, err := db.CreateToken(t.Context(), store.NewToken{Account: "acme", Hash: auth.Hash(secret), ExpiresAt: expires})
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{"Authorization": {"Bearer " + secret}}, token
	}
	refused := func(header http.Header, message string) {
		t.Helper()
		var denied *auth.Error
		if _, err := a.Authenticate(t.Context(), header); !errors.As(err, &denied) || denied.Message != message {
			t.Errorf("%v, want %q", err, message)
		}
	}
	accepted := func(header http.Header) {
		t.Helper()
		if p, err := a.Authenticate(t.Context(), header); err != nil || p.Account != "acme" {
			t.Errorf("%+v, %v", p, err)
		}
	}

	header, token := mint(nil)
	for range 100 {
		accepted(header)
	}
	if tokens.reads != 1 {
		t.Errorf("%d reads for 100 requests", tokens.reads)
	}
	if _, err := db.RevokeToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	refused(header, "The token has been revoked.")
	refused(header, "The token has been revoked.")
	if tokens.reads != 2 {
		t.Errorf("%d reads after the revocation", tokens.reads-1)
	}
	now = now.Add(time.Second)
	refused(header, "The token has been revoked.")
	if tokens.reads != 3 {
		t.Errorf("%d reads after a second", tokens.reads-2)
	}

	header, _ = mint(new(now.Add(time.Millisecond)))
	accepted(header)
	now = now.Add(time.Millisecond)
	refused(header, "The token has expired.")
}
