package auth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// recheckEvery is how often the token of an admission that is held is checked. A check reads the store when a token
	// was revoked, as far as this process was notified, and at the latest when the last read is freshFor old.
	recheckEvery = 500 * time.Millisecond
	// recheckTimeout bounds the read of a check.
	recheckTimeout = 5 * time.Second
)

// holds are the admissions that are held, by the hash of their token.
type holds struct {
	mu      sync.Mutex
	byToken map[string]*hold
}

// hold is what the requests share that hold the admission of one token.
type hold struct {
	ctx     context.Context
	end     context.CancelCauseFunc
	holders int // guarded by holds
}

// Hold keeps a request's admission in view for as long as the request takes: the context that it returns ends with ctx,
// and within recheckEvery+freshFor of the token's expiry or revocation; its cause is then an *Error. An admission does
// not end because the database is unavailable. The caller must call release. The requests of one token share one
// goroutine and its reads.
func (a *Authenticator) Hold(ctx context.Context, token string) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	leave := a.OnEnd(token, func(denied error) { cancel(denied) })
	return held, func() {
		leave()
		cancel(nil)
	}
}

// OnEnd is Hold for what has no context: it calls end with the *Error, from a goroutine of its own, within
// recheckEvery+freshFor of the token's expiry or revocation. The caller must call release, after which end is not called
// unless it was before.
func (a *Authenticator) OnEnd(token string, end func(denied error)) (release func()) {
	h := a.join(token)
	unlink := context.AfterFunc(h.ctx, func() { end(context.Cause(h.ctx)) })
	return sync.OnceFunc(func() {
		unlink()
		a.leave(token, h)
	})
}

func (a *Authenticator) join(token string) *hold {
	a.holds.mu.Lock()
	defer a.holds.mu.Unlock()
	h := a.holds.byToken[token]
	if h == nil {
		h = &hold{}
		h.ctx, h.end = context.WithCancelCause(context.Background())
		if a.holds.byToken == nil {
			a.holds.byToken = map[string]*hold{}
		}
		a.holds.byToken[token] = h
		go a.watch(h, token)
	}
	h.holders++
	return h
}

func (a *Authenticator) leave(token string, h *hold) {
	a.holds.mu.Lock()
	defer a.holds.mu.Unlock()
	if h.holders--; h.holders == 0 {
		h.end(nil)
		delete(a.holds.byToken, token)
	}
}

// watch ends the admission when its token is no longer valid. It returns when nobody holds the admission.
func (a *Authenticator) watch(h *hold, token string) {
	ticker := time.NewTicker(recheckEvery)
	defer ticker.Stop()
	cached, _ := a.cache.byHash.Get(token)
	last := cached.token // as the store had it: a token expires whether or not the database responds
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-ticker.C:
		}
		known, err := a.recheck(h.ctx, token, last)
		if err == nil {
			last = known
		}
		var denied *Error
		if errors.As(err, &denied) || errors.As(a.expired(last), &denied) {
			h.end(denied)
			return
		}
	}
}

// recheck checks a token. It does not wait for the database any longer than the token is valid.
func (a *Authenticator) recheck(ctx context.Context, token string, last store.Token) (store.Token, error) {
	timeout := recheckTimeout
	if last.ExpiresAt != nil {
		timeout = min(timeout, last.ExpiresAt.Sub(a.now()))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return a.check(ctx, token)
}
