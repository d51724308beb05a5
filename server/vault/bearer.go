package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

const (
	// early is how long before it expires an access token is refreshed.
	early = 30 * time.Second
	// refreshTime bounds a refresh. After it the refresh of a process that died counts as abandoned.
	refreshTime = 30 * time.Second
	// refreshPoll is how often a process looks whether the refresh of another one has ended.
	refreshPoll = 100 * time.Millisecond
)

// errNoRefresh means that an access token expired and cannot be refreshed.
var errNoRefresh = errors.New("the vault's access token has expired and cannot be refreshed; update the credential")

// opened is a credential with its secret.
type opened struct {
	store.Credential
	secret Secret
	oauth  *types.MCPOAuth // nil for a static token
}

// Bearer implements Credentials.
func (s *Safe) Bearer(ctx context.Context, account string, vaultIDs []string, serverURL, refused string) (string, error) {
	target := MatchURL(serverURL)
	if target == "" {
		return "", nil
	}
	c, err := s.store.FindCredential(ctx, account, vaultIDs, target)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", errUnreadable
	}
	o, err := s.opened(account, c)
	if err != nil {
		return "", err
	}
	switch {
	case o.fresh(s.now(), refused):
		return o.secret.Token, nil
	case o.oauth == nil || o.oauth.Refresh == nil && refused == o.secret.Token:
		return "", ErrRefused
	case o.oauth.Refresh == nil || s.http == nil:
		return "", errNoRefresh
	}
	return s.refreshed(ctx, account, o, refused)
}

// opened opens the secret of a credential that authorises requests.
func (s *Safe) opened(account string, c store.Credential) (opened, error) {
	secret, err := s.open(store.CredentialRef{Account: account, Vault: c.VaultID, ID: c.ID}, c.Secret)
	if err != nil {
		return opened{}, err
	}
	o := opened{Credential: c, secret: secret}
	var auth types.CredentialAuth
	if err := json.Unmarshal(c.Auth, &auth); err != nil {
		return opened{}, fmt.Errorf("credential %s: auth: %w", c.ID, err)
	}
	if oauth, ok := auth.AsAny().(types.MCPOAuth); ok {
		o.oauth = &oauth
	}
	return o, nil
}

// fresh reports whether the token can be sent.
func (o opened) fresh(now time.Time, refused string) bool {
	expired := o.oauth != nil && o.oauth.ExpiresAt != nil && !now.Add(early).Before(*o.oauth.ExpiresAt)
	return !expired && o.secret.Token != refused
}

// refreshed returns a fresh token. Of all processes one at a time uses the refresh token: many token endpoints accept it
// once, and treat a second use as theft. The others wait for the token that it stores.
func (s *Safe) refreshed(ctx context.Context, account string, o opened, refused string) (string, error) {
	for {
		until := s.now().Add(refreshTime).UTC().Truncate(time.Microsecond)
		if !o.RefreshingUntil.After(s.now()) {
			claimed, err := s.store.SetRefreshing(ctx, account, o.VaultID, o.ID, o.RefreshingUntil, until)
			if err != nil {
				return "", errUnreadable
			}
			if claimed {
				return s.claimed(ctx, account, o, refused, until)
			}
		}
		if err := pause(ctx, refreshPoll); err != nil {
			return "", err
		}
		var err error
		if o, err = s.current(ctx, account, o); err != nil {
			return "", err
		}
		if o.fresh(s.now(), refused) {
			return o.secret.Token, nil
		}
	}
}

// current returns a credential as it is now.
func (s *Safe) current(ctx context.Context, account string, o opened) (opened, error) {
	c, err := s.store.GetCredential(ctx, account, o.VaultID, o.ID)
	if err != nil {
		return opened{}, errUnreadable
	}
	return s.opened(account, c)
}

// claimed returns a fresh token, given that no other process refreshes before a time. Between the read of the credential and
// the claim another one may have begun and ended a refresh: its token is fresh then, and the refresh token that was read used.
func (s *Safe) claimed(ctx context.Context, account string, read opened, refused string, until time.Time) (token string, err error) {
	o, err := s.current(ctx, account, read)
	switch {
	case err != nil:
	case o.fresh(s.now(), refused):
		token = o.secret.Token
	case o.oauth == nil || o.oauth.Refresh == nil:
		err = errNoRefresh
	default:
		return s.refresh(ctx, account, o, until)
	}
	s.release(ctx, account, read, until)
	return token, err
}

// release lets other processes refresh. When it fails, the claim ends by itself.
func (s *Safe) release(ctx context.Context, account string, o opened, until time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime/2)
	defer cancel()
	_, _ = s.store.SetRefreshing(ctx, account, o.VaultID, o.ID, until, time.Time{})
}

// errUnreadable stands for an error of the database.
var errUnreadable = errors.New("the server cannot read the vault's credential for the moment")

// refresh exchanges the refresh token and stores what it got. Once the token endpoint was asked, the end of ctx no longer
// keeps the new tokens from being stored: the old ones may be worth nothing.
func (s *Safe) refresh(ctx context.Context, account string, o opened, until time.Time) (string, error) {
	exchange, cancel := context.WithTimeout(ctx, refreshTime/2)
	defer cancel()
	tokens, err := s.exchange(exchange, *o.oauth.Refresh, o.secret)
	if err != nil {
		s.release(ctx, account, o, until)
		return "", err
	}
	kept, stop := context.WithTimeout(context.WithoutCancel(ctx), refreshTime/2)
	defer stop()
	token := tokens.AccessToken
	_, err = s.Update(kept, account, o.VaultID, o.ID, func(spec *store.CredentialSpec, secret *Secret) error {
		if *secret != o.secret { // a caller has replaced it meanwhile, which counts
			token = secret.Token
			return nil
		}
		secret.Token = tokens.AccessToken
		if tokens.RefreshToken != "" {
			secret.RefreshToken = tokens.RefreshToken
		}
		oauth := *o.oauth
		oauth.ExpiresAt = tokens.expiresAt(s.now())
		spec.Auth, err = json.Marshal(types.NewCredentialAuth(oauth))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("the refreshed access token could not be stored: %w", err)
	}
	return token, nil
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
