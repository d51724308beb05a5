package auth_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
)

// row is a store with one token, in which no revocation is ever notified.
type row struct {
	store.Tokens
	auth.Sessions
	token atomic.Pointer[store.Token] // nil when there is none
	fails atomic.Bool                 // the database is unavailable
	hangs atomic.Bool                 // the database does not respond
	reads atomic.Int64
}

func (r *row) Revocations() int64 { return 0 }

func (r *row) TokenByHash(ctx context.Context, _ string) (store.Token, error) {
	r.reads.Add(1)
	token := r.token.Load()
	switch {
	case r.hangs.Load():
		<-ctx.Done()
		return store.Token{}, ctx.Err()
	case r.fails.Load():
		return store.Token{}, store.ErrUnavailable
	case token == nil:
		return store.Token{}, store.ErrNotFound
	}
	return *token, nil
}

// admitted returns a store with a token that expires after a time, and an authenticator that has accepted it.
func admitted(t *testing.T, lifetime time.Duration) (*row, *auth.Authenticator, auth.Principal) {
	t.Helper()
	r := &row{}
	r.token.Store(&store.Token{ID: "tok_1", Account: "acme", Hash: auth.Hash("pt-a"), ExpiresAt: new(time.Now().Add(lifetime))})
	a := auth.New(r, time.Now)
	principal, err := a.Authenticate(t.Context(), http.Header{"Authorization": {"Bearer pt-a"}})
	if err != nil {
		t.Fatal(err)
	}
	return r, a, principal
}

// endsWithin fails the test unless ctx ends in time with that message.
func endsWithin(t *testing.T, ctx context.Context, limit time.Duration, message string) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(limit):
		t.Fatalf("the admission has not ended after %s", limit)
	}
	var denied *auth.Error
	if err := context.Cause(ctx); !errors.As(err, &denied) || denied.Message != message {
		t.Errorf("%v, want %q", err, message)
	}
}

// An admission ends with its token although no process is notified of it and the database does not respond.
func TestAnAdmissionEndsWithItsToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lifetime time.Duration
		change   func(r *row)
		message  string
	}{
		"revoked": {time.Hour, func(r *row) {
			revoked := *r.token.Load()
			revoked.RevokedAt = new(time.Now())
			r.token.Store(&revoked)
		}, "The token has been revoked."},
		"removed":                          {time.Hour, func(r *row) { r.token.Store(nil) }, "Invalid API key or token."},
		"expired":                          {time.Second, func(*row) {}, "The token has expired."},
		"expired while the database fails": {time.Second, func(r *row) { r.fails.Store(true) }, "The token has expired."},
		"expired while the database hangs": {time.Second, func(r *row) { r.hangs.Store(true) }, "The token has expired."},
		"expired earlier than it was to be once": {time.Hour, func(r *row) {
			shortened := *r.token.Load()
			shortened.ExpiresAt = new(time.Now())
			r.token.Store(&shortened)
		}, "The token has expired."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, a, principal := admitted(t, test.lifetime)
				held, release := a.Hold(t.Context(), principal.Token)
				defer release()
				test.change(r)
				endsWithin(t, held, 2*time.Second, test.message)
				again, releaseAgain := a.Hold(t.Context(), principal.Token)
				defer releaseAgain()
				endsWithin(t, again, 2*time.Second, test.message)
			})
		})
	}
}

// The requests of one token share the reads. Releasing one ends its context and no other; after the last one nothing
// is read.
func TestAdmissionsOfOneTokenShareTheirReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, sharesReads)
}

func sharesReads(t *testing.T) {
	r, a, principal := admitted(t, time.Hour)
	before := r.reads.Load()
	releases := make([]func(), 100)
	contexts := make([]context.Context, len(releases))
	for i := range releases {
		contexts[i], releases[i] = a.Hold(t.Context(), principal.Token)
	}
	time.Sleep(2200 * time.Millisecond)
	if reads := r.reads.Load() - before; reads < 1 || reads > 4 {
		t.Errorf("%d reads in 2.2 s", reads)
	}
	releases[0]()
	releases[0]()
	synctest.Wait()
	if contexts[0].Err() == nil || contexts[1].Err() != nil {
		t.Errorf("released: %v, held: %v", contexts[0].Err(), contexts[1].Err())
	}
	for _, release := range releases {
		release()
	}
	before = r.reads.Load()
	time.Sleep(1600 * time.Millisecond)
	if reads := r.reads.Load() - before; reads != 0 {
		t.Errorf("%d reads although nobody holds the admission", reads)
	}
}

// A database that is unavailable ends no admission, and a request that ends is not the token's end.
func TestAnAdmissionOutlivesTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, outlivesTheDatabase)
}

func outlivesTheDatabase(t *testing.T) {
	r, a, principal := admitted(t, time.Hour)
	r.fails.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	held, release := a.Hold(ctx, principal.Token)
	defer release()
	time.Sleep(1600 * time.Millisecond)
	if err := held.Err(); err != nil || r.reads.Load() < 2 {
		t.Errorf("%v after %d reads", err, r.reads.Load())
	}
	cancel()
	if err := context.Cause(held); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
